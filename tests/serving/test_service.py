"""The Bento of a finished project: under BentoML, over real HTTP and TLS, and replaced by a new process."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bentoml
import pandas as pd
import pytest
from made import add_model, eventually, on_a_free_port
from starlette.testclient import TestClient

from ssgan import settings
from ssgan.config import set_knob
from ssgan.errors import PortError
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.process import Server, free_port
from ssgan.project import Project, open_project
from ssgan.records import Champion
from ssgan.ship.champion import model_folder, promote, rollback
from ssgan.ship.keys import make_key
from ssgan.ship.serve import serving_champion


@pytest.fixture(scope="module")
def client(cancer: tuple[Path, str]) -> Iterator[TestClient]:
    """The service of the finished cancer demo, in this process, with BentoML around it."""
    project, _ = cancer
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENTOML_HOME", str(project / "bento"))
        patch.setenv("SSGAN_MODEL_TAG", Champion.read(project / "champion.json").tag)
        service = importlib.import_module("serving.service")
        with TestClient(service.Discriminator.to_asgi(), raise_server_exceptions=False) as client:
            yield client


@pytest.fixture(scope="module")
def records(cancer: tuple[Path, str]) -> list[dict[str, Any]]:
    """Real test records, as JSON has them."""
    project, _ = cancer
    rows = pd.read_parquet(project / "data" / "prepared" / "test.parquet")
    names = list(Artefact.load(project / "models" / "ssgan").contract.features)
    return [dict(zip(names, row, strict=True)) for row in rows[names].itertuples(index=False)]


def test_the_service_answers_what_the_artefact_answers(client, records, cancer) -> None:
    artefact = Artefact.load(cancer[0] / "models" / "ssgan")
    rows = pd.read_parquet(cancer[0] / "data" / "prepared" / "test.parquet")
    expected = artefact.predict_columns(frame_columns(rows, artefact.contract))
    said = client.post("/v1/predict_many", json={"records": records}).json()
    assert [answer["label"] for answer in said["answers"]] == list(expected.answer)
    assert [answer["fake_probability"] for answer in said["answers"]] == expected.fake_probability.tolist()
    assert len(said["lineage"]["git_commit"]) == 40


def test_under_bentoml_our_paths_answer_and_its_page_with_trackers_does_not(client) -> None:
    assert client.get("/readyz").status_code == client.get("/livez").status_code == 200
    assert "googletagmanager" not in client.get("/").text
    assert "paths" in client.get("/docs.json").json()
    assert "ssgan_requests_total" in client.get("/metrics").text
    assert client.get("/static_content/swagger-ui.css").status_code == 404


def serving(project: Project) -> contextlib.AbstractContextManager[Server]:
    """The champion behind HTTP."""
    return on_a_free_port(lambda port: serving_champion(project, port))


def test_over_real_http_the_served_champion_answers_and_goes(cancer: tuple[Path, str], records) -> None:
    project = open_project(cancer[0])
    with serving(project) as service:
        url = service.url
        request = urllib.request.Request(
            f"{url}/v1/predict", json.dumps(records[0]).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.load(answer)
        with bentoml.SyncHTTPClient(url) as client, client._temp_dir:  # which it leaves to the garbage collector
            assert client.predict(records[0])["label"] == said["label"]
            assert len(client.predict_many(records=records[:3])["answers"]) == 3
    assert said["lineage"]["model"] == Champion.read(project.champion).tag
    with pytest.raises(OSError):
        urllib.request.urlopen(f"{url}/readyz", timeout=2)


def test_under_load_models_change_and_a_broken_one_stays_outside_until_it_is_whole_without_one_failed_request(
    project: Path, records
) -> None:
    """A -> B -> broken -> C, back over the broken one to B, and to the mended one, while eight clients ask."""
    own = open_project(project)
    a = Champion.read(own.champion)
    contract = Artefact.load(project / a.model).contract.model_dump()
    b, broken, c = (add_model(own, seed, columns=contract["columns"], label=contract["label"]) for seed in range(3))
    weights = model_folder(own, broken) / "model.onnx"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + b"\0")
    seen: list[tuple[int, str, str]] = []
    enough = threading.Event()
    body = json.dumps(records[0])

    def ask(port: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        while not enough.is_set():
            link.request("POST", "/v1/predict", body, {"content-type": "application/json"})
            answer = link.getresponse()
            seen.append((answer.status, json.load(answer)["lineage"]["model"], answer.headers["x-ssgan-model"]))
        link.close()

    def spoke(tag: str) -> None:
        eventually(lambda: bool(seen) and seen[-1][1] == tag)

    with serving(own) as service, ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, int(service.url.rpartition(":")[2])) for _ in range(8)]
        try:
            spoke(a.tag)
            promote(own, b)
            spoke(b)
            promote(own, broken)
            eventually(lambda: refusals(service) == 1)
            before = len(seen)
            eventually(lambda: len(seen) > before + 20)
            spoke(b)
            promote(own, c)
            spoke(c)
            rollback(own)  # to the broken one
            rollback(own)
            spoke(b)
            refused = refusals(service)
            promote(own, broken)
            eventually(lambda: refusals(service) > refused)
            spoke(b)
            weights.write_bytes(whole)  # as packaged anew, under the same pointer
            spoke(broken)
        finally:
            enough.set()
        for each in asking:
            each.result()
        told = service.log.read_text()
    assert f"{a.tag} is in service; nobody is asked for a key" in told
    assert all(f"[INFO] [entry_service:discriminator:1] {tag} is in service" in told for tag in (b, c, broken))
    assert "is refused, the model in service stays" in told
    assert {status for status, *_ in seen} == {200}
    assert all(body == header for _, body, header in seen)
    assert {model for _, model, _ in seen} == {a.tag, b, c, broken}


def refusals(service: Server) -> float:
    """How many champions it has refused."""
    lines = read(f"{service.url}/metrics").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("ssgan_models_refused_total "))


def read(url: str) -> str:
    """What stands at an address."""
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def make_certificate(folder: Path) -> None:
    """A self-signed pair for 127.0.0.1."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run([*command, *names], cwd=folder, check=True, capture_output=True)


