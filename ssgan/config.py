"""`params.yaml`: every knob, one section per stage, checked before any work starts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import ConfigDict, Field, PositiveInt, ValidationError, model_validator

from ssgan.errors import ParamsError, describe
from ssgan.records import write_atomically
from ssgan.sections import Section
from ssgan.slips import first_slip


class PrepareParams(Section):
    """How rows are divided."""

    test_share: float = Field(0.25, gt=0, lt=0.9)
    salt: str = "ssgan"


FakesKind = Literal["generator", "shuffled columns", "refiner", "mixture"]
Content = Literal["photograph", "drawing"]


class TrainParams(Section):
    """The learner's knobs; None means the default of the task, which the run record then names."""

    model_config = ConfigDict(allow_inf_nan=False)  # a term with such a weight has no slope
    backend: Literal["tensorflow", "jax"] = "tensorflow"
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = Field(0, ge=0, lt=2**31)
    # the network
    hidden: tuple[PositiveInt, ...] = Field((128, 128), min_length=1)
    members: int = Field(1, ge=1, le=64)
    weight_norm: bool | None = None
    noise: float | None = Field(None, ge=0, le=2)
    content: Content | None = None
    shift: int | None = Field(None, ge=0, le=16)
    warp: float | None = Field(None, ge=0, le=0.5)
    stir: float | None = Field(None, ge=0, le=8)
    cutout: float | None = Field(None, ge=0, le=0.8)
    tint: float | None = Field(None, ge=0, le=2)
    mirror: bool = False
    head: Literal["huber", "gaussian", "buckets"] | None = None
    networks: str | None = None
    embedding: Literal["piecewise", "periodic", "none"] = "piecewise"
    answer: Literal["discriminator", "committee"] = "discriminator"
    # the optimisation
    steps: int | None = Field(None, ge=1)
    batch: int | None = Field(None, ge=4, le=4096)
    unlabelled: int | None = Field(None, ge=1, le=16)
    learning_rate: float | None = Field(None, gt=0, lt=1)
    warmup: float = Field(0.0, ge=0, le=1)
    cooldown: float | None = Field(None, gt=0, le=1)
    ema: float | None = Field(None, ge=0, lt=1)
    recent: float | None = Field(None, gt=0, le=1)
    update: Literal["simultaneous", "alternating"] = "simultaneous"
    rows: Literal["held", "streamed"] | None = None
    tensorboard: bool = False
    # the terms of the objective
    ramp: float | None = Field(None, ge=0, le=1)
    gan_weight: float | None = Field(None, ge=0)
    fakes: FakesKind | None = None
    refined_share: float = Field(0.5, ge=0, le=1)
    matching: Literal["squared", "absolute", "non-saturating"] = "squared"
    pull_away_weight: float = Field(0.0, ge=0)
    complement_weight: float = Field(0.0, ge=0)
    manifold_weight: float = Field(0.0, ge=0)
    entropy_weight: float = Field(0.0, ge=0)
    consistency: Literal["none", "ict", "mean teacher", "pseudo-label", "vat"] | None = None
    consistency_weight: float | None = Field(None, ge=0)
    align: float | None = Field(None, ge=0, le=1)
    sure: float = Field(0.95, gt=0, le=1)
    teacher_weight: float | None = Field(None, ge=0)
    teach_from: float | None = Field(None, ge=0, lt=1)


class BaselinesParams(Section):
    """Who else has a try at the same rows."""

    seed: int = Field(0, ge=0, lt=2**31)
    trees: int = Field(300, ge=1)
    semi_supervised_rows_at_most: int = Field(5000, ge=10)
    more: dict[str, str] = {}


class CalibrateParams(Section):
    """How raw outputs become probabilities, sets and intervals."""

    coverage: float = Field(0.9, gt=0.5, lt=1)
    prior: Literal["balanced", "labelled", "unlabelled"] = "balanced"
    unlike: float = Field(0.01, gt=0, lt=0.5)


class EvaluateParams(Section):
    """Which rows judge a model, and how."""

    method: Literal["holdout", "crossfit"] | None = None
    folds: int = Field(5, ge=2, le=20)
    curve: tuple[Annotated[float, Field(gt=0, lt=1)], ...] | None = None
    slices: tuple[str, ...] = ()

    metric: Literal["balanced_accuracy", "accuracy", "macro_f1", "rmse", "mae"] | None = None
    resamples: int = Field(1000, ge=10)
    confidence: float = Field(0.95, gt=0.5, lt=1)
    seed: int = Field(0, ge=0, lt=2**31)


