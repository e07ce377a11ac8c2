"""Train and test: a row never changes sides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ssgan.learn.prepare import in_test

groups = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60)


@given(groups, groups, st.floats(0.01, 0.89))
def test_a_row_never_moves_between_train_and_test_when_data_grows(old: list[str], new: list[str], share: float) -> None:
    before = {group: in_test(group, "salt", share) for group in old}
    after = {group: in_test(group, "salt", share) for group in [*new, *old]}
    assert all(after[group] == side for group, side in before.items())


@given(groups, st.floats(0.01, 0.5), st.floats(0.0, 0.39))
def test_a_larger_share_only_adds_to_the_test_rows(names: list[str], share: float, more: float) -> None:
    assert all(in_test(name, "salt", share + more) for name in names if in_test(name, "salt", share))


def test_the_share_is_kept_and_the_salt_draws_another_split() -> None:
    names = [f"patient {number}" for number in range(4000)]
    first = np.array([in_test(name, "a", 0.25) for name in names])
    second = np.array([in_test(name, "b", 0.25) for name in names])
    assert abs(first.mean() - 0.25) < 0.03
    assert abs((first & second).mean() - 0.25**2) < 0.02


def test_the_split_is_the_same_on_every_machine_and_for_ever() -> None:
    sides = "".join(str(int(in_test(str(number), "ssgan", 0.25))) for number in range(24))
    assert sides == "110101000000000100000000"
