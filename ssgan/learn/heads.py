"""Task heads: what differs between learning classes and learning a value, behind one interface.

Outputs are [n, width], or [n, k, width] where the network has k members. Losses are means over the members; `pooled`
makes one answer of them before it is read by `task` and `realness`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from ssgan.contract import ClassLabel, Contract
from ssgan.errors import InputError, ParamsError
from ssgan.learn import losses
from ssgan.learn.artefact import LOG_SUM
from ssgan.learn.backend import Tensor, keras
from ssgan.learn.logits import Logits, pooled_realness, probabilities
from ssgan.learn.prepare import is_labelled

ops = keras.ops

HeadKind = Literal["huber", "gaussian", "buckets"]

BUCKETS = 24
SMOOTHING = 0.75  # of HL-Gauss, in buckets
BEYOND = 0.1  # share of the labels' range that the buckets reach beyond it, on either side
LEAST = 1e-6  # a teacher's probability, before its logarithm
LOG_VARIANCE = 5.0  # the most that a Gaussian's log variance is from 0


class Head(Protocol):
    """Reads the last layer's `width` outputs."""

    @property
    def classes(self) -> int:
        """K; 0 for a value."""

    @property
    def width(self) -> int:
        """Outputs of the network's last layer."""

    @property
    def metadata(self) -> dict[str, str]:
        """What a reader of the exported graph needs to turn `task` into an answer."""

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """Labels of labelled rows as the loss wants them, [n]."""

    def strata(self, labels: np.ndarray) -> list[np.ndarray]:
        """Places of the labelled rows, in groups that a batch draws from alike."""

    def shares(self, labels: np.ndarray) -> np.ndarray:
        """Shares of the classes among the labelled rows, float32 [K], each class counted once more; [1] for a value."""

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss on labelled rows; a scalar."""

    def realness(self, outputs: Tensor) -> Tensor:
        """[n, 1], or [n, k, 1] of members; P(fake) = sigmoid(-realness)."""

    def task(self, outputs: Tensor) -> Tensor:
        """The exported answer of pooled outputs: class logits [n, K], or the standardised value [n, 1]."""

    def goal(self, answers: np.ndarray) -> np.ndarray:
        """What a teacher says (class probabilities [n, K], or standardised values [n, 1]) as `distance` wants it."""

    def distance(self, outputs: Tensor, goal: Tensor) -> Tensor:
        """How far answers are from a teacher's outputs, which get no gradient; a scalar."""

    def aligned(self, goal: Tensor, shares: Tensor, strength: Tensor) -> Tensor:
        """A teacher's outputs whose class shares are brought to those of the labels; a value's stay."""

    def mix(self, outputs_a: Tensor, outputs_b: Tensor, share: Tensor) -> Tensor:
        """The goal for a row that is `share` [n, 1] of row a and the rest of row b."""

    def entropy(self, outputs: Tensor, weights: Tensor | None = None) -> Tensor:
        """Conditional entropy of the answer, rows weighted [n], in nats; 0 for a value. A scalar."""

    def share_weights(self, outputs: Tensor) -> Tensor:
        """Weights [n] that give each class the same say in a mean over unlabelled rows; 1 for a value."""

    def pooled(self, outputs: Tensor) -> Tensor:
        """The outputs of all members as those of one network, [n, width]."""

    def disagreement(self, outputs: Tensor) -> Tensor:
        """How far the members are apart, [n]; 0 for one network. Nats for classes, deviations for values."""


