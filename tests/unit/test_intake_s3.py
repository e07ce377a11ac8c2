"""Versions whose remote is S3, through a real HTTP server on the loopback address."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from begun import begun

from ssgan.errors import ToolError, UserError
from ssgan.intake import version
from ssgan.intake.ingest import ingest
from ssgan.process import HOST, free_port, server
from ssgan.project import Project
from ssgan.settings import environment

ABSENT = [name for name in ("moto", "flask", "dvc_s3") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"needs the extra s3 and moto[server]: {', '.join(ABSENT)} absent")

TRIES = 3  # ports

CONTRACT = """
name: t
task: classification
id: id
label: {column: y, classes: [ill, well]}
columns: {a: {type: number, min: -10, max: 10}}
rules: {labelled_at_least: 4, joint_drift_auc_at_most: null}
"""


def frame(rows, seed):
    rng = np.random.default_rng(seed)
    columns = {"a": rng.normal(0, 1, rows), "y": rng.choice(["ill", "well"], rows)}
    return pd.DataFrame({"id": [f"{seed}-{row}" for row in range(rows)], **columns})


def git(project, *args):
    subprocess.run(["git", *args], cwd=project.root, capture_output=True, check=True)


@contextlib.contextmanager
def object_store(log: Path, ports: Sequence[int] = ()) -> Iterator[str]:
    """The URL of a server that answers; another program may take a port between its choice and the server's start."""
    for port in ports or (free_port() for _ in range(TRIES)):
        url = f"http://{HOST}:{port}"
        command = [sys.executable, "-c", "from moto.server import main; main()", "-H", HOST, "-p", str(port)]
        with server(command, url, f"{url}/moto-api/", log, environment()) as store:
            try:
                store.wait()
            except ToolError as error:
                failure = error
                continue
            yield url
            return
    raise failure


def test_a_port_that_was_taken_in_between_is_left_to_whoever_has_it(tmp_path):
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        taken = other.getsockname()[1]
        with object_store(tmp_path / "s3.log", (taken, free_port(), free_port())) as url:
            assert not url.endswith(f":{taken}")
        with pytest.raises(ToolError, match="ended by itself"), object_store(tmp_path / "s3.log", (taken,)):
            pass


def test_versions_go_to_s3_and_come_back_and_an_absent_server_is_said(tmp_path, monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    project = begun(tmp_path / "project", CONTRACT, "s3://bucket/data")
    files = [project.incoming / f"{seed}.csv" for seed in (1, 2)]
    for seed, file in enumerate(files, 1):
        frame(60, seed).to_csv(file, index=False)

    with object_store(tmp_path / "s3.log") as url:
        version.run_dvc(project, "remote", "modify", "--quiet", "store", "endpointurl", url)
        git(project, "commit", "--all", "--message", "Name the server")
        import boto3

        boto3.client("s3", endpoint_url=url).create_bucket(Bucket="bucket")
        assert ingest(project, files[0]).rows_accepted == 60
        subprocess.run(["git", "clone", "--quiet", str(project.root), str(tmp_path / "clone")], check=True)
        clone = Project(tmp_path / "clone")
        version.run_dvc(clone, "pull", "--quiet")
        (name,) = (path.name for path in project.accepted.iterdir())
        assert (clone.accepted / name).read_bytes() == (project.accepted / name).read_bytes()
        kept = shutil.copytree(project.root, tmp_path / "copy", symlinks=True)

    away = Project(kept)
    with pytest.raises(UserError, match="the DVC remote does not answer") as caught:
        ingest(away, files[1])
    assert "\n" not in str(caught.value)
    assert version.current_version(away).name == "data-1"
