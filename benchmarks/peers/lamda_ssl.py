"""MNIST with 100 labels by LAMDA-SSL's ImprovedGAN, with its own defaults; its last weights answer, it keeps no others.

python lamda_ssl.py DIR DRAW STEPS EVERY

A Python of its own: LAMDA-SSL 1.0.2, torch 2.13.0, torchvision 0.28.0, scikit-learn 1.4.2, numpy 1.26.4, scipy below
1.14, pandas below 2.3 and matplotlib below 3.10. scikit-learn 1.9 lacks a function that it imports, and newer PyTorch
refuses its loaders' `prefetch_factor`; its `fit` runs as it is. Half of its 100 unlabelled rows go to the
discriminator, half to the generator.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from LAMDA_SSL.Algorithm.Classification.ImprovedGAN import ImprovedGAN
from LAMDA_SSL.Config import ImprovedGAN as config
from mnist import Mnist

Told = tuple[float, float]  # processor seconds, seconds


class Followed(ImprovedGAN):  # type: ignore[misc]  # has no types
    """Tells its test error between two steps, the clock stopped meanwhile."""

    def __init__(self, data: Mnist, every: int, **given: Any) -> None:
        super().__init__(**given)
        self._data, self._every, self._spent, self._since = data, every, (0.0, 0.0), clock()

    def start_fit(self) -> None:
        super().start_fit()
        self._since = clock()  # data sets are made, networks too

    def start_fit_batch(self) -> None:
        if self.it_total and self.it_total % self._every == 0:
            self.tell()

    def tell(self) -> None:
        """A line as `mnist.follow` prints it."""
        now = clock()
        self._spent = tuple(spent + b - a for spent, a, b in zip(self._spent, self._since, now, strict=True))
        x = torch.from_numpy((self._data.test_x + 1) / 2)
        self._network.eval()
        with torch.no_grad():
            answers = self._network.D(x).argmax(dim=1).numpy()
        self._network.train()
        told = {"steps": self.it_total, "cpu_seconds": round(self._spent[0], 1), "seconds": round(self._spent[1], 1)}
        print(json.dumps({**told, "error": round(float((answers != self._data.test_y).mean()), 4)}), flush=True)
        self._since = clock()


def clock() -> Told:
    """Now."""
    return time.process_time(), time.perf_counter()


def images(x: np.ndarray) -> np.ndarray:
    """uint8 [n, 28, 28]."""
    return np.rint((x + 1) * 127.5).astype(np.uint8).reshape(-1, 28, 28)


def main(folder: Path, draw: int, steps: int, every: int) -> None:
    """Trains, and tells what it has reached."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(draw)
    for loader in (config.labeled_dataloader, config.unlabeled_dataloader):
        loader.prefetch_factor = None
    data = Mnist.read(folder, draw)
    known = data.y >= 0
    learner = Followed(data, every, epoch=-(-steps // config.num_it_epoch))
    learner.fit(images(data.x[known]), data.y[known], images(data.x))
    learner.tell()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
