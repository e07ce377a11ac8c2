"""The service: the champion's discriminator over HTTP.

Runs inside a Bento, which `ssgan package` builds: it puts `model.tag` beside this file, the name of the model in the
store. The types of a request are made from the model's own contract, so the service refuses what the contract forbids.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.models import BentoModel
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from serving.guard import Guard
from serving.records import Answer, answers, record_type
from ssgan.contract import Contract
from ssgan.errors import ArtefactError
from ssgan.learn.artefact import Artefact
from ssgan.records import Lineage

_TAG_FILE = Path(__file__).with_name("model.tag")
TAG = os.environ.get("SSGAN_MODEL_TAG") or _TAG_FILE.read_text(encoding="utf-8").strip()
FOLDER = Path(bentoml.models.get(TAG).path)
CONTRACT = Contract.model_validate_json((FOLDER / "schema.json").read_text(encoding="utf-8"))
LINEAGE = Lineage.read(FOLDER / "lineage.json")
BODY_AT_MOST = int(float(os.environ.get("SSGAN_BODY_AT_MOST_MB", "10")) * 2**20)
RECORDS_AT_MOST = 10_000

Record = record_type(CONTRACT)


def _lineage(_: Request) -> JSONResponse:
    return JSONResponse(LINEAGE.model_dump())


def _schema(_: Request) -> JSONResponse:
    return JSONResponse(CONTRACT.model_dump(mode="json", include={"name", "task", "label", "columns"}))


about = Starlette(routes=[Route("/lineage", _lineage), Route("/schema", _schema)])


@bentoml.service(
    name="discriminator",
    workers=1,
    # BentoML keeps each request's objects alive for the whole timeout; 60 s, its default, costs stalls of 0.2 s.
    traffic={"timeout": 10, "max_concurrency": 64},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(about, path="/v1")
class Discriminator:
    """Answers which class (or value) a record has, and how probable it is that the record is fake."""

    model = BentoModel(TAG)

    def __init__(self) -> None:
        self.artefact = Artefact.load(FOLDER)
        if self.artefact.digest != LINEAGE.digest:
            raise ArtefactError(f"the lineage of {TAG} speaks of another model; package it again")
        gc.collect()
        gc.freeze()  # what is loaded now lives for ever; looking through it again and again costs latency

    @bentoml.api(route="/v1/predict")  # type: ignore[untyped-decorator]
    def predict(self, record: Record, /) -> Answer:  # type: ignore[valid-type]
        """One record in, one answer out."""
        return answers(self.artefact, LINEAGE, [record])[0]

    @bentoml.api(route="/v1/predict_many")  # type: ignore[untyped-decorator]
    def predict_many(
        self,
        records: Annotated[list[Record], Field(min_length=1, max_length=RECORDS_AT_MOST)],  # type: ignore[valid-type]
    ) -> list[Answer]:
        """Several records in, as many answers out, in the same order."""
        return answers(self.artefact, LINEAGE, records)


Discriminator.add_asgi_middleware(Guard, body_at_most=BODY_AT_MOST)  # type: ignore[attr-defined]  # made by the decorator