class GateParams(Section):
    """What a challenger must show."""

    serve: Literal["ssgan", "winner"] = "ssgan"
    rows_at_least: int = Field(15, ge=1)
    confidence: float = Field(0.975, gt=0.5, lt=1)
    margin_over_guess: float = Field(0.0, ge=0)
    worse_than_baseline_by_at_most: float | None = Field(None, ge=0)
    worse_than_champion_by_at_most: float = Field(0.0, ge=0)
    slice_worse_by_at_most: float | None = Field(None, ge=0)
    calibration_error_at_most: float | None = Field(None, gt=0, le=1)
    milliseconds_at_most: float | None = Field(None, gt=0)
    parity_at_most: float = Field(1e-4, gt=0)


class ServeParams(Section):
    """The service."""

    host: str = "127.0.0.1"
    port: int = Field(3000, ge=1, le=65535)
    certificate: str | None = None
    certificate_key: str | None = None
    keys: str | None = None
    requests_per_second: float | None = Field(None, gt=0)
    at_once_at_most: int = Field(64, ge=1)
    connections_at_most: int = Field(512, ge=8)
    body_at_most_mb: float = Field(10.0, gt=0)
    body_seconds_at_most: float = Field(8.0, gt=0, le=10)
    file_rows_at_most: int = Field(100_000, ge=1)
    log: bool = False
    log_file_mb: float = Field(16.0, gt=0)
    log_file_minutes: float = Field(10.0, gt=0)
    log_days: float = Field(30.0, gt=0)
    log_waiting_mb: float = Field(256.0, gt=0)

    @model_validator(mode="after")
    def _certificate_has_a_key(self) -> Self:
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("a certificate needs its key: give both serve.certificate and serve.certificate_key")
        return self


class Params(Section):
    """The whole of `params.yaml`."""

    prepare: PrepareParams = PrepareParams()
    train: TrainParams = TrainParams()
    calibrate: CalibrateParams = CalibrateParams()
    baselines: BaselinesParams = BaselinesParams()
    evaluate: EvaluateParams = EvaluateParams()
    gate: GateParams = GateParams()
    serve: ServeParams = ServeParams()


def read_params(path: Path) -> Params:
    """Reads and checks `params.yaml`.

    Raises:
        ParamsError: naming the key, the value found and, for an unknown key, the nearest right one.
    """
    return _parse(_text(path), path.name)


def set_knob(path: Path, assignment: str) -> None:
    """Changes one knob in place, `train.steps=200`, and leaves every comment as it is.

    Raises:
        ParamsError: if there is no such knob, or the value is not one it can have, or not on the knob's own line.
    """
    match = re.fullmatch(r"\s*(\w+)\.(\w+)\s*=\s*(.+?)\s*", assignment)
    if match is None:
        raise ParamsError(f"{assignment!r} is not of the form section.knob=value, such as train.steps=200")
    section, knob, value = match.groups()
    wanted = _parse(f"{section}: {{{knob}: {value}}}", path.name)
    text = _text(path)
    within = r"(?:(?:[ #][^\n]*)?\n)*?"  # lines of the same section
    line = re.compile(rf"(?m)^({section}:[^\n]*\n{within}  {knob}:[ ]*)([^\n#]*?)([ ]*(?:#[^\n]*)?)$")
    changed, count = line.subn(lambda found: f"{found[1]}{value}{found[3]}", text, count=1)
    if count == 0:
        raise ParamsError(f"{path.name} has no line for {section}.{knob}; add it under `{section}:`")
    if _knob(_parse(changed, path.name), section, knob) != _knob(wanted, section, knob):  # a `#` in quotes, perhaps
        raise ParamsError(f"{path.name} must have {section}.{knob} and its value on a line: change it by hand")
    write_atomically(path, changed)


def _knob(params: Params, section: str, knob: str) -> object:
    return getattr(getattr(params, section), knob)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ParamsError(f"{path.name} must be text in UTF-8; {error}: save it so") from None


def _parse(text: str, name: str) -> Params:
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()  # once for both: to parse is what takes the time
        content = (loader.construct_document(node) if node is not None else None) or {}
    except yaml.YAMLError as error:
        raise ParamsError(f"{name} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ParamsError(f"{name} must hold one section per stage, such as `train:`; it holds {content!r}")
    slip = first_slip({}, node)  # of keys alone
    if slip is not None:
        raise ParamsError(f"{name}, line {slip.line}: {slip.said}")
    return _check(content, name)


def _check(content: object, name: str) -> Params:
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ParamsError(f"{name}: {describe(error, Params)}") from None
