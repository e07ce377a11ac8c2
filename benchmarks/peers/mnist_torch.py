"""MNIST with 100 labels by the plain PyTorch loop; the averaged weights answer.

python mnist_torch.py DIR DRAW STEPS EVERY
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from mnist import Mnist, follow
from torch_loop import Discriminator, Loop
from work import WORKS


def main(folder: Path, draw: int, steps: int, every: int) -> None:
    """Trains, and tells what it has reached."""
    torch.set_num_threads(1)
    torch.manual_seed(draw)
    data, loop = Mnist.read(folder, draw), Loop(WORKS["W1"])
    known = data.y >= 0
    loop.labelled, loop.classes = torch.from_numpy(data.x[known]), torch.from_numpy(data.y[known].astype(np.int64))
    loop.rows = torch.from_numpy(data.x)
    averaged = Discriminator(WORKS["W1"])

    @torch.no_grad()
    def logits(x: np.ndarray) -> np.ndarray:
        for weight, mean in zip(averaged.parameters(), loop.average, strict=True):
            weight.copy_(mean)
        return averaged(torch.from_numpy(x))[1].numpy()

    def forward(first: int, count: int) -> None:  # noqa: ARG001
        loop.steps(count)

    follow(forward, logits, data, steps, every, "CPU")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]))
