"""Distances between columns, held against SciPy, and the allowance for chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ecdf, ks_2samp

from ssgan.intake import drift

samples = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60)


def ks(summary, values):
    return drift.ks_distance(summary, drift.tally_numbers(summary, np.asarray(values, np.float64)))


@given(samples, samples)
def test_the_ks_distance_is_scipys(first, second):
    found = ks(drift.summarise_numbers(np.array(first)), second)
    grid = np.union1d(first, second)
    assert found == pytest.approx(np.abs(ecdf(first).cdf.evaluate(grid) - ecdf(second).cdf.evaluate(grid)).max())


def test_a_summary_of_many_values_is_exact_to_its_step():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=50_000), rng.normal(0.3, size=20_000)
    found = ks(drift.summarise_numbers(first), second)
    assert abs(found - ks_2samp(first, second).statistic) <= 1 / drift.POINTS


def test_missing_values_do_not_count():
    summary = drift.summarise_numbers(np.array([1.0, np.nan, 2.0]))
    assert summary == drift.NumberSummary((1.0, 2.0), (0.5, 1.0), 2)


def test_total_variation_runs_from_nought_to_one():
    summary = drift.summarise_words({"u": 30, "v": 10})
    assert drift.total_variation(summary, {"u": 3, "v": 1}) == 0
    assert drift.total_variation(summary, {"w": 5}) == 1
    assert drift.total_variation(summary, {"u": 1, "v": 1}) == pytest.approx(0.25)


@pytest.mark.parametrize("rows", [20, 200])
def test_chance_carries_numbers_beyond_their_limit_once_in_a_thousand(rows):
    rng = np.random.default_rng(1)
    first, second = rng.normal(size=(2, 2000, rows))
    beyond = [
        ks(drift.summarise_numbers(a), b) > drift.ks_chance(rows, rows) for a, b in zip(first, second, strict=True)
    ]
    assert np.mean(beyond) <= 0.002


@pytest.mark.parametrize("rows", [20, 200])
def test_chance_never_carries_words_beyond_their_limit(rows):
    rng = np.random.default_rng(1)
    for shares in ([1 / 6] * 6, [0.9, 0.1]):
        for first, second in zip(*rng.multinomial(rows, shares, (2, 500)).tolist(), strict=True):
            summary = drift.summarise_words(dict(zip("abcdef", first, strict=False)))
            counts = dict(zip("abcdef", second, strict=False))
            assert drift.total_variation(summary, counts) <= drift.total_variation_chance(summary, counts)


def test_a_shift_of_one_standard_deviation_is_beyond_chance_from_sixty_rows_on():
    rng = np.random.default_rng(2)
    summary = drift.summarise_numbers(rng.normal(size=400))
    distance = ks(summary, rng.normal(1.0, size=60))
    assert distance > drift.ks_chance(60, 400)


@given(samples, samples, samples)
def test_the_tallies_of_two_parts_add_up_to_the_tally_of_the_whole(first, second, third):
    summary = drift.summarise_numbers(np.array(first))
    parts = drift.tally_numbers(summary, np.array(second)) + drift.tally_numbers(summary, np.array(third))
    whole = drift.tally_numbers(summary, np.array(second + third))
    assert drift.ks_distance(summary, parts) == drift.ks_distance(summary, whole)
    assert drift.psi_of_numbers(summary, parts) == drift.psi_of_numbers(summary, whole)


def test_the_stability_index_is_nought_for_the_same_and_grows_with_a_shift():
    rng = np.random.default_rng(3)
    values = rng.normal(size=20_000)
    summary = drift.summarise_numbers(values)
    psi = [drift.psi_of_numbers(summary, drift.tally_numbers(summary, values + shift)) for shift in (0, 0.1, 0.5, 1)]
    assert psi[0] < 1e-3
    assert sorted(psi) == psi
    assert psi[3] > 0.5


@pytest.mark.parametrize("rows", [50, 500])
def test_chance_carries_the_stability_index_beyond_its_limit_rarely(rows):
    rng = np.random.default_rng(4)
    beyond = []
    for first, second in zip(*rng.normal(size=(2, 1000, rows)), strict=True):
        summary = drift.summarise_numbers(first)
        psi = drift.psi_of_numbers(summary, drift.tally_numbers(summary, second))
        beyond.append(psi > drift.psi_chance(drift.BINS, rows, rows))
    assert np.mean(beyond) <= 0.005
