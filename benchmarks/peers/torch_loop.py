"""A plain PyTorch loop, as one would write it: Improved GAN with weight norm, feature matching, averaged weights.

python torch_loop.py W1
"""

from __future__ import annotations

import itertools
import sys

import torch
from torch import Tensor, nn
from torch.nn import functional
from work import BETA1, EMA, HIDDEN_NOISE, INPUT_NOISE, RATE, WORKS, Work, clocked, serve


class NormedLinear(nn.Module):
    """Rows of the kernel have length 1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(outputs, inputs) * 0.05)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.kernel / self.kernel.norm(dim=1, keepdim=True), self.bias)


class Discriminator(nn.Module):
    """x -> features, logits."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        widths = (work.columns, *work.hidden)
        self.hidden = nn.ModuleList(NormedLinear(a, b) for a, b in itertools.pairwise(widths))
        self.outputs = NormedLinear(widths[-1], work.classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x + INPUT_NOISE * torch.randn_like(x)
        for layer in self.hidden:
            x = functional.relu(layer(x))
            features, x = x, x + HIDDEN_NOISE * torch.randn_like(x)
        return features, self.outputs(x)


def generator(work: Work) -> nn.Module:
    """Numbers -> rows."""
    parts: list[nn.Module] = []
    widths = (work.latent, *work.generator)
    for a, b in itertools.pairwise(widths):
        parts += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.Softplus()]
    return nn.Sequential(*parts, nn.Linear(widths[-1], work.columns), nn.Tanh())


class Loop:
    """Both players and their optimizers."""

    def __init__(self, work: Work, decay: float = EMA) -> None:
        self.decay = decay  # of the averaged weights
        self.work, self.net, self.fakes = work, Discriminator(work), generator(work)
        self.labelled, self.classes, self.rows = (torch.from_numpy(each) for each in work.data())
        self.average = [weight.detach().clone() for weight in self.net.parameters()]
        self.net_adam = torch.optim.Adam(self.net.parameters(), RATE, (BETA1, 0.999))
        self.fakes_adam = torch.optim.Adam(self.fakes.parameters(), RATE, (BETA1, 0.999))

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
    loop = Loop(WORKS[sys.argv[1]])
    loop.steps(3)
    serve(clocked(loop.steps, 5))
