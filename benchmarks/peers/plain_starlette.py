"""The same work as the service's `/v1/predict` on plain Starlette: check, encode, ONNX Runtime, answer. Nothing else.

SSGAN_MODEL=FOLDER uvicorn --app-dir benchmarks/peers plain_starlette:app
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving.answers import answers, encoded, lineage
from serving.model import Model

MODEL = Model.load(Path(os.environ["SSGAN_MODEL"]))
gc.collect()
gc.freeze()


async def predict(request: Request) -> Response:
    """One record in, one answer out."""
    artefact = MODEL.artefact
    record = MODEL.checker.record(await request.body())
    said = artefact.predict_records([record])
    answer = {**answers(MODEL, said)[0], "lineage": lineage(MODEL, "")}
    return Response(encoded(answer), media_type="application/json")


async def ready(_: Request) -> Response:
    """For whoever waits."""
    return Response(b"")


app = Starlette(routes=[Route("/v1/predict", predict, methods=["POST"]), Route("/readyz", ready)])
