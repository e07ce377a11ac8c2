"""A model ready to answer over HTTP: its artefact, where it comes from, and the checks that its contract asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic_core import to_json

from serving.layout import Layout
from serving.openapi import describe, describe_to_bentoml
from serving.records import Checker
from ssgan.learn.artefact import Artefact
from ssgan.records import Champion, Lineage
from ssgan.ship.packaged import Packaged, load_packaged

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Model:
    """All that depends on the model. A request takes one and keeps it, so that a swap never shows in an answer."""

    packaged: Packaged
    checker: Checker
    layout: Layout  # of its rows in the prediction log
    headers: Headers  # of every answer
    schema: bytes  # JSON: columns, label, classes
    about: bytes  # JSON: the lineage
    description: bytes  # JSON: OpenAPI
    for_bentoml: bytes  # JSON: the endpoints, as BentoML's client reads them

    @classmethod
    def load(cls, folder: Path, champion: Champion | None = None) -> Model:
        """Loads, verifies and probes.

        Raises:
            ArtefactError: if a byte or an answer is not what it was at export, or the lineage is another model's.
        """
        packaged = load_packaged(folder, champion)
        lineage, contract = packaged.lineage, packaged.artefact.contract
        checker = Checker.of(contract)
        headers = {"model": lineage.model, "data-version": lineage.data_version, "git-commit": lineage.git_commit}
        return cls(
            packaged,
            checker,
            Layout.of(contract, packaged.artefact.ranges.names),
            [(f"x-ssgan-{name}".encode(), value.encode()) for name, value in headers.items()],
            to_json(contract.model_dump(mode="json", include={"name", "task", "label", "columns"})),
            to_json(lineage.model_dump()),
            to_json(describe(checker, lineage)),
            to_json(describe_to_bentoml(checker)),
        )

    @property
    def artefact(self) -> Artefact:
        return self.packaged.artefact

    @property
    def lineage(self) -> Lineage:
        return self.packaged.lineage
