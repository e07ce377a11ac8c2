"""Knobs: unknown ones are refused with the nearest right name, known ones are changed without losing a comment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from ssgan.config import Params, ServeParams, read_params, set_knob
from ssgan.contract import Contract, read_contract
from ssgan.errors import ContractError, ParamsError, describe
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
        ("train: {hidden: 64}", ("`train.hidden` is 64", "must be a list, such as [64]")),
        ("evaluate: {slices: 'sex, age'}", ("`evaluate.slices` is 'sex, age'", 'such as ["sex", "age"]')),
        ("evaluate: {curve: 0.5}", ("`evaluate.curve` is 0.5", "such as [0.5]")),
        ("calibrate: {coverage: '0,9'}", ("`calibrate.coverage` is '0,9'", "decimal point")),
        ("evaluate: {curve: ['0,5']}", ("`evaluate.curve` is ['0,5']", "decimal point")),
        ("train: many", ("`train` is 'many'", "section of its own")),
        ("train: {noise: yes}", ("`train.noise` is True", "yes, no, on, off, true and false are none in YAML")),
        ("train: {steps: yes}", ("`train.steps` is True", "a number is wanted")),
        ("baselines: {trees: no}", ("`baselines.trees` is False", "a number is wanted")),
        ("train: {hidden: [yes]}", ("`train.hidden` is [True]", "a number is wanted")),
        ("train: {tensorboard: 1}", ("`train.tensorboard` is 1", "must be true or false")),
        ("train: {tensorboard: 'yes'}", ("`train.tensorboard` is 'yes'", "must be true or false, without quotes")),
        ("serve: {log: 0}", ("`serve.log` is 0", "must be true or false")),
        ("serve: {body_at_most_mb: .inf}", ("`serve.body_at_most_mb` is inf", "must be a finite number")),
        ("train: {1: 2}", ("`train.1` is not a key",)),
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
        ({"label": {"column": "y", "classes": "yes, no"}}, ("`label.classes` is 'yes, no'", 'such as ["yes", "no"]')),
        ({"label": {"column": "y", "classes": [True, False]}}, ("label.classes", 'quote each of them, such as "yes"')),
        ({"label": {"column": "y", "classes": ["a", "b "]}}, ("`label.classes`: 'b '", "write 'b'")),
        ({"label": {"column": "y ", "classes": ["a", "b"]}}, ("`label.column`: 'y '", "write 'y'")),
        ({"label": {"column": "y", "classes": ["a", "b"], "unlabelled": -1}}, ("label.unlabelled", 'such as ["-1"]')),
        ({"label": "y"}, ("`label` is 'y'", "in braces")),
        ({"columns": {"a": {"type": "category", "values": "red"}}}, ("`columns.a.values` is 'red'", '["red"]')),
        ({"columns": {"a": {"type": "category", "values": [1, 2]}}}, ("columns.a.values", 'quote it, "1"')),
        ({"columns": {"a": {"type": "number", "min": "1,5"}}}, ("`columns.a.min` is '1,5'", "decimal point")),
        ({"columns": {"a": "number"}}, ("`columns.a` is 'number'", "such as {type: number}")),
        ({"columns": {"a ": {"type": "number"}}}, ("column name 'a '", "write 'a'")),
        ({"columns": {3: {"type": "number"}}}, ("column name 3", "quote it")),
        ({"columns": ["a"]}, ("`columns` is ['a']", "keys and values")),
        ({"missing": "NA"}, ("`missing` is 'NA'", 'such as ["NA"]')),
        ({"log_without": "age"}, ("`log_without` is 'age'", 'such as ["age"]')),
        ({"files": ";"}, ("`files` is ';'", "keys and values")),
        ({"files": {"delimiter": "\\t"}}, ("files.delimiter", "one character")),
        ({"columns": {"a": {"type": "number", "integer": 1}}}, ("`columns.a.integer` is 1", "true or false")),
        ({"columns": {"a": {"type": "number", "nullable": "no"}}}, ("`columns.a.nullable` is 'no'", "true or false")),
        ({"columns": {"a": {"type": "number", "min": True}}}, ("`columns.a.min` is True", "a number is wanted")),
        (
            {"columns": {"a": {"type": "number", "drift_at_most": True}}},
            ("columns.a.drift_at_most", "number is wanted"),
        ),
        ({"rules": {"labelled_at_least": True}}, ("`rules.labelled_at_least` is True", "a number is wanted")),
        ({"label": None}, ("`label` is None", "section of its own")),
        ({"name": "Klinik Nord"}, ("`name` is 'Klinik Nord'", "lower-case letters")),
    ],
)
def test_a_wrong_contract_is_refused_in_one_sentence(contract: Path, change: dict, words: tuple[str, ...]) -> None:
    content = yaml.safe_load(contract.read_text()) | change
    contract.write_text(yaml.safe_dump(content))
    with pytest.raises(ContractError) as caught:
        read_contract(contract)
    assert not [word for word in words if word not in str(caught.value)], str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [word for word in ("tuple", "dictionary", "instance") if word in str(caught.value)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train: {steps: x}", "`train.steps` is 'x': it must be a whole number in digits, such as 20"),
        ("train: {steps: 1.5}", "`train.steps` is 1.5: it must be a whole number in digits, such as 20"),
        ("train: {steps: [1]}", "`train.steps` is [1]: it must be a whole number in digits, such as 20"),
        ("train: {noise: x}", "`train.noise` is 'x': it must be a number, such as 0.5"),
        ("train: {noise: [1]}", "`train.noise` is [1]: it must be a number, such as 0.5"),
        ("train: {noise: -1}", "`train.noise` is -1: it must be at least 0"),
        ("train: {noise: 3}", "`train.noise` is 3: it must be at most 2"),
        ("train: {ema: 1}", "`train.ema` is 1: it must be below 1"),
        ("train: {seed: 2147483648}", "`train.seed` is 2147483648: it must be below 2147483648"),
        ("prepare: {test_share: 0}", "`prepare.test_share` is 0: it must be above 0"),
        ("prepare: {test_share: .nan}", "`prepare.test_share` is nan: it must be a finite number"),
        ("train: {backend: torch}", "`train.backend` is 'torch': it must be 'tensorflow' or 'jax'"),
        ("baselines: {more: {a: 3}}", "`baselines.more.a` is 3: it must be a word; put it in quotes"),
        ("baselines: {more: {3: a}}", "the key 3 of `baselines.more` must be a word; put it in quotes"),
    ],
)
def test_every_kind_of_wrong_value_has_a_sentence_of_ours(params: Path, text: str, said: str) -> None:
    params.write_text(text)
    with pytest.raises(ParamsError) as caught:
        read_params(params)
    assert str(caught.value) == f"params.yaml: {said}"


def test_a_long_value_is_cut_in_what_is_said_of_it(params: Path) -> None:
    params.write_text(f"train: {{backend: {'x' * 5000}}}")
    with pytest.raises(ParamsError, match=r"x\.\.\.: it must be 'tensorflow' or 'jax'$") as caught:
        read_params(params)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "it is no JSON (EOF while parsing an object at line 1 column 1); mend it there"),
        ("[]", "it must be a section of its own, with keys and values"),
    ],
)
def test_knobs_that_are_no_object_of_json_are_told_in_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ServeParams.model_validate_json(text)
    assert describe(caught.value, ServeParams) == said


def test_a_wrong_parameter_is_a_value_error_as_scikit_learn_has_it() -> None:
    assert issubclass(ParamsError, ValueError)


def test_what_is_wrong_between_several_keys_has_no_line_of_its_own(contract: Path) -> None:
    contract.write_text(contract.read_text().replace("group: patient_id", "group: health_level"))
    with pytest.raises(
        ContractError, match=r"^contract.yaml: column 'health_level' is the label, so it cannot be the id"
    ):
        read_contract(contract)


def test_a_contract_that_is_no_yaml_is_told_by_its_line_and_what_is_wrong_there(contract: Path) -> None:
    contract.write_text("name: a\ncolumns:\n  b: type: number\n")
    with pytest.raises(ContractError) as caught:
        read_contract(contract)
    said = "contract.yaml, line 3: cannot be read as YAML (mapping values are not allowed here); mend that line"
    assert str(caught.value) == said


def test_bands_of_a_regression_are_a_list(contract: Path) -> None:
    text = contract.read_text().replace("task: classification", "task: regression")
    label = "label: {column: y, bands: '10, 20'}\ncolumns:"
    contract.write_text(text[: text.index("label:")] + label + text.partition("\ncolumns:")[2])
    with pytest.raises(ContractError, match=r"line \d+: `label.bands` is '10, 20': .*such as \[10, 20\]"):
        read_contract(contract)
