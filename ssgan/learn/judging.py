"""By whom labelled rows are judged, where `evaluate.method` does not say: by counts of labels alone, never by a score.

By crossfit where labels are few; and up to a limit, as a holdout trains fewer models, where the rows that it would hold
back are too few for a verdict, of the rarest class or in groups.
"""

from __future__ import annotations

import numpy as np

from ssgan.contract import Contract

FEW_LABELS, MANY_LABELS = 500, 5000
ENOUGH_OF_CLASS, ENOUGH_VALUES = 15, 30  # held-out rows for a verdict, as the gate asks for by default
ENOUGH_GROUPS = 10  # fewer, such as patients, do not tell how far groups are apart
ENOUGH_GROUPS_OF_CLASS = 5  # fewer are all right by luck too often, and every resample then says so


def why_crossfit(labelled: int, held: np.ndarray, groups: np.ndarray, contract: Contract) -> str:
    """Why labelled rows are judged by crossfit, for the line that tells how; "" where a holdout serves.

    Args:
        labelled: how many rows have a label.
        held: labels of those that a holdout would hold back, [m].
        groups: their groups, str [m].
        contract: names classes, and says whether rows belong to groups.
    """
    if labelled < FEW_LABELS:
        return f", for there are fewer than {FEW_LABELS} labels"
    short = _short_of_rows(held, contract) or _short_of_groups(held, groups, contract)
    if not short or labelled >= MANY_LABELS:
        return ""
    return f", for a holdout would have {short} are needed for a verdict"


def _short_of_rows(y: np.ndarray, contract: Contract) -> str:
    """How many held-out rows there are, and how many there should be; "" where they are enough."""
    count, of, enough = len(y), "", ENOUGH_VALUES
    if contract.classes:
        counts = np.bincount(y, minlength=len(contract.classes))
        count, of, enough = int(counts.min()), f" of class {contract.classes[counts.argmin()]}", ENOUGH_OF_CLASS
    return f"{count} rows{of}, and {enough}" if count < enough else ""


def _short_of_groups(y: np.ndarray, groups: np.ndarray, contract: Contract) -> str:
    """The same of groups, where rows belong to some: those of one patient are no independent witnesses."""
    if contract.group is None:
        return ""
    count = len(np.unique(groups))
    if count < ENOUGH_GROUPS:
        return f"{count} groups, and {ENOUGH_GROUPS}"
    counts = [len(np.unique(groups[y == place])) for place in range(len(contract.classes))]
    if counts and min(counts) < ENOUGH_GROUPS_OF_CLASS:
        return f"{min(counts)} groups of class {contract.classes[np.argmin(counts)]}, and {ENOUGH_GROUPS_OF_CLASS}"
    return ""
