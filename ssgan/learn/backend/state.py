"""What changes while training: Keras variables, listed once, so that a loop can carry them and a file can keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ssgan.errors import DataError
from ssgan.learn.backend.switch import keras

Tensor = Any  # a backend's array; shapes are given where it matters
Variable = Any  # keras.Variable
Step = Callable[[Tensor], Tensor]


def zeros_like(weight: Variable) -> Variable:
    """State of the same shape, not trained by itself."""
    return keras.Variable(np.zeros(weight.shape, np.float32), trainable=False)


class Moments:
    """What Adam keeps of every weight: the averages of its slope and of the slope's square."""

    def __init__(self, weights: Sequence[Variable], beta1: float, beta2: float = 0.999, epsilon: float = 1e-7) -> None:
        self._slots = [(weight, zeros_like(weight), zeros_like(weight)) for weight in weights]
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon

    @property
    def variables(self) -> list[Variable]:
        """Both moments of every weight."""
        return [moment for _, *moments in self._slots for moment in moments]


class State:
    """Every variable that a training step may read or change, in a fixed order."""

    def __init__(self) -> None:
        self.variables: list[Variable] = []
        self._stored: list[Variable] = []

    def adopt(self, variables: Iterable[Variable], stored: bool = True) -> None:
        """Adds variables; one that is here already is not added again.

        Args:
            variables: of a model, an optimizer, an average.
            stored: whether they belong to a checkpoint.
        """
        known = {id(variable) for variable in self.variables}
        new = [variable for variable in variables if id(variable) not in known]
        self.variables += new
        self._stored += new if stored else []

    def values(self) -> list[np.ndarray]:
        """Copies of what belongs to a checkpoint."""
        return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in self._stored]

    def restore(self, values: Sequence[np.ndarray]) -> None:
        """Puts back what `values` gave.

        Raises:
            DataError: if these are the values of another state.
        """
        shapes = [tuple(variable.shape) for variable in self._stored]
        if [value.shape for value in values] != shapes:
            raise DataError(f"a stored state must hold {len(shapes)} arrays of the network's shapes; this one does not")
        for variable, value in zip(self._stored, values, strict=True):
            variable.assign(value)


class StepLoop:
    """What the backends' loops share: a step, and the variables that it changes."""

    def __init__(self, step: Step, reported: int, state: State) -> None:
        """What a call runs.

        Args:
            step: takes the step's number, changes variables, returns a report of shape [reported].
            reported: how many numbers a step reports.
            state: every variable that the step changes.

        The backends' loops may take `early` too: the number of a step, at which a call begins, and what does for `step`
        before it with less work.
        """
        self._step, self.reported, self._state = step, reported, state

    def hold(self, held: Sequence[Any]) -> None:
        """Gives the variables what a copy holds."""
        for variable, value in zip(self._state.variables, held, strict=True):
            variable.assign(value)


def predictor(model: Any, rows_at_once: int = 4096) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The model as a function from numpy rows to its outputs in order, without training noise."""

    def predict(x: np.ndarray) -> list[np.ndarray]:
        chunks = [x[at : at + rows_at_once] for at in range(0, max(len(x), 1), rows_at_once)]
        parts = [keras.tree.flatten(model(keras.ops.convert_to_tensor(chunk), training=False)) for chunk in chunks]
        columns = zip(*parts, strict=True)
        return [np.concatenate([np.asarray(keras.ops.convert_to_numpy(each)) for each in column]) for column in columns]

    return predict
