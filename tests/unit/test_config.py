"""Knobs: unknown ones are refused with the nearest right name, known ones are changed without losing a comment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from ssgan.config import Params, read_params, set_knob
from ssgan.contract import Contract, read_contract
from ssgan.errors import ContractError, ParamsError
from ssgan.start import template_files


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """A copy of the template."""
    return Path(shutil.copyfile(template_files()["params.yaml"], tmp_path / "params.yaml"))


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """A copy of the template."""
    return Path(shutil.copyfile(template_files()["contract.yaml"], tmp_path / "contract.yaml"))


def test_the_template_says_what_the_code_takes_for_granted(params: Path) -> None:
    assert read_params(params) == Params()


def test_the_template_names_every_knob(params: Path) -> None:
    written = yaml.safe_load(params.read_text())
    assert {name: set(section) for name, section in written.items()} == {
        name: set(section) for name, section in Params().model_dump().items()
    }


def test_every_stage_of_dvc_has_its_section(params: Path) -> None:
    stages = yaml.safe_load(template_files()["dvc.yaml"].read_text())["stages"]
    assert set(stages) <= set(yaml.safe_load(params.read_text()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {stpes: 3}", ("train.stpes", "did you mean `train.steps`")),
        ("trian: {steps: 3}", ("trian", "did you mean `train`")),
        ("train: {steps: many}", ("train.steps", "'many'")),
        ("train: {ema: 1.5}", ("train.ema", "1.5")),
        ("train: [1", ("cannot be read as YAML",)),
        ("- a", ("one section per stage",)),
    ],
)
def test_a_wrong_params_file_is_refused_in_one_sentence(params: Path, text: str, words: tuple[str, ...]) -> None:
    params.write_text(text)
    with pytest.raises(ParamsError) as caught:
        read_params(params)
    assert not [word for word in words if word not in str(caught.value)]
    assert "\n" not in str(caught.value)


def test_a_knob_is_changed_in_its_own_section_and_comments_stay(params: Path) -> None:
    before = params.read_text()
    set_knob(params, "evaluate.seed=5")
    assert read_params(params).evaluate.seed == 5
    assert read_params(params).train.seed == 0
    assert params.read_text().count("#") == before.count("#")


@pytest.mark.parametrize("assignment", ["train", "train.steps", "steps=3", "train.steps=x", "train.batch=1", "a.b=1"])
def test_a_wrong_assignment_leaves_the_file_alone(params: Path, assignment: str) -> None:
    before = params.read_text()
    with pytest.raises(ParamsError):
        set_knob(params, assignment)
    assert params.read_text() == before


def test_the_contract_template_is_a_contract(contract: Path) -> None:
    assert read_contract(contract).classes == ("healthy", "watch", "ill", "critical")


def test_a_contract_survives_json(contract: Path) -> None:
    made = read_contract(contract)
    assert Contract.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "regression"}, ("classes",)),
        ({"lable": 1}, ("lable", "did you mean `label`")),
        ({"columns": {}}, ("columns",)),
        ({"columns": {"a": {"type": "ignore"}}}, ("nothing to learn from",)),
        ({"columns": {"health_level": {"type": "number"}}}, ("health_level", "cannot be a feature")),
        ({"columns": {"_id": {"type": "number"}}}, ("_id", "reserved")),
        ({"columns": {"a": {"type": "nubmer"}}}, ("columns.a",)),
        ({"columns": {"a": {"type": "number", "mim": 3}}}, ("mim",)),
        ({"columns": {"a": {"type": "image", "height": 8, "width": 8}, "b": {"type": "number"}}}, ("only feature",)),
        ({"label": {"column": "y", "classes": ["one"]}}, ("classes",)),
    ],
)
def test_a_wrong_contract_is_refused_in_one_sentence(contract: Path, change: dict, words: tuple[str, ...]) -> None:
    content = yaml.safe_load(contract.read_text()) | change
    contract.write_text(yaml.safe_dump(content))
    with pytest.raises(ContractError) as caught:
        read_contract(contract)
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)
    assert "\n" not in str(caught.value)
