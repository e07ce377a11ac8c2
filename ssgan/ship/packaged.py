"""A packaged model: an artefact in the store, with its lineage and its card. Needs what an artefact needs.

packaged.json   sha256 of checksums.json, lineage.json and card.md; and checksums.json has those of all the others
lineage.json    where the model comes from
card.md         what it is good for, by the judge; absent where the judge wrote none
model.yaml      BentoML's own, which nothing here reads
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ssgan.errors import ArtefactError, UserError
from ssgan.judge.limits import within
from ssgan.learn.artefact import CHECKSUMS, Artefact, Predictions
from ssgan.learn.checksums import verified, write_list
from ssgan.records import Champion, Lineage

PACKAGED, LINEAGE, CARD = "packaged.json", "lineage.json", "card.md"
BENTOML = "model.yaml"
REMEDY = "promote another model, or package this one again with `ssgan package`"
_PART = r"[A-Za-z0-9][-_.A-Za-z0-9]*"
_TAG = re.compile(rf"{_PART}:{_PART}")


@dataclass(frozen=True)
class Packaged:
    """A verified model of the store."""

    artefact: Artefact
    lineage: Lineage

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> Predictions:
        """What is served for raw columns, as `Encoder.encode_columns` takes them."""
        return within(self.artefact.predict_columns(columns), self.artefact.contract)

    def predict_records(self, records: Sequence[Mapping[str, object]]) -> Predictions:
        """The same for single records; an absent key and None are missing."""
        return within(self.artefact.predict_records(records), self.artefact.contract)


def seal(folder: Path, lineage: Lineage, card: Path | None) -> None:
    """Adds lineage, card and the list of both to a folder that holds an artefact."""
    lineage.write(folder / LINEAGE)
    parts = [CHECKSUMS, LINEAGE]
    if card is not None and card.is_file():
        (folder / CARD).write_bytes(card.read_bytes())
        parts.append(CARD)
    write_list(folder, PACKAGED, parts)


def load_packaged(folder: Path, champion: Champion | None = None) -> Packaged:
    """Loads a model of the store after every digest was checked and the probe was answered as at export.

    Args:
        folder: of the model.
        champion: the pointer that led here, which must speak of the same model.

    Raises:
        ArtefactError: in one sentence, for whatever is missing, damaged, added or about another model.
    """
    listed = verified(folder, PACKAGED, (CHECKSUMS, LINEAGE), REMEDY)
    listed |= verified(folder, CHECKSUMS, (), REMEDY)  # first, as the artefact's own remedy is to train again
    artefact = Artefact.load(folder)
    added = sorted({each.name for each in folder.iterdir()} - {*listed, PACKAGED, BENTOML})
    if added:
        raise ArtefactError(f"{folder / added[0]} was added after the model was packaged: {REMEDY}")
    try:
        lineage = Lineage.read(folder / LINEAGE)
    except ValidationError:
        raise ArtefactError(f"{folder / LINEAGE} was written by another version of ssgan: {REMEDY}") from None
    if lineage.digest != artefact.digest:
        raise ArtefactError(f"{folder / LINEAGE} speaks of the model {lineage.digest[:12]}, not of this one: {REMEDY}")
    if champion is not None and (champion.digest, champion.lineage) != (artefact.digest, lineage):
        raise ArtefactError(
            f"champion.json speaks of the model {champion.digest[:12]}, {folder} holds {artefact.digest[:12]} "
            f"with its own lineage: {REMEDY}"
        )
    return Packaged(artefact, lineage)


def split_tag(tag: str) -> tuple[str, str]:
    """A tag `name:version` as name and version, each the name of a folder and nothing else.

    Raises:
        UserError: if it is no tag, and so could lead out of the store.
    """
    if _TAG.fullmatch(tag) is None:
        raise UserError(f"{tag[:80]!r} is no tag of a model; one reads name:version, such as ssgan-mine:0a1b2c3d4e5f")
    name, _, version = tag.partition(":")
    return name, version


def folder_of(root: Path, champion: Champion) -> Path:
    """The folder of the champion's model, which may lie nowhere but in the project's store.

    Raises:
        ArtefactError: if `champion.json` leads elsewhere.
    """
    try:
        name, version = split_tag(champion.tag)
    except UserError as error:
        raise ArtefactError(f"champion.json is damaged: {error}") from None
    folder = Path("bento") / "models" / name / version
    if Path(champion.model) != folder:
        raise ArtefactError(f"champion.json names the folder {champion.model[:80]!r}, not {folder}: {REMEDY}")
    return root / folder