@dataclass(frozen=True)
class ClassHead(Logits):
    """K classes."""

    classes: int
    names: tuple[str, ...] = ()  # for what is said of them; without, they go by their numbers

    def name(self, number: int) -> str:
        """Of a class."""
        return self.names[number] if self.names else str(number)

    @property
    def width(self) -> int:
        return self.classes

    @property
    def metadata(self) -> dict[str, str]:
        return dict(LOG_SUM)

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype(np.int32)

    def strata(self, labels: np.ndarray) -> list[np.ndarray]:
        groups = (np.flatnonzero(labels == each) for each in range(self.classes))
        return [group for group in groups if len(group)]

    def shares(self, labels: np.ndarray) -> np.ndarray:
        counts = np.bincount(labels.astype(int), minlength=self.classes) + 1.0
        shares: np.ndarray = (counts / counts.sum()).astype(np.float32)
        return shares

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return losses.cross_entropy(outputs, targets)

    def task(self, outputs: Tensor) -> Tensor:
        return outputs

    def goal(self, answers: np.ndarray) -> np.ndarray:
        goal: np.ndarray = np.log(np.maximum(answers, LEAST)).astype(np.float32)
        return goal

    def aligned(self, goal: Tensor, shares: Tensor, strength: Tensor) -> Tensor:
        return losses.aligned(goal, shares, strength)


@dataclass(frozen=True)
class _Value:
    """A value, standardised by the labelled training rows."""

    mean: float
    scale: float

    @property
    def classes(self) -> int:
        return 0

    @property
    def metadata(self) -> dict[str, str]:
        return {"value_mean": repr(self.mean), "value_scale": repr(self.scale)}

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return ((labels - self.mean) / self.scale).astype(np.float32)

    def strata(self, labels: np.ndarray) -> list[np.ndarray]:
        return [np.arange(len(labels))]

    def shares(self, labels: np.ndarray) -> np.ndarray:  # noqa: ARG002
        return np.ones(1, np.float32)

    def aligned(self, goal: Tensor, shares: Tensor, strength: Tensor) -> Tensor:  # noqa: ARG002
        return goal


@dataclass(frozen=True)
class ValueHead(_Value):
    """The value, learned with the Huber loss, and a realness unit of its own: outputs [value, realness]."""

    @property
    def width(self) -> int:
        return 2

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return losses.huber(outputs[..., :1], targets)

    def realness(self, outputs: Tensor) -> Tensor:
        return outputs[..., -1:]

    def task(self, outputs: Tensor) -> Tensor:
        return outputs[..., :1]

    def goal(self, answers: np.ndarray) -> np.ndarray:
        return answers.astype(np.float32)

    def distance(self, outputs: Tensor, goal: Tensor) -> Tensor:
        goal = ops.stop_gradient(goal)[..., :1]
        goal = goal[:, None] if len(goal.shape) < len(outputs.shape) else goal
        return ops.mean(ops.square(outputs[..., :1] - goal))

    def mix(self, outputs_a: Tensor, outputs_b: Tensor, share: Tensor) -> Tensor:
        return losses.mixed(outputs_a[..., :1], outputs_b[..., :1], share)

    def entropy(self, outputs: Tensor, weights: Tensor | None = None) -> Tensor:  # noqa: ARG002
        return ops.zeros((), "float32")

    def share_weights(self, outputs: Tensor) -> Tensor:
        return ops.ones((outputs.shape[0],), "float32")

    def pooled(self, outputs: Tensor) -> Tensor:
        if len(outputs.shape) == 2:
            return outputs
        return ops.concatenate([*self._pooled(outputs), pooled_realness(self.realness(outputs))], axis=-1)

    def _pooled(self, outputs: Tensor) -> list[Tensor]:
        return [ops.mean(outputs[..., :1], axis=1)]

    def disagreement(self, outputs: Tensor) -> Tensor:
        """Standard deviation of the members' values, standardised."""
        if len(outputs.shape) == 2:
            return ops.zeros_like(outputs[:, 0])
        return ops.std(outputs[..., 0], axis=1)


