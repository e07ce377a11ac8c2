"""A plain PyTorch loop, as one would write it: Improved GAN with weight norm, feature matching, averaged weights.

python torch_loop.py W1

After the paper and its published code (Salimans et al. 2016): scales of the hidden layers set by a batch of data and
then left, Adam with 1e-8 inside the root. Its images are in [0, 1], ours in [-1, 1], hence tanh. Made for PyTorch 2.13.
"""

from __future__ import annotations

import itertools
import sys

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from work import BETA1, EMA, HIDDEN_NOISE, INPUT_NOISE, RATE, WORKS, Work, clocked, serve

EPSILON = 1e-4  # root of the paper's 1e-8 inside the root


class NormedLinear(nn.Module):
    """Rows of the kernel have the length `scale`, which is learned in the last layers alone."""

    def __init__(self, inputs: int, outputs: int, learned: bool = False) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(outputs, inputs) * 0.1)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = nn.Parameter(torch.ones(outputs), requires_grad=learned)
        self.measuring = False

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel * (self.scale / self.kernel.norm(dim=1))[:, None]
        if self.measuring:
            self.standardise(functional.linear(x, kernel))
            return self(x)
        return functional.linear(x, kernel, self.bias)

    def standardise(self, y: Tensor) -> None:
        """Gives these pre-activations mean 0 and deviation 1."""
        self.scale.data /= y.std(0, correction=0)
        self.bias.data = -y.mean(0) / y.std(0, correction=0)
        self.measuring = False


class Pixels(NormedLinear):
    """The last layer of a generator of pixels in [-1, 1].

    `start_at` is not in the paper; without it all pixels are at an end of their range after twenty steps at the paper's
    rate, where they have no slope. It takes the batch's mean out, and puts that of real rows in its place.
    """

    centred = False

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, learned=True)
        nn.init.xavier_uniform_(self.kernel)

    def start_at(self, rows: Tensor) -> None:
        self.centred = True
        self.bias.data = rows.mean(0).clamp(-0.98, 0.98).atanh()
        self.scale.data.fill_(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x - x.mean(0) if self.centred else x).tanh()


class Discriminator(nn.Module):
    """x -> features, logits."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        widths = (work.columns, *work.hidden)
        self.hidden = nn.ModuleList(NormedLinear(a, b) for a, b in itertools.pairwise(widths))
        self.outputs = NormedLinear(widths[-1], work.classes, learned=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.noisy(x, INPUT_NOISE)
        for layer in self.hidden:
            features = functional.relu(layer(x))
            x = self.noisy(features, HIDDEN_NOISE)
        return features, self.outputs(x)

    def noisy(self, x: Tensor, deviation: float) -> Tensor:
        return x + deviation * torch.randn_like(x) if self.training else x

    @torch.no_grad()
    def initialise(self, rows: Tensor) -> None:
        """Sets all scales and biases by these rows, first layer to last."""
        for layer in (*self.hidden, self.outputs):
            layer.measuring = True
        self(rows)


def generator(work: Work) -> nn.Module:
    """Numbers -> rows."""
    parts: list[nn.Module] = []
    widths = (work.latent, *work.generator)
    for a, b in itertools.pairwise(widths):
        layer = nn.Linear(a, b, bias=False)
        nn.init.xavier_uniform_(layer.weight)
        parts += [layer, nn.BatchNorm1d(b), nn.Softplus()]
    return nn.Sequential(*parts, Pixels(widths[-1], work.columns))


class Loop:
    """Both players and their optimizers."""

    def __init__(self, work: Work, data: tuple[np.ndarray, np.ndarray, np.ndarray], decay: float = EMA) -> None:
        """`data`: labelled rows, their classes, unlabelled rows; `decay`: of the averaged weights."""
        self.work, self.decay, self.net, self.fakes = work, decay, Discriminator(work), generator(work)
        self.labelled, self.classes, self.rows = (torch.from_numpy(each) for each in data)
        self.net.initialise(self.rows[torch.randperm(len(self.rows))[:500]])
        self.average = [weight.detach().clone() for weight in self.net.parameters()]
        learned = ([weight for weight in net.parameters() if weight.requires_grad] for net in (self.net, self.fakes))
        self.net_adam, self.fakes_adam = (torch.optim.Adam(each, RATE, (BETA1, 0.999), EPSILON) for each in learned)

    def draw(self, rows: Tensor) -> Tensor:
        return torch.randint(len(rows), (self.work.batch,))

    def steps(self, count: int) -> None:
        """So many updates of each."""
        for _ in range(count):
            self.step()

    def step(self) -> None:
        """One update of each."""
        batch, chosen = self.work.batch, self.draw(self.labelled)
        fake = self.fakes(torch.rand(batch, self.work.latent)).detach()
        unlabelled = self.rows[self.draw(self.rows)]
        _, logits = self.net(torch.cat([self.labelled[chosen], unlabelled, fake]))
        known, real, unreal = logits.split(batch)
        realness, unrealness = real.logsumexp(1), unreal.logsumexp(1)
        unsupervised = functional.softplus(-realness).mean() + functional.softplus(unrealness).mean()
        loss = functional.cross_entropy(known, self.classes[chosen]) + 0.5 * unsupervised
        self.net_adam.zero_grad()
        loss.backward()
        self.net_adam.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list(self.net.parameters()), 1 - self.decay)

        wanted, _ = self.net(self.rows[self.draw(self.rows)])
        found, _ = self.net(self.fakes(torch.rand(batch, self.work.latent)))
        loss = (found.mean(0) - wanted.detach().mean(0)).square().mean()
        self.fakes_adam.zero_grad()
        loss.backward()
        self.fakes_adam.step()


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work = WORKS[sys.argv[1]]
    loop = Loop(work, work.data())
    loop.steps(3)
    serve(clocked(loop.steps, 5))
