"""Train and test: a row never changes sides, and never leaves its group."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from ssgan.config import set_knob
from ssgan.contract import GROUP, ROW_ID, Contract
from ssgan.learn.prepare import in_test, prepare
from ssgan.learn.training_rows import TrainingRows
from ssgan.project import Project

CONTRACT = Contract.model_validate(
    {
        "name": "t",
        "task": "classification",
        "label": {"column": "y", "classes": ["u", "v"]},
        "columns": {"a": {"type": "number"}},
    }
)
Rows = list[tuple[str, str | None]]  # group and label of each
EVER: Rows = [(group, label) for group in ("0", "1", "2", "4") for label in "uv"]  # the first two of them in the test
groups = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=60)
names = st.integers(0, 12).map(str) | st.text(st.characters(exclude_characters="\0"), min_size=1, max_size=3)
tables = st.lists(st.tuples(names, st.sampled_from(["u", "v", None])), max_size=30)


def accept(project: Project, name: str, rows: Rows) -> None:
    """Puts a batch beside those that are there."""
    frame = pd.DataFrame(rows, columns=[GROUP, "y"], dtype=object)
    frame[ROW_ID] = [f"{name} {row}" for row in range(len(rows))]
    frame["a"] = np.arange(len(rows), dtype=float)
    frame.to_parquet(project.accepted / f"{name}.parquet", index=False)


def divided(project: Project) -> tuple[set[str], set[str]]:
    """Names of the rows that are trained on, and of those that are not."""
    prepare(project)
    ids = TrainingRows.read(project.prepared).ids.tolist()
    test = pd.read_parquet(project.prepared / "test.parquet")[ROW_ID].tolist()
    assert len(ids) + len(test) == len({*ids, *test})
    return set(ids), set(test)


@settings(max_examples=8, deadline=None, phases=[Phase.generate])  # smaller failures would take minutes to find
@given(tables, tables, st.booleans())
def test_a_row_stays_on_the_side_of_its_group_when_rows_are_added(old: Rows, new: Rows, before: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        project.accepted.mkdir(parents=True)
        shutil.copy(Path(__file__).parents[2] / "params.yaml", project.params)
        set_knob(project.params, "evaluate.method=holdout")
        project.contract.write_text(CONTRACT.model_dump_json(), encoding="utf-8")
        accept(project, "m", [*EVER, *old])
        trained, held = divided(project)
        accept(project, "a" if before else "z", new)  # batches follow one another in the order of their names
        more_trained, more_held = divided(project)
        assert trained <= more_trained
        assert held <= more_held
        rows = pd.concat([pd.read_parquet(file) for file in project.accepted.iterdir()])
        of = dict(zip(rows[ROW_ID], rows[GROUP], strict=True))
        assert of.keys() == more_trained | more_held
        assert not {of[row] for row in more_trained} & {of[row] for row in more_held}


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
