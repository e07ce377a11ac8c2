"""What the estimators warn of."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ssgan import SSGANWarning


@contextmanager
def warned(file: str) -> Iterator[list[str]]:
    """The texts of the warnings at a line of that file; other people's warnings are filtered as ever.

    `pytest.warns` would give those out again as if they were the test's own.
    """
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("always", category=SSGANWarning)
        yield texts
    texts += [str(each.message) for each in caught if each.category is SSGANWarning and each.filename == file]
