"""The service: the champion's discriminator over HTTP, as a BentoML service.

Runs inside a Bento, which `ssgan package` builds: it puts `model.tag` beside this file, the name of the model in the
store. What is asked and answered is in `desk.py`; who may ask in `guard.py`; this file tells BentoML what to run.

    SSGAN_PROJECT    a project whose champion.json is followed; without it the Bento's own model answers for ever
    SSGAN_SERVE      the section `serve` of params.yaml, as JSON
    SSGAN_LOG        folder of the prediction log, where no project is followed; else `predictions` in BENTOML_HOME
    SSGAN_KEYS       names and sha256 of API keys, where there is no file of them
    SSGAN_MODEL_TAG  another model of the store than the Bento's own
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import bentoml
from bentoml.models import BentoModel
from pydantic import ValidationError

from ssgan.config import ServeParams
from ssgan.errors import ParamsError, describe

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from serving.desk import Desk

_TAG_FILE = Path(__file__).with_name("model.tag")
TAG = os.environ.get("SSGAN_MODEL_TAG") or _TAG_FILE.read_text(encoding="utf-8").strip()
try:
    PARAMS = ServeParams.model_validate_json(os.environ.get("SSGAN_SERVE") or "{}")
except ValidationError as error:
    raise ParamsError(f"SSGAN_SERVE must hold the section `serve` as JSON: {describe(error, ServeParams)}") from None
ROOT = Path(os.environ["SSGAN_PROJECT"]) if "SSGAN_PROJECT" in os.environ else None
LOG = Path(os.environ.get("SSGAN_LOG") or Path(os.environ.get("BENTOML_HOME", Path.home() / "bentoml")) / "predictions")


@cache
def desk() -> Desk:
    """The one of this process; the supervisor never needs it, nor what it loads."""
    from serving.desk import Desk

    return Desk(PARAMS, ROOT, LOG)


def front(app: ASGIApp) -> ASGIApp:
    """The door before BentoML's own routes."""
    from serving.front import Front

    return Front(app, desk())


if "uvicorn" in sys.modules:  # this is the server; BentoML's supervisor, which loads this file too, has none
    from serving import patient

    patient.install(PARAMS.connections_at_most, front)


@bentoml.service(
    name="discriminator",
    workers=1,
    # What BentoML puts around every request and a user may switch off; docs/service.md says what it would cost.
    logging={"access": {"enabled": False}},
    metrics={"enabled": False},
    tracing={"excluded_urls": ".*"},
    traffic={"timeout": 40},  # never reached: the door stands before it, and has limits of its own
)
class Discriminator:
    """Answers which class (or value) a record has, and how probable it is that the record is fake."""

    model = BentoModel(TAG)

    def __init__(self) -> None:
        logging.getLogger("ssgan.service").setLevel(logging.INFO)  # which model answers; BentoML shows warnings alone
        desk().open(Path(bentoml.models.get(TAG).path))

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Writes what is waiting to be logged."""
        desk().close()


Discriminator.add_asgi_middleware(front)  # type: ignore[attr-defined]  # made by the decorator; for other servers than ours
