"""Task heads: what differs between learning classes and learning a value, behind one interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ssgan.contract import ClassLabel, Contract
from ssgan.learn import losses
from ssgan.learn.backend import Tensor, keras
from ssgan.learn.prepare import is_labelled

ops = keras.ops


class Head(Protocol):
    """Reads the last layer's `width` outputs."""

    @property
    def width(self) -> int:
        """Outputs of the network's last layer."""

    @property
    def metadata(self) -> dict[str, str]:
        """What a reader of the exported graph needs to turn `task` into an answer."""

    def targets(self, labels: np.ndarray) -> np.ndarray:
        """Labels of labelled rows as the loss wants them."""

    def strata(self, labels: np.ndarray) -> list[np.ndarray]:
        """Places of the labelled rows, in groups that a batch draws from alike."""

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss on labelled rows; a scalar."""

    def realness(self, outputs: Tensor) -> Tensor:
        """[n, 1]; P(fake) = sigmoid(-realness)."""

    def task(self, outputs: Tensor) -> Tensor:
        """The exported answer: class logits [n, K], or the standardised value [n, 1]."""


@dataclass(frozen=True)
class ClassHead:
    """K logits; a row is as real as their logsumexp, the logit of "fake" being fixed at 0."""

    classes: int

    @property
    def width(self) -> int:
        return self.classes

    @property
    def metadata(self) -> dict[str, str]:
        return {}

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return labels.astype(np.int32)

    def strata(self, labels: np.ndarray) -> list[np.ndarray]:
        groups = (np.flatnonzero(labels == each) for each in range(self.classes))
        return [group for group in groups if len(group)]

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return losses.cross_entropy(outputs, targets)

    def realness(self, outputs: Tensor) -> Tensor:
        return losses.logsumexp(outputs)

    def task(self, outputs: Tensor) -> Tensor:
        return outputs


@dataclass(frozen=True)
class ValueHead:
    """A value, standardised by the labelled training rows, and a realness unit of its own."""

    mean: float
    scale: float

    @property
    def width(self) -> int:
        return 2

    @property
    def metadata(self) -> dict[str, str]:
        return {"value_mean": repr(self.mean), "value_scale": repr(self.scale)}

    def targets(self, labels: np.ndarray) -> np.ndarray:
        return ((labels - self.mean) / self.scale).astype(np.float32)

    def strata(self, labels: np.ndarray) -> list[np.ndarray]:
        return [np.arange(len(labels))]

    def supervised(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return losses.huber(outputs[:, :1], targets)

    def realness(self, outputs: Tensor) -> Tensor:
        return outputs[:, 1:]

    def task(self, outputs: Tensor) -> Tensor:
        return outputs[:, :1]


def head_for(contract: Contract, y: np.ndarray) -> Head:
    """The head of the contract's task; a value is standardised by the labelled rows of `y`."""
    if isinstance(contract.label, ClassLabel):
        return ClassHead(len(contract.label.classes))
    values = y[is_labelled(y)]
    return ValueHead(float(values.mean()), float(values.std()) or 1.0)
