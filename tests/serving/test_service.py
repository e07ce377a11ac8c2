"""The service: in process for what it says, over real HTTP once."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.process import free_port
from ssgan.project import open_project
from ssgan.records import Champion
from ssgan.ship.serve import serving_champion


@pytest.fixture(scope="module")
def client(cancer: tuple[Path, str]) -> Iterator[TestClient]:
    """The service of the finished cancer demo, in this process."""
    project, _ = cancer
    os.environ["BENTOML_HOME"] = str(project / "bento")
    os.environ["SSGAN_MODEL_TAG"] = Champion.read(project / "champion.json").tag
    os.environ["SSGAN_BODY_AT_MOST_MB"] = "0.5"
    service = importlib.import_module("serving.service")
    with TestClient(service.Discriminator.to_asgi(), raise_server_exceptions=False) as client:
        yield client
    for name in ("BENTOML_HOME", "SSGAN_MODEL_TAG", "SSGAN_BODY_AT_MOST_MB"):
        del os.environ[name]


@pytest.fixture(scope="module")
def records(cancer: tuple[Path, str]) -> list[dict[str, Any]]:
    """Real test records, as JSON has them."""
    project, _ = cancer
    rows = pd.read_parquet(project / "data" / "prepared" / "test.parquet")
    names = list(Artefact.load(project / "models" / "ssgan").contract.features)
    return [dict(zip(names, row, strict=True)) for row in rows[names].itertuples(index=False)]


def test_an_answer_has_class_probabilities_fake_probability_and_lineage(client, records) -> None:
    said = client.post("/v1/predict", json=records[0])
    assert said.status_code == 200, said.text
    answer = said.json()
    assert answer["label"] in ("benign", "malignant")
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert 0 <= answer["fake_probability"] <= 1
    assert answer["lineage"]["model"].startswith("ssgan-cancer:")
    assert len(answer["lineage"]["git_commit"]) == 40


def test_the_service_answers_what_the_artefact_answers(client, records, cancer) -> None:
    artefact = Artefact.load(cancer[0] / "models" / "ssgan")
    rows = pd.read_parquet(cancer[0] / "data" / "prepared" / "test.parquet")
    expected = artefact.predict_columns(frame_columns(rows, artefact.contract))
    said = client.post("/v1/predict_many", json={"records": records}).json()
    assert [answer["label"] for answer in said] == list(expected.answer)
    assert [answer["fake_probability"] for answer in said] == pytest.approx(list(expected.fake_probability), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"mean_radius": -1.0}, "mean_radius"),
        ({"mean_radius": "12"}, "mean_radius"),
        ({"mean_radius": None}, "mean_radius"),
        ({"mean_radius": True}, "mean_radius"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_field_is_refused_and_named(client, records, change, named) -> None:
    said = client.post("/v1/predict", json=records[0] | change)
    assert said.status_code == 400
    assert named in said.text


def test_a_missing_field_is_refused_and_named(client, records) -> None:
    short = {name: value for name, value in records[0].items() if name != "worst_area"}
    said = client.post("/v1/predict", json=short)
    assert said.status_code == 400
    assert "worst_area" in said.text


NO_RECORDS = (b"", b"{", b"[]", b"null", b'{"mean_radius": NaN}', b'{"mean_radius": 1e999}', b"[" * 9999)


@pytest.mark.parametrize("body", NO_RECORDS)
def test_a_body_that_is_no_record_is_refused(client, body) -> None:
    said = client.post("/v1/predict", content=body, headers={"content-type": "application/json"})
    assert said.status_code == 400


def test_a_body_over_the_cap_is_refused_plain_and_chunked(client) -> None:
    big = b" " * 600_000
    headers = {"content-type": "application/json"}
    assert client.post("/v1/predict", content=big, headers=headers).status_code == 413
    chunks = (big[:100_000] for _ in range(6))
    assert client.post("/v1/predict", content=chunks, headers=headers).status_code == 413


def test_the_index_page_loads_nothing_from_a_network(client) -> None:
    said = client.get("/", follow_redirects=False)
    assert said.status_code == 307
    assert client.get("/docs.json").status_code == 200


def test_lineage_and_schema_can_be_asked_for(client) -> None:
    assert client.get("/v1/lineage").json()["data_version"] == "data-2"
    assert "mean_radius" in client.get("/v1/schema").json()["columns"]


def test_over_real_http_the_served_champion_answers_and_goes(cancer: tuple[Path, str], records) -> None:
    project = open_project(cancer[0])
    with serving_champion(project, free_port()) as service:
        url = service.url
        request = urllib.request.Request(
            f"{url}/v1/predict", json.dumps(records[0]).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.load(answer)
    assert said["lineage"]["model"] == Champion.read(project.champion).tag
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{url}/readyz", timeout=2)


def test_a_taken_port_is_refused_in_one_sentence(cancer: tuple[Path, str], ssgan) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = ssgan("serve", "-C", cancer[0], "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_service_needs_no_tensorflow(cancer: tuple[Path, str]) -> None:
    project, _ = cancer
    tag = Champion.read(project / "champion.json").tag.replace(":", "/")
    source = project / "bento" / "bentos" / tag / "src"
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras", "prefect", "dvc", "great_expectations", "pandas", "sklearn", "pyarrow"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
import serving.service as service
assert str(service.__file__).startswith(sys.argv[1]), service.__file__
service.Discriminator()
"""
    environment = os.environ | {"BENTOML_HOME": str(project / "bento"), "PYTHONPATH": str(source)}
    environment.pop("SSGAN_MODEL_TAG", None)
    done = subprocess.run(
        [sys.executable, "-c", code, str(source)], cwd=source, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
