"""An estimator as files: an artefact with one more, `estimator.json`, which says what only an estimator has."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import asdict
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from ssgan.errors import ArtefactError, ParamsError
from ssgan.learn.tabular import Layout
from ssgan.records import RunRecord

if TYPE_CHECKING:
    from ssgan.learn.base import Estimator

FILE = "estimator.json"


class About(BaseModel):
    """What `estimator.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    params: dict[str, Any]
    knobs: dict[str, int | float | str | bool | None]
    warnings: tuple[str, ...]
    classes: tuple[bool, ...] | tuple[int, ...] | tuple[str, ...] | None
    feature_names: tuple[str, ...] | None
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    shape: tuple[int, ...]
    whole: bool
    framed: bool

    @property
    def layout(self) -> Layout:
        """How X looks."""
        return Layout(self.kinds, self.names, self.shape, self.whole, self.framed)

    @classmethod
    def of(cls, model: Estimator) -> Self:
        """What a fitted estimator has; a random state that is not a number is left out."""
        params, state = plain(model.get_params()), model.random_state
        names = getattr(model, "feature_names_in_", None)
        classes = getattr(model, "classes_", None)
        return cls(
            kind=type(model).__name__,
            params={**params, "random_state": int(state) if isinstance(state, Integral) else None},
            knobs=model.knobs_,
            warnings=model.warnings_,
            classes=None if classes is None else tuple(classes.tolist()),
            feature_names=None if names is None else tuple(names),
            **asdict(model.layout_),
        )


def plain(value: Any) -> Any:
    """Numbers and arrays of numpy as Python's own, within dicts and sequences too: files hold nothing else."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return type(value)(map(plain, value)) if type(value) in (list, tuple) else value


def save(model: Estimator, folder: Path) -> str:
    """Writes a fitted estimator into a new or empty folder, and returns the artefact's digest."""
    from ssgan.learn import backend
    from ssgan.learn.export import write_artefact
    from ssgan.learn.prepare import is_labelled

    if model.fitted_ is None:
        raise ParamsError("a loaded estimator is saved already: copy the folder it was loaded from")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParamsError(f"an estimator is saved into a new or empty folder; there is something in {folder}")
    x, y = model._training_rows, model._labels
    record = RunRecord(
        task=model.contract_.task,
        backend=backend.name,
        precision=str(model.knobs_["precision"]),
        seed=int(str(model.knobs_["seed"])),
        data_hash=hashlib.sha256(np.ascontiguousarray(x).tobytes() + y.tobytes()).hexdigest(),
        rows=len(y),
        labelled=int(is_labelled(y).sum()),
        fakes=str(model.knobs_["fakes"]) if model.fitted_.fakes is not None else "none",
        knobs=model.knobs_,
        warnings=model.warnings_,
        parity=0.0,  # measured at export
    )
    more = {FILE: About.of(model).model_dump_json(indent=1) + "\n"}
    return write_artefact(folder, model.fitted_, model.encoder_, model.contract_, x, record, model.committee_, more)


def read(folder: Path, kind: str, knobs: Collection[str]) -> About:
    """Reads `estimator.json`, whose checksum was checked with the artefact's.

    Args:
        folder: of the artefact.
        kind: of estimator.
        knobs: that it has.

    Raises:
        ArtefactError: if no estimator of that kind was saved here, or by another version of ssgan.
    """
    try:
        text = (folder / FILE).read_bytes()
    except OSError:
        raise ArtefactError(
            f"{folder} was not written by an estimator's `save`: ask it with `ssgan.learn.artefact.Artefact`"
        ) from None
    try:
        about = About.model_validate_json(text)
    except ValidationError as error:
        raise _foreign(folder, f"{'.'.join(map(str, error.errors()[0]['loc']))} is not as this one knows it") from None
    if about.kind != kind:
        raise ArtefactError(f"{folder} holds a {about.kind}, not a {kind}: load it with {about.kind}.load")
    unknown = sorted(about.params.keys() - set(knobs))
    if unknown or not isinstance(about.params.get("hidden"), list):
        raise _foreign(folder, f"this one has no knob {unknown[0]}" if unknown else "it has no knob hidden")
    return about


def _foreign(folder: Path, why: str) -> ArtefactError:
    return ArtefactError(
        f"{folder / FILE} was written by another version of ssgan, {why}: load it with that one, or fit and save again"
    )
