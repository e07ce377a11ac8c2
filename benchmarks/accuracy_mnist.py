"""MNIST with few labels: test error of the product, without its GAN, and of its supervised twin.

    python benchmarks/accuracy_mnist.py --data DIR                                # 3 draws, on a processor
    KERAS_BACKEND=jax python benchmarks/accuracy_mnist.py --data DIR --draws 0 10 --steps 60000 --labels 20 100

All 60,000 training images, of which a few per class keep their label; all 10,000 test images. Protocol: pictures.py.
DIR/mnist holds the four idx files, gzipped. Results: benchmarks/results/accuracy_mnist.json.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from pictures import Draw, Table, main, shown


def idx(path: Path) -> np.ndarray:
    """uint8 of the shape that an idx file's head names."""
    with gzip.open(path) as handle:
        raw = handle.read()
    sizes = np.frombuffer(raw, ">i4", raw[3], 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes)


def draw(folder: Path, labels: int, number: int) -> Draw:
    """The labelled images are drawn by the number of the draw."""
    parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    x, y, test_x, test_y = (idx(folder / "mnist" / f"{part}-ubyte.gz") for part in parts)
    return Draw(x, y.astype(int), shown(y, labels, np.random.default_rng(number)), test_x, test_y.astype(int))


TABLE = Table("accuracy_mnist", draw, (100,), 3, 5000, ("ssgan", "a = 0", "twin"), {})

if __name__ == "__main__":
    main(TABLE, __doc__ or "")
