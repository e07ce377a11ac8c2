"""Rows in a file are the rows in memory: what is written, and what a step draws."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ssgan.contract import Contract
from ssgan.learn import training_rows
from ssgan.learn.backend import State, keras
from ssgan.learn.encode import Encoder
from ssgan.learn.pool import HeldPool, StreamedPool, make_pool
from ssgan.learn.training_rows import TrainingRows

CONTRACT = Contract.model_validate(
    {
        "name": "rows",
        "task": "regression",
        "label": {"column": "y"},
        "columns": {
            "a": {"type": "number", "nullable": True},
            "b": {"type": "category", "values": ["x", "y", "z"]},
            "c": {"type": "number"},
        },
    }
)


def raw(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    gaps = np.where(rng.random(rows) < 0.3, np.nan, rng.normal(size=rows))
    return {"a": gaps, "b": rng.choice(np.array(["x", "y", "z"], object), rows), "c": rng.normal(size=rows)}


def stored(folder: Path, rows: int, seed: int) -> tuple[Encoder, np.ndarray]:
    columns = raw(rows, seed)
    encoder = Encoder.fit(columns, CONTRACT)
    rng = np.random.default_rng(seed)
    ids = np.array([f"row {each}" for each in range(rows)])
    training_rows.write(folder, encoder, columns, rng.normal(size=rows), rng.integers(-1, 3, rows), ids)
    return encoder, encoder.encode_columns(columns)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 99))
def test_rows_written_some_at_a_time_are_those_encoded_at_once(rows: int, at_once: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name, mock.patch.object(training_rows, "ROWS_AT_ONCE", at_once):
        folder = Path(name)
        _, expected = stored(folder, rows, seed)
        held, mapped = (TrainingRows.read(folder, each) for each in ("held", "streamed"))
        assert isinstance(mapped.x, np.memmap)
        assert not isinstance(held.x, np.memmap)
        for found in (held, mapped):
            assert np.array_equal(found.x, expected)
            assert (len(found.y), len(found.fold), found.ids[-1]) == (rows, rows, f"row {rows - 1}")
        digest = training_rows.digest(folder)
        x = np.load(folder / training_rows.X, mmap_mode="r+")
        x[seed % rows, seed % x.shape[1]] += 1
        x.flush()
        assert training_rows.digest(folder) != digest


@settings(max_examples=8, deadline=None)
@given(st.integers(2, 50), st.integers(1, 9), st.integers(1, 4), st.integers(0, 99), st.data())
def test_a_step_sees_the_same_rows_whether_they_are_held_or_streamed(
    rows: int, batch: int, window: int, seed: int, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        encoder, x = stored(Path(name), rows, seed)
        mapped = TrainingRows.read(Path(name), "streamed").x
        held, streamed = (make_pool(each, encoder, batch, seed, window, State()) for each in (x, mapped))
        assert isinstance(held, HeldPool)
        assert isinstance(streamed, StreamedPool)
        step = 0
        for _ in range(3):
            count = data.draw(st.integers(1, window))
            streamed.prepare(step, count, more=True)
            for each in range(step, step + count):
                assert all(np.array_equal(a, b) for a, b in zip(drawn(held, each), drawn(streamed, each), strict=True))
            step += count
        streamed.close()


def drawn(pool: HeldPool | StreamedPool, step: int) -> list[np.ndarray]:
    pool.start(keras.ops.convert_to_tensor(np.int32(step)))
    return [np.asarray(each) for each in (pool.rows(), pool.more_rows(), pool.shuffled())]
