"""The learner's knobs, with every null of `params.yaml` replaced by the default of the task."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ssgan.config import Content, FakesKind, TrainParams
from ssgan.contract import Contract, ImageColumn
from ssgan.errors import ParamsError
from ssgan.learn.drawings import content_of

SMALL_IMAGE = 16  # pixels; an image below it is learned in fewer steps, bears less change, and keeps its size at first
DRAWN = 28  # pixels of the drawings that the noise was chosen on
ASK_AVERAGE = ("mean teacher", "pseudo-label", "ict")  # kinds of consistency that want its answers
GENERATOR, SHUFFLED = "generator", "shuffled columns"


@dataclass(frozen=True)
class Knobs:
    """What a run is made with. The fields are those of `config.TrainParams`, which says what they mean."""

    precision: Literal["float32", "bfloat16"]
    seed: int
    hidden: tuple[int, ...]
    members: int
    weight_norm: bool
    noise: float
    content: Content | None  # None for tables
    shift: int
    warp: float
    mirror: bool
    stir: float
    cutout: float
    tint: float
    head: Literal["huber", "gaussian", "buckets"] | None  # None for classes
    networks: str | None
    embedding: Literal["piecewise", "periodic", "none"]
    answer: Literal["discriminator", "committee"]
    steps: int
    batch: int
    unlabelled: int
    learning_rate: float
    warmup: float
    cooldown: float
    ema: float
    recent: float
    update: Literal["simultaneous", "alternating"]
    rows: Literal["held", "streamed"] | None
    ramp: float
    gan_weight: float
    fakes: FakesKind
    refined_share: float
    matching: Literal["squared", "absolute", "non-saturating"]
    pull_away_weight: float
    complement_weight: float
    manifold_weight: float
    entropy_weight: float
    consistency: Literal["none", "ict", "mean teacher", "pseudo-label", "vat"]
    consistency_weight: float
    align: float | None  # None: found by trial, see `trial.py`
    sure: float
    teacher_weight: float
    teach_from: float

    @property
    def asks_average(self) -> bool:
        """Whether the averaged network's answers for unlabelled rows are learned from."""
        return self.consistency in ASK_AVERAGE and self.consistency_weight > 0

    def as_record(self) -> dict[str, int | float | str | bool | None]:
        """For the run record: one plain value per knob."""
        return {**vars(self), "hidden": ", ".join(str(width) for width in self.hidden)}

    def digest(self) -> str:
        """Changes with every knob; for telling whether a checkpoint belongs to a run."""
        return hashlib.sha256(json.dumps(self.as_record(), sort_keys=True).encode()).hexdigest()

    def twin(self) -> Knobs:
        """The supervised twin's: every term that looks at a row without a label is off."""
        off = replace(self, gan_weight=0.0, manifold_weight=0.0, entropy_weight=0.0, teacher_weight=0.0)
        return replace(off, consistency="none", answer="discriminator")


def resolve(params: TrainParams, contract: Contract, x: np.ndarray | None = None) -> Knobs:
    """The knobs with every null replaced.

    The evidence for the defaults is in `benchmarks/` and told in `docs/science.md`.

    Args:
        params: `train` of `params.yaml`.
        contract: whose task it is.
        x: encoded training rows, for whether images are drawings; None: they are not.

    Raises:
        ParamsError: if a knob does not go with the task.
    """
    given = {
        name: value
        for name, value in params.model_dump(exclude={"backend", "tensorboard"}).items()
        if value is not None
    }
    defaults = _defaults(contract, _content(params, contract, x))
    knobs = {"networks": None, "rows": None, **defaults, **given, "hidden": tuple(params.hidden)}
    knobs.setdefault("gan_weight", _gan_weight(contract, knobs["fakes"]))
    resolved = Knobs(**knobs)
    _check(resolved, contract)
    if resolved.align is None and (contract.task == "regression" or not resolved.asks_average):
        return replace(resolved, align=0.0)  # there is nothing that could be held
    return resolved


def _content(params: TrainParams, contract: Contract, x: np.ndarray | None) -> Content | None:
    """A user's own networks draw noise of their own, which may be too little for what drawings are learned with."""
    if contract.image is None or params.content is not None:
        return params.content
    return "photograph" if x is None or params.networks is not None else content_of(x)