def test_over_tls_the_service_answers_whom_its_certificate_convinces(project: Path, records) -> None:
    make_certificate(project)
    set_certificate(project, both=True)
    with serving(open_project(project)) as service:
        assert service.url.startswith("https://")
        port = int(service.url.rpartition(":")[2])
        trusting = ssl.create_default_context(cafile=str(project / "certificate.pem"))
        link = http.client.HTTPSConnection("127.0.0.1", port, context=trusting, timeout=30)
        link.request("POST", "/v1/predict", json.dumps(records[0]), {"content-type": "application/json"})
        assert link.getresponse().status == 200
        assert link.sock.version() in ("TLSv1.2", "TLSv1.3")
        link.close()
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{service.url}/readyz", timeout=30)


def set_certificate(project: Path, both: bool) -> None:
    """Sets the knob, and that of the key."""
    path = project / "params.yaml"
    text = path.read_text().replace("certificate: null ", "certificate: certificate.pem ")
    path.write_text(text.replace("certificate_key: null", "certificate_key: key.pem") if both else text)


def test_a_certificate_without_its_key_is_refused_in_one_sentence(project: Path, ssgan_here) -> None:
    set_certificate(project, both=False)
    code, said = ssgan_here("serve", "-C", project, "--port", free_port())
    assert code == 2
    assert "a certificate needs its key" in said


def test_a_new_server_takes_over_without_a_failed_request_and_one_whose_switch_fails_leaves_the_one_before(
    project: Path, records
) -> None:
    """The file `port` stands for a proxy: whoever asks looks into it first."""
    body, statuses, enough = json.dumps(records[0]), [], threading.Event()

    def ask() -> None:
        while not enough.is_set():
            link = http.client.HTTPConnection("127.0.0.1", int((project / "port").read_text()), timeout=30)
            link.request("POST", "/v1/predict", body, {"content-type": "application/json"})
            statuses.append((link.port, link.getresponse().status))
            link.close()

    switch = 'printf %s "${SSGAN_URL##*:}" > port.new && mv port.new port'
    with started(project) as (first, blue):
        (project / "port").write_text(str(blue))
        with started(project, "--instead", "--switch", "echo no proxy; false", "--drain", "0") as (failed, _):
            assert failed.wait(60) == 1
            assert said_by(failed) == "ssgan: the switch failed with exit code 1: no proxy"
        asking = threading.Thread(target=ask)
        asking.start()
        try:
            eventually(lambda: len(statuses) > 20)
            with started(project, "--instead", "--switch", switch, "--drain", "0.5") as (_, green):
                eventually(lambda: first.poll() is not None, 60)
                before = len(statuses)
                eventually(lambda: len(statuses) > before + 20)
                enough.set()
                asking.join()
        finally:
            enough.set()
            asking.join()
    assert {status for _, status in statuses} == {200}
    assert {port for port, _ in statuses} == {blue, green}


