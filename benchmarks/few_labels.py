"""Very few labels of images: what the trial says (ssgan/learn/trial.py), and what the answers are worth, held and free.

    python benchmarks/few_labels.py --data DIR --set mnist --draws 3 5 8 9             # the trial alone
    python benchmarks/few_labels.py --data DIR --set mnist --draws 101 --rarer 10      # half of the classes are rare
    python benchmarks/few_labels.py --data signs.npz --draws 0 --end                   # trained to the end, too

20 labels in all unless `--labels` says otherwise, as many of each class. mnist and svhn: DIR as for accuracy_mnist.py
and accuracy_svhn.py, a draw from 100 on is judged by training images held out; a file: as for accuracy_file.py. Seeds
are the estimator's, a user's. `--rarer`: the second half of the classes is thinned out among the unlabelled and the
test images, not among the labels. Results: benchmarks/results/few_labels.json, a line for each run.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import accuracy_file
import accuracy_mnist
import accuracy_svhn
import numpy as np
from choose_pictures import held_out
from grid import RESULTS
from pictures import Draw, one

TABLES = {"mnist": accuracy_mnist.TABLE, "svhn": accuracy_svhn.TABLE}
HELD_OUT = 100  # the first draw that is judged by training images
RESULT = RESULTS / "few_labels.json"


def drawn(data: Path, name: str | None, labels: int, number: int) -> Draw:
    """The images of a draw."""
    if name is None:
        return accuracy_file.draw(data, labels, number)
    return held_out(name, data, labels, number) if number >= HELD_OUT else TABLES[name].draw(data, labels, number)


def thinned(draw: Draw, rarer: float) -> Draw:
    """The second half of the classes that many times rarer; labelled images stay."""
    source, half = np.random.default_rng(7), (draw.y.max() + 1) // 2
    kept = (draw.y < half) | (source.random(len(draw.y)) < 1 / rarer)
    kept[draw.known] = True
    tested = (draw.test_y < half) | (source.random(len(draw.test_y)) < 1 / rarer)
    known = np.cumsum(kept)[draw.known] - 1
    return Draw(draw.x[kept], draw.y[kept], known, draw.test_x[tested], draw.test_y[tested])


def trial(draw: Draw, seed: int) -> dict[str, float]:
    """Entropies, and what is chosen by them."""
    from ssgan import SSGANClassifier
    from ssgan.learn.encode import Encoder
    from ssgan.learn.given import params_of
    from ssgan.learn.heads import head_for
    from ssgan.learn.knobs import resolve
    from ssgan.learn.tabular import Layout
    from ssgan.learn.trial import chosen, doubts

    y = np.full(len(draw.y), -1)
    y[draw.known] = draw.y[draw.known]
    layout = Layout.of(draw.x)
    contract = layout.contract(draw.x, [str(each) for each in range(draw.y.max() + 1)])
    encoder = Encoder.fit({}, contract)
    x = layout.encode(draw.x, encoder)
    knobs = resolve(params_of(SSGANClassifier(random_state=seed)), contract, x)
    held, free = doubts(x, y, encoder, head_for(contract, y, knobs.head), knobs)
    found = {"held": held, "free": free, "times": held / free, "align": chosen(held, free)}
    return {name: round(value, 4) for name, value in found.items()}


def keep(run: dict[str, Any]) -> None:
    """Adds a run to the result file."""
    result = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {"runs": []}
    result["runs"].append(run)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Asks, and where it is wanted trains; prints and keeps each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of a set, or a file of images")
    parser.add_argument("--set", choices=list(TABLES), help="none where --data is a file")
    parser.add_argument("--labels", type=int, default=20, help="in all")
    parser.add_argument("--draws", nargs="*", type=int, default=[0])
    parser.add_argument("--rarer", type=float, default=1.0)
    parser.add_argument("--end", action="store_true", help="train with answers held and free, too")
    given = parser.parse_args()
    for number in given.draws:
        draw = thinned(drawn(given.data, given.set, given.labels, number), given.rarer)
        about = {"set": given.set or given.data.stem, "labels": given.labels, "draw": number, "rarer": given.rarer}
        run: dict[str, Any] = {**about, "seed": "estimator's", **trial(draw, number)}
        if given.end:
            run["error"] = {str(align): one(draw, number, align=align)["error"] for align in (0.5, 0.0)}
        print(run, flush=True)
        keep(run)


if __name__ == "__main__":
    main()
