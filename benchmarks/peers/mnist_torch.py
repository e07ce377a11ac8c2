"""MNIST with 100 labels by the plain PyTorch loop, with the schedule that ours has; the averaged weights answer.

python mnist_torch.py DIR DRAW STEPS EVERY [RATE]
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import torch
from mnist import Mnist, follow
from torch_loop import Discriminator, Loop
from work import RATE, WORKS

DECAY = 0.99  # as ours: an average over 10,000 steps would still hold the first weights when a short run ends


def main(folder: Path, draw: int, steps: int, every: int, rate: float = RATE) -> None:
    """Trains, and tells what it has reached."""
    torch.set_num_threads(1)
    torch.manual_seed(draw)
    data, loop = Mnist.read(folder, draw), Loop(WORKS["W1"], DECAY)
    known = data.y >= 0
    loop.labelled, loop.classes = torch.from_numpy(data.x[known]), torch.from_numpy(data.y[known].astype(np.int64))
    loop.rows = torch.from_numpy(data.x)
    averaged = Discriminator(WORKS["W1"])

    @torch.no_grad()
    def logits(x: np.ndarray) -> np.ndarray:
        for weight, mean in zip(averaged.parameters(), loop.average, strict=True):
            weight.copy_(mean)
        return averaged(torch.from_numpy(x))[1].numpy()

    def forward(first: int, count: int) -> None:
        for step in range(first, first + count):
            late = max(2 * step / steps - 1, 0.0)
            for adam in (loop.net_adam, loop.fakes_adam):
                adam.param_groups[0]["lr"] = rate * (0.02 + 0.49 * (1 + math.cos(math.pi * late)))
            loop.step()

    follow(forward, logits, data, steps, every, "CPU")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]), *map(float, sys.argv[5:6]))
