"""The ends of intervals lie where labels may lie. The judge, `ssgan score` and the service all have them from here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ssgan.contract import Contract
from ssgan.learn.artefact import Predictions


def in_range(values: np.ndarray, contract: Contract) -> np.ndarray:
    """Values [n] that lie outside of the label's range, moved to its end.

    Where the contract keeps labels outside of it, which `severity` may ask for, the range forbids nothing.
    """
    found: np.ndarray = np.clip(values, *contract.label_range)
    return found


def within(said: Predictions, contract: Contract) -> Predictions:
    """The same with the ends of intervals in the label's range; no interval that held the true value loses it so."""
    if said.low is None or said.high is None:
        return said
    return replace(said, low=in_range(said.low, contract), high=in_range(said.high, contract))
