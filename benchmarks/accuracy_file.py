"""Images of your own with few labels: test error of the product, its ablation and its twin.

    python benchmarks/accuracy_file.py --data signs.npz --labels 100 --draws 0 3 --steps 2500

The file holds x, uint8 [n, height, width] or [n, height, width, 3], and y, whole numbers [n]; with test_x and test_y
these are the test images, else a quarter of the others is, drawn by the draw's number. The same number of each class
keeps its label. `--steps` is what `train.steps` is for such images. Protocol: pictures.py. Results:
results/accuracy_<file>.json.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from pictures import Draw, Table, main, shown


def draw(file: Path, labels: int, number: int) -> Draw:
    """Test images and labels are functions of the number."""
    rng = np.random.default_rng(number)
    with np.load(file, allow_pickle=False) as held:
        x, y = held["x"], held["y"].astype(int)
        order = rng.permutation(len(x))
        if "test_x" in held:
            test_x, test_y = held["test_x"], held["test_y"].astype(int)
        else:
            tested, order = order[: len(x) // 4], order[len(x) // 4 :]
            test_x, test_y = x[tested], y[tested]
    return Draw(x[order], y[order], shown(y[order], labels, rng), test_x, test_y)


if __name__ == "__main__":
    named = [Path(sys.argv[place + 1]).stem for place, word in enumerate(sys.argv[:-1]) if word == "--data"]
    name = f"accuracy_{named[0]}" if named else "accuracy"
    main(Table(name, draw, (100,), 1, 2500, ("ssgan", "a = 0", "twin"), {}), __doc__ or "")
