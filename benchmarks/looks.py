"""Whom the looks of the training images flag: honest test images, broken ones, and images of another kind.

    python benchmarks/looks.py --data DIR        # half a minute; writes results/looks.json

The limits are fitted on the training images of MNIST and of SVHN (draw 0 of accuracy_mnist.py and accuracy_svhn.py)
with half of the default `calibrate.unlike`. Told is the share of images that are flagged, of 2,000 test images: as they
are (`honest`); broken in ways that a file or a sensor can be; and those of the other set, brought to this one's size
and channels.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import accuracy_mnist
import accuracy_svhn
import numpy as np
from grid import RESULTS
from machine import describe
from PIL import Image

from ssgan.config import CalibrateParams
from ssgan.contract import NumberColumn
from ssgan.learn.looks import looks
from ssgan.learn.ranges import Ranges, Seen

IMAGES = 2000
RNG = np.random.default_rng(0)
BROKEN: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "negatives": lambda x: -x,
    "upside down": lambda x: x[:, ::-1],
    "a quarter of the light": lambda x: (x + 1) / 4 - 1,
    "black": lambda x: np.full_like(x, -1.0),
    "static": lambda x: RNG.uniform(-1, 1, x.shape).astype(np.float32),
    "noise of deviation .3": lambda x: np.clip(x + RNG.normal(0, 0.3, x.shape), -1, 1).astype(np.float32),
    "pixels in another order": lambda x: x.reshape(len(x), -1, x.shape[-1])[
        :, RNG.permutation(x.shape[1] * x.shape[2])
    ].reshape(x.shape),
}


def encoded(x: np.ndarray) -> np.ndarray:
    """Bytes [n, height, width] or [n, height, width, 3] -> float32 [n, height, width, channels] in [-1, 1]."""
    return (x if x.ndim == 4 else x[..., None]).astype(np.float32) / 127.5 - 1


def brought_to(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Bytes at the size and with the channels of other bytes."""
    mode = "RGB" if len(shape) == 4 else "L"
    size = (shape[2], shape[1])
    return np.stack([np.asarray(Image.fromarray(each).convert(mode).resize(size)) for each in x])


def measure(train: np.ndarray, test: np.ndarray, other: np.ndarray) -> dict[str, float]:
    """Bytes of one set, and of the other one -> shares that are flagged."""
    measured = looks(encoded(train))
    seen = Seen.fit(measured, dict.fromkeys(measured, NumberColumn(type="number")))
    ranges = Ranges(seen.limits(CalibrateParams().unlike / 2)[0])

    def flagged(x: np.ndarray) -> float:
        cells = ranges.outside(looks(x))
        return 0.0 if cells is None else round(float(cells.any(axis=1).mean()), 4)

    x = encoded(test)
    found = {"honest": flagged(x), **{name: flagged(broken(x)) for name, broken in BROKEN.items()}}
    return found | {"the other set": flagged(encoded(brought_to(other, train.shape)))}


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with the downloaded sets")
    folder = parser.parse_args().data
    mnist, svhn = accuracy_mnist.draw(folder, 100, 0), accuracy_svhn.draw(folder, 1000, 0)
    sets = {"mnist": (mnist.x, mnist.test_x[:IMAGES]), "svhn": (svhn.x, svhn.test_x[:IMAGES])}
    found: dict[str, object] = {"machine": describe(), "images": IMAGES}
    for (name, (train, test)), other in zip(sets.items(), ("svhn", "mnist"), strict=True):
        found[name] = measure(train, test, sets[other][1])
        print(name, found[name], flush=True)
    (RESULTS / "looks.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
