"""What the training rows hold of each column: strangers are named, and honest rows are few among them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ssgan.contract import Contract
from ssgan.learn.ranges import LEAST_MARGIN, Ranges, Seen

COLUMNS = {
    "normal": {"type": "number"},
    "heavy": {"type": "number"},
    "flag": {"type": "number", "nullable": True},
    "ward": {"type": "category", "values": ["north", "south", "attic"], "nullable": True},
}
CONTRACT = Contract.model_validate(
    {"name": "t", "task": "regression", "label": {"column": "y"}, "columns": COLUMNS, "id": "id"}
)
GOOD = {"normal": 0.1, "heavy": 1.0, "flag": 0.0, "ward": "north"}


def rows(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Light and heavy tails, a flag, two of three words."""
    rng = np.random.default_rng(seed)
    return {
        "normal": rng.normal(size=count),
        "heavy": rng.lognormal(0, 2, count),
        "flag": rng.integers(0, 2, count).astype(float),
        "ward": rng.choice(np.array(["north", "south"], object), count),
    }


def fitted(share: float = 0.005, count: int = 400, seed: int = 0) -> Ranges:
    return Ranges(Seen.fit(rows(count, seed), CONTRACT.features).limits(share)[0])


def outside(ranges: Ranges, record: dict[str, object]) -> list[str]:
    found = ranges.outside_record(record)
    return [] if found is None else [each.column for each in ranges.named(found[0])]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({}, []),
        ({"normal": 50.0}, ["normal"]),
        ({"normal": -50.0, "heavy": 1e9}, ["normal", "heavy"]),
        ({"flag": 7.0}, ["flag"]),
        ({"flag": None}, ["flag"]),
        ({"flag": math.nan}, ["flag"]),
        ({"ward": "attic"}, ["ward"]),
        ({"ward": None}, ["ward"]),
        ({"normal": 1e308, "heavy": -1e308, "flag": -1e308, "ward": "attic"}, [*COLUMNS]),
    ],
)
def test_the_columns_beyond_what_training_rows_hold_are_named(change, named) -> None:
    assert outside(fitted(), GOOD | change) == named


def test_a_record_and_a_row_among_others_are_judged_alike() -> None:
    ranges, rng = fitted(), np.random.default_rng(3)
    columns = rows(300, seed=1)
    columns["normal"] = columns["normal"] * rng.choice([1.0, 4.0], 300)
    columns["flag"][rng.random(300) < 0.1] = np.nan
    columns["ward"][rng.random(300) < 0.1] = None
    whole = ranges.outside(columns)
    assert whole is not None and 0 < whole.any(axis=1).mean() < 1
    for row in range(300):
        record = {name: values[row] for name, values in columns.items()}
        missing = (None, math.nan)[row % 2]
        record = {name: missing if cell is None or cell != cell else cell for name, cell in record.items()}
        alone = ranges.outside_record(record)
        assert (whole[row] == (False if alone is None else alone[0])).all()


def test_no_more_honest_rows_are_flagged_than_the_share() -> None:
    flagged = []
    for seed in range(20):
        found = fitted(share=0.01, seed=seed).outside(rows(2000, seed=100 + seed))
        flagged.append(0.0 if found is None else found.any(axis=1).mean())
    assert np.mean(flagged) <= 0.01
    assert max(flagged) <= 0.03


def test_the_share_is_that_of_training_rows_held_against_all_others() -> None:
    columns, share = rows(300), 0.02
    _, flagged = Seen.fit(columns, CONTRACT.features).limits(share)
    margin = fitted(share, 300)
    assert flagged <= 6
    found = 0
    for row in range(300):  # the slow way: fit without the row, at the same margin
        others = {name: np.delete(values, row) for name, values in columns.items()}
        limits = _at(Seen.fit(others, CONTRACT.features), _margin(margin, Seen.fit(columns, CONTRACT.features)))
        found += outside(limits, {name: values[row] for name, values in columns.items()}) != []
    assert found == flagged


def _margin(ranges: Ranges, seen: Seen) -> float:
    (_, high), (_, limit) = ranges.columns[0].seen, ranges.columns[0].limits
    return (limit - high) / seen.columns[0].spreads[1]


def _at(seen: Seen, margin: float) -> Ranges:
    """The limits with a margin that was chosen before."""
    strained = seen.model_copy(update={"strains": ((0, margin),)}) if margin > LEAST_MARGIN else seen
    return Ranges(strained.model_copy(update={"rows": 0} if margin > LEAST_MARGIN else {}).limits(0.0)[0])


def test_rows_of_one_group_do_not_vouch_for_each_other() -> None:
    values = np.r_[np.linspace(0, 1, 200), np.linspace(9, 9.5, 10)]
    contract = CONTRACT.model_copy(update={"columns": {"normal": CONTRACT.columns["normal"]}})
    groups = np.r_[np.arange(200), np.full(10, 1000)]
    alone = Seen.fit({"normal": values}, contract.features)
    together = Seen.fit({"normal": values}, contract.features, groups)
    assert max(strain for _, strain in alone.strains) < 0.1
    assert sum(strain > 10 for _, strain in together.strains) == 10


def test_words_that_honest_rows_bring_anew_all_the_time_flag_nobody() -> None:
    words = [f"w{number}" for number in range(300)]
    column = CONTRACT.columns["ward"].model_copy(update={"values": (*words, "attic")})
    contract = CONTRACT.model_copy(update={"columns": {"ward": column}})
    many, few = ({"ward": np.array(each, object)} for each in (words, ["w1", "w2"] * 150))
    assert outside(Ranges(Seen.fit(many, contract.features).limits(0.005)[0]), {"ward": "attic"}) == []
    assert outside(Ranges(Seen.fit(few, contract.features).limits(0.005)[0]), {"ward": "attic"}) == ["ward"]


@pytest.mark.parametrize("values", [[2.0] * 9, [math.nan] * 9, [math.nan, 2.0], [1e308, -1e308, 0.0], [0.0, 5e-324]])
def test_columns_with_one_value_none_or_the_widest_range_are_no_trouble(values) -> None:
    contract = CONTRACT.model_copy(update={"columns": {"flag": CONTRACT.columns["flag"]}})
    seen = Seen.fit({"flag": np.array(values)}, contract.features)
    assert Seen.model_validate_json(seen.model_dump_json()) == seen
    ranges = Ranges(seen.limits(0.005)[0])
    known = [value for value in values if not math.isnan(value)]
    assert all(outside(ranges, {"flag": value}) == [] for value in known)
    if len(set(known)) == 1:
        assert outside(ranges, {"flag": 1e300}) == []  # the encoder makes 0 of every value: it has no say
