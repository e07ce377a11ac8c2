"""How many unlabelled rows are needed? The product with 0, 100, 300, 1000 and all of them, and its supervised twin.

    python benchmarks/unlabelled_rows.py --data DIR

Protocol: tables.py; the tables of accuracy_classes.py that have 1000 unlabelled rows. The fewer rows are the first of
the more, and what is fitted on rows, such as the bins of the numbers, is fitted on the labelled ones and these. With 0
it is the product on its labelled rows alone: unlike the twin it has its teacher and its fakes. Results:
benchmarks/results/unlabelled_rows.json.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import tables
from accuracy_classes import fitted, product, scores
from grid import Grid, Method, main

SETS = ("thyroid", "adult", "letter", "obesity", "ctg", "stroke", "diabetes130", "digits")
COUNTS = (0, 100, 300, 1000)


def fewer(split: tables.Split, count: int | None, seed: int) -> tables.Split:
    """The labelled rows, then so many of the others, for an estimator; the encoded matrices are left as they are."""
    others = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(len(split.frame)), split.known))[:count]
    rows = np.concatenate([split.known, others])
    groups = None if split.groups is None else split.groups[rows]
    return replace(
        split, frame=split.frame.iloc[rows].reset_index(drop=True), known=np.arange(len(split.known)), groups=groups
    )


def among(count: int | None) -> Method:
    """The discriminator, learned beside so many unlabelled rows; None: all."""

    def run(split: tables.Split, seed: int) -> dict[str, float]:
        found = fitted(fewer(split, count, seed), seed)
        return scores(split, found.predict_proba(split.test_frame))

    return run


OURS: dict[str, Method] = {
    **{f"{count} unlabelled": among(count) for count in COUNTS},
    "all": among(None),
    "twin": product(gan_weight=0.0, teacher_weight=0.0),
}
GRID = Grid("unlabelled_rows", SETS, (5, 10), 3, {}, OURS, 1, "balanced accuracy")

if __name__ == "__main__":
    main(GRID, __doc__ or "")
