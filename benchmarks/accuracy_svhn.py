"""SVHN digits with few labels: test error of the product, its ablations, Mean Teacher, ICT and VAT on one trunk.

    python benchmarks/accuracy_svhn.py --data DIR                                   # one split, on a processor
    KERAS_BACKEND=jax python benchmarks/accuracy_svhn.py --data DIR --draws 0 5 --steps 60000

The first 10,000 of SVHN's test images (cropped digits): per split 2,000 of them for testing, 8,000 for training, of
which 250, 500 or 1000 keep their label. Not comparable with published SVHN numbers. Protocol: pictures.py.
DIR/svhn_test10k holds test_32x32_first10000.mat. Results: benchmarks/results/accuracy_svhn.json.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.io
from pictures import Draw, Table, main, shown

TEST = 2000


def draw(folder: Path, labels: int, number: int) -> Draw:
    """Split and labelled images are drawn by the number; fewer labels are a part of more."""
    held = scipy.io.loadmat(str(folder / "svhn_test10k" / "test_32x32_first10000.mat"))
    x, y = np.moveaxis(held["X"], 3, 0), held["y"].ravel().astype(int) % 10  # 10 stands for 0
    rng = np.random.default_rng(number)
    order = rng.permutation(len(x))
    test, train = order[:TEST], order[TEST:]
    return Draw(x[train], y[train], shown(y[train], labels, rng), x[test], y[test])


TABLE = Table("accuracy_svhn", draw, (1000, 250, 500), 1, 2500, ("ssgan", "a = 0", "twin"), {})

if __name__ == "__main__":
    main(TABLE, __doc__ or "")