def _defaults(contract: Contract, content: Content | None) -> dict[str, Any]:
    common: dict[str, Any] = {
        "head": None,
        "align": None,
        "content": content,
        "batch": 64,
        "ema": 0.99,
        "weight_norm": False,
        "noise": 0.15,
        "learning_rate": 2e-3,
        "cooldown": 0.5,
    }
    common |= {"shift": 0, "warp": 0.0, "stir": 1.0, "cutout": 0.0, "tint": 0.0, "unlabelled": 1, "recent": 1.0}
    common |= {"consistency": "none", "consistency_weight": 1.0, "ramp": 0.25, "teacher_weight": 0.0, "teach_from": 0.0}
    if contract.image is not None:
        return {**common, **_of_images(contract.image, content)}
    table = {**common, "fakes": SHUFFLED, "teacher_weight": 10.0}
    if contract.task == "classification":
        return {**table, "steps": 1500, "teach_from": 0.5}
    # Without a teacher a value is learned in few steps and then by heart.
    return {**table, "head": "huber", "noise": 0.05, "steps": 600}


def _of_images(image: ImageColumn, content: Content | None) -> dict[str, Any]:
    moves = {"shift": max(1, round(min(image.height, image.width) / 16)), "warp": 0.15, "noise": 0.05}
    common = {**moves, "consistency": "mean teacher", "batch": 32, "unlabelled": 3}
    common |= {"fakes": GENERATOR, "weight_norm": True}
    if _small(image):  # a few pixels are soon hidden, or moved to another digit's
        return {**common, "steps": 1000}
    common |= {"unlabelled": 6, "ramp": 0.1, "ema": 0.998, "recent": 0.1}
    if content == "drawing":  # ink is seen through noise that drowns what a photograph shows
        noise = round(0.8 * min(1.0, min(image.height, image.width) / DRAWN), 2)  # few pixels are soon drowned
        return {**common, "noise": noise, "consistency_weight": 30.0, "steps": 5000, "cooldown": 0.1}
    stirs = {"stir": 2.0, "cutout": 0.4, "tint": 0.3}
    return {**common, **stirs, "consistency_weight": 5.0, "steps": 2500}


def _small(image: ImageColumn) -> bool:
    return max(image.height, image.width) < SMALL_IMAGE


def _gan_weight(contract: Contract, fakes: str) -> float:
    if contract.image is not None:  # at 1 a short run on large images learns of fakes in place of classes
        return 1.0 if _small(contract.image) else 0.1
    return 3.0 if contract.task == "classification" and fakes != GENERATOR else 0.3


def _check(knobs: Knobs, contract: Contract) -> None:
    if contract.image is not None:
        if knobs.fakes != GENERATOR:
            raise ParamsError(
                f'train.fakes must be "generator" for images, which have no columns to shuffle; it is "{knobs.fakes}"'
            )
        if knobs.teacher_weight > 0 or knobs.answer == "committee":
            raise ParamsError(
                "train.teacher_weight must be 0 and train.answer discriminator for images, which trees do not read; "
                f"they are {knobs.teacher_weight:g} and {knobs.answer}"
            )
    else:
        _check_table(knobs)
    if contract.task == "regression" and knobs.consistency == "pseudo-label":
        raise ParamsError("train.consistency must not be pseudo-label for values: there is no class to be sure of")
    if contract.task == "classification" and knobs.head is not None:
        raise ParamsError(f'train.head must be null for classes, because it is for values; it is "{knobs.head}"')
    if contract.task == "regression" and knobs.align:
        raise ParamsError("train.align must be 0 for values: there are no classes whose shares could be held to")
    if contract.task == "regression" and knobs.entropy_weight > 0:
        raise ParamsError("train.entropy_weight must be 0 for values: there are no classes to be sure of")
    if knobs.manifold_weight > 0 and knobs.fakes == SHUFFLED:
        raise ParamsError(f'train.manifold_weight needs fakes that are learned; train.fakes is "{knobs.fakes}"')


def _check_table(knobs: Knobs) -> None:
    for name, still in {"shift": 0, "warp": 0.0, "mirror": False, "stir": 1.0, "cutout": 0.0, "tint": 0.0}.items():
        found = getattr(knobs, name)
        if found != still:
            raise ParamsError(f"train.{name} must be left out for a table, which has no pixels; it is {found}")
    if knobs.content is not None:
        raise ParamsError(f'train.content must be null for a table, which has no images; it is "{knobs.content}"')
