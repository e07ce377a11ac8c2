"""MNIST with 100 labels by the plain PyTorch loop; the averaged weights answer.

python mnist_torch.py DIR DRAW STEPS EVERY {published|started} [RATE]

`published`: as the paper's code has it, the learning rate constant. `started`: the generator begins around the mean
image (`torch_loop.Pixels`), and the rate falls over the second half as ours does.
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


def main(folder: Path, draw: int, steps: int, every: int, recipe: str, rate: float = RATE) -> None:
    """Trains, and tells what it has reached."""
    torch.set_num_threads(1)
    torch.manual_seed(draw)
    data = Mnist.read(folder, draw)
    known = data.y >= 0
    loop = Loop(WORKS["W1"], (data.x[known], data.y[known].astype(np.int64), data.x), DECAY)
    if recipe == "started":
        loop.fakes[-1].start_at(loop.rows)
    averaged = Discriminator(WORKS["W1"]).eval()

    @torch.no_grad()
    def logits(x: np.ndarray) -> np.ndarray:
        for weight, mean in zip(averaged.parameters(), loop.average, strict=True):
            weight.copy_(mean)
        return averaged(torch.from_numpy(x))[1].numpy()

    def forward(first: int, count: int) -> None:
        for step in range(first, first + count):
            late = max(2 * step / steps - 1, 0.0) if recipe == "started" else 0.0
            for adam in (loop.net_adam, loop.fakes_adam):
                adam.param_groups[0]["lr"] = rate * (0.02 + 0.49 * (1 + math.cos(math.pi * late)))
            loop.step()

    follow(forward, logits, data, steps, every, "CPU")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:5]), sys.argv[5], *map(float, sys.argv[6:7]))