@dataclass(frozen=True)
class GaussianHead(ValueHead):
    """As `ValueHead`, learned with the likelihood of a normal: outputs [value, log variance, realness]."""

    @property
    def width(self) -> int:
        return 3

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return losses.gaussian(outputs[..., :1], self.log_variance(outputs), targets)

    def log_variance(self, outputs: Tensor) -> Tensor:
        """Of the value, standardised; [n, 1]. Bounded smoothly: rows learned by heart would send it to -inf."""
        return LOG_VARIANCE * ops.tanh(outputs[..., 1:2] / LOG_VARIANCE)

    def _pooled(self, outputs: Tensor) -> list[Tensor]:
        """Mean and variance of the mixture of the members' normals."""
        value = ops.mean(outputs[..., :1], axis=1)
        around = ops.exp(self.log_variance(outputs)) + ops.square(outputs[..., :1] - value[:, None])
        share = ops.log(ops.mean(around, axis=1)) / LOG_VARIANCE
        return [value, LOG_VARIANCE * ops.arctanh(ops.clip(share, -0.999, 0.999))]


@dataclass(frozen=True)
class BucketHead(Logits, _Value):
    """A value as K buckets with soft targets (HL-Gauss), so that the logits say how real a row is, as for classes."""

    edges: tuple[float, ...]  # K + 1, standardised

    @property
    def width(self) -> int:
        return len(self.edges) - 1

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return losses.soft_cross_entropy(outputs, self._shares(targets))

    def task(self, outputs: Tensor) -> Tensor:
        """The expected value: bucket centres weighted by their probabilities."""
        return ops.matmul(probabilities(outputs), self._centres)

    def goal(self, answers: np.ndarray) -> np.ndarray:
        shares = ops.convert_to_numpy(self._shares(ops.convert_to_tensor(answers[:, 0].astype(np.float32))))
        goal: np.ndarray = np.log(np.maximum(shares, LEAST))
        return goal

    def disagreement(self, outputs: Tensor) -> Tensor:
        """Standard deviation of the members' values, standardised."""
        if len(outputs.shape) == 2:
            return ops.zeros_like(outputs[:, 0])
        return ops.std(self.task(outputs)[..., 0], axis=1)

    def _shares(self, targets: Tensor) -> Tensor:
        edges = np.asarray(self.edges, np.float32)
        return losses.hl_gauss(targets, edges, SMOOTHING * float(edges[1] - edges[0]))

    @property
    def _centres(self) -> np.ndarray:
        edges = np.asarray(self.edges, np.float32)
        return ((edges[:-1] + edges[1:]) / 2)[:, None]


def head_for(contract: Contract, y: np.ndarray, kind: HeadKind | None = None) -> Head:
    """The head of the contract's task; a value is standardised by the labelled rows of `y`.

    Args:
        contract: names classes or value.
        y: labels with -1 or NaN for unlabelled.
        kind: how a value is learned; None is the default, "huber".

    Raises:
        ParamsError: if classes are to be learned as a value.
        InputError: if the values are too large or too close to each other to be standardised.
    """
    if isinstance(contract.label, ClassLabel):
        if kind is not None:
            raise ParamsError(f"`train.head` is for values; {contract.label.column!r} has classes: leave it empty")
        return ClassHead(len(contract.label.classes), contract.label.classes)
    values = y[is_labelled(y)]
    mean, scale = _centred(values, contract)
    if kind == "buckets":
        return BucketHead(mean, scale, _edges((values - mean) / scale))
    heads: dict[Any, type[ValueHead]] = {None: ValueHead, "huber": ValueHead, "gaussian": GaussianHead}
    return heads[kind](mean, scale)


def _centred(values: np.ndarray, contract: Contract) -> tuple[float, float]:
    """Mean and deviation; 1 where all values are the same."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(values.mean()), float(values.std())
    if np.ptp(values) == 0:
        return mean, 1.0
    if not 0 < scale < math.inf:
        raise InputError(
            f"the labels {contract.label.column!r} must have a standard deviation that can be computed; it is {scale}, "
            f"for they go from {values.min():g} to {values.max():g}: give them in another unit"
        )
    return mean, scale


def _edges(values: np.ndarray) -> tuple[float, ...]:
    """Equally wide buckets over the labels' range and a little more."""
    low, high = float(values.min()), float(values.max())
    beyond = BEYOND * (high - low) or 1.0
    return tuple(np.linspace(low - beyond, high + beyond, BUCKETS + 1).tolist())
