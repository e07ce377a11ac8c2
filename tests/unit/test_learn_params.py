"""Slips in `params.yaml` that YAML lets pass, or that a knob set in place would make."""

from __future__ import annotations

from pathlib import Path

import pytest

from ssgan.config import read_params, set_knob
from ssgan.errors import ParamsError


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"train:\n  networks: caf\xe9\n", "must be text in UTF-8; 'utf-8' codec can't decode byte 0xe9"),
        (b"train:\n  steps: 3\n  steps: 4\n", "line 3: `steps` is there twice"),
        (b"train:\n  steps: 3\ntrain:\n  batch: 8\n", "line 3: `train` is there twice"),
        (b"train: {gan_weight: .inf}\n", "`train.gan_weight` is inf: it must be a finite number"),
    ],
)
def test_what_yaml_lets_pass_is_refused_in_one_sentence(tmp_path: Path, text: bytes, said: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(text)
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    assert str(caught.value).startswith("params.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "assignment", "said"),
    [
        ('train:\n  networks: "a#b"\n', "train.networks=nets", "train.networks and its value on a line"),
        ("train:\n  batch: 8\n", "train.steps=3", "no line for train.steps"),
        ("train:\n  batch: 8\nprepare: {}\n# more\n  \n", "train.steps=3", "no line for train.steps"),
        ("serve:\n  port: 1\ntrain:\n  batch: 8\nevaluate:\n  seed: 3\n", "train.seed=5", "no line for train.seed"),
    ],
)
def test_a_knob_that_cannot_be_set_in_place_leaves_the_file_alone(
    tmp_path: Path, text: str, assignment: str, said: str
) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError, match=said):
        set_knob(path, assignment)
    assert path.read_text() == text


def test_a_knob_is_found_behind_comments_and_empty_lines_of_its_section(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("serve:\n  port: 1\ntrain:  # the learner\n# of all\n\n  # the seed\n  seed: 0   # any\n")
    set_knob(path, "train.seed=5")
    assert path.read_text().endswith("  seed: 5   # any\n")