Started = tuple[subprocess.Popen[str], int]


def started(project: Path, *options: str) -> contextlib.AbstractContextManager[Started]:
    """`ssgan serve`, once it answers, and its port."""
    return on_a_free_port(lambda port: started_on(port, project, *options))


@contextlib.contextmanager
def started_on(port: int, project: Path, *options: str) -> Iterator[Started]:
    """`ssgan serve` on a port.

    Raises:
        PortError: if somebody has it.
    """
    command = [sys.executable, "-m", "ssgan", "serve", "-C", str(project), "--port", str(port), *options]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=settings.environment(), stdout=pipe, stderr=pipe, text=True) as process:
        try:
            if "answers at" not in process.stdout.readline():
                said = process.stderr.read()
                assert "is taken" in said or "already in use" in said, said
                raise PortError(said)
            yield process, port
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(60)


def said_by(process: subprocess.Popen[str]) -> str:
    """The last line of what it told before it ended."""
    return process.stderr.read().strip().splitlines()[-1]


@pytest.fixture(scope="module")
def guarded(cancer: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """`ssgan serve` of a project that asks for keys and takes eight connections; and its port."""
    project = tmp_path_factory.mktemp("guarded") / "project"
    shutil.copytree(cancer[0], project, symlinks=True)
    for knob in ("serve.keys=keys.txt", "serve.connections_at_most=8"):
        set_knob(project / "params.yaml", knob)
    make_key(project / "keys.txt", "always")
    with started(project) as (_, port):
        yield project, port


def test_ssgan_serve_asks_for_a_key_until_its_line_is_gone(guarded: tuple[Path, int], records) -> None:
    project, port = guarded
    file, body = project / "keys.txt", json.dumps(records[0])
    before = file.read_text()
    key = make_key(file, "ward-7")

    def status(**headers: str) -> int:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        link.request("POST", "/v1/predict", body, {"content-type": "application/json", **headers})
        with contextlib.closing(link):
            return link.getresponse().status

    assert status() == 401
    eventually(lambda: status(authorization=f"Bearer {key}") == 200)
    file.write_text(before)
    eventually(lambda: status(authorization=f"Bearer {key}") == 401)


def test_unless_told_otherwise_ssgan_serve_listens_on_one_address_alone(guarded: tuple[Path, int]) -> None:
    with socket.create_connection(("127.0.0.1", guarded[1]), timeout=30):
        pass
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.2", guarded[1]), timeout=30):
        pass


def test_connections_that_ask_nothing_keep_nobody_from_ssgan_serve(guarded: tuple[Path, int]) -> None:
    port = guarded[1]
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5)) for _ in range(8)]
        read(f"http://127.0.0.1:{port}/livez")
        with contextlib.suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""


def test_there_is_nobody_to_take_over_from_where_nothing_runs(project: Path, ssgan_here) -> None:
    (project / ".ssgan" / "service.json").unlink(missing_ok=True)
    code, said = ssgan_here("serve", "-C", project, "--port", free_port(), "--instead")
    assert code == 2
    assert "no service" in said


def test_a_taken_port_is_refused_in_one_sentence(cancer: tuple[Path, str], ssgan_here) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = ssgan_here("serve", "-C", cancer[0], "--port", taken.getsockname()[1])
    assert code == 2
    assert "is taken" in said


def test_the_service_needs_no_tensorflow_and_no_pandas(cancer: tuple[Path, str]) -> None:
    project, _ = cancer
    tag = Champion.read(project / "champion.json").tag.replace(":", "/")
    source = project / "bento" / "bentos" / tag / "src"
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in ("tensorflow", "keras", "prefect", "dvc", "great_expectations", "pandas", "sklearn"):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Absent())
import serving.service as service
assert str(service.__file__).startswith(sys.argv[1]), service.__file__
service.Discriminator().close()
"""
    environment = os.environ | {"BENTOML_HOME": str(project / "bento"), "PYTHONPATH": str(source)}
    environment.pop("SSGAN_MODEL_TAG", None)
    done = subprocess.run(
        [sys.executable, "-c", code, str(source)], cwd=source, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
