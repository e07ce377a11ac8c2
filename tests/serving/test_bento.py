"""A Bento goes to another machine: exported, imported, installed without TensorFlow, and it answers there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
import yaml

from ssgan import settings
from ssgan.learn.artefact import Artefact
from ssgan.process import free_port, server
from ssgan.records import Champion
from ssgan.ship.packaged import load_packaged

MEGABYTES_AT_MOST = 400
DOCKERFILE = Path(__file__).parents[2] / "serving" / "Dockerfile"
NOT_NEEDED = ("tensorflow", "keras", "jax", "prefect", "dvc", "great_expectations", "pandas", "sklearn", "tf2onnx")


def tool(*command: object, home: Path, where: Path) -> subprocess.CompletedProcess[str]:
    """A command with BentoML's store at `home`."""
    environment = settings.environment() | {"BENTOML_HOME": str(home)}
    return subprocess.run(
        list(map(str, command)), cwd=where, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def champion(cancer: tuple[Path, str]) -> Champion:
    """Of the finished demo."""
    return Champion.read(cancer[0] / "champion.json")


@pytest.fixture(scope="module")
def bento(cancer: tuple[Path, str], champion: Champion) -> Path:
    """The champion's Bento in the store."""
    return cancer[0] / "bento" / "bentos" / champion.tag.replace(":", "/")


@pytest.fixture(scope="module")
def exported(cancer: tuple[Path, str], champion: Champion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Bento as one file, with its model."""
    file = tmp_path_factory.mktemp("exported") / "cancer.bento"
    home = cancer[0] / "bento"
    done = tool(sys.executable, "-m", "bentoml", "export", champion.tag, file, home=home, where=file.parent)
    assert done.returncode == 0, done.stderr
    return file


@pytest.fixture(scope="module")
def fresh(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has what the Bento asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    with tarfile.open(exported) as archive:
        (name,) = [each for each in archive.getnames() if each.endswith("env/python/requirements.txt")]
        file = archive.extractfile(name)
        assert file is not None
        (folder / "requirements.txt").write_bytes(file.read())
    uv = Path(sys.executable).with_name("uv")
    assert subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"]).returncode == 0
    python = folder / "venv" / "bin" / "python"
    install = [uv, "pip", "install", "--quiet", "--only-binary", ":all:", "--python", python]
    install += ["-r", folder / "requirements.txt"]
    tried = [subprocess.run([*install, *how], capture_output=True, text=True) for how in (["--offline"],)]
    if tried[0].returncode:
        tried.append(subprocess.run(install, capture_output=True, text=True))
    if tried[-1].returncode:
        pytest.skip(f"neither uv's cache nor an index has the packages: {tried[-1].stderr.splitlines()[-1]}")
    return python


@pytest.fixture(scope="module")
def elsewhere(fresh: Path, exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store on another machine, so to speak, into which that environment has imported the Bento."""
    home = tmp_path_factory.mktemp("elsewhere") / "home"
    home.mkdir()
    done = tool(fresh, "-m", "bentoml", "import", exported, home=home, where=home.parent)
    assert done.returncode == 0, done.stderr
    return home


def test_bento_and_model_are_labelled_with_data_version_commit_and_verdict(bento: Path, champion: Champion) -> None:
    lineage = champion.lineage
    expected = {"data_version": lineage.data_version, "git_commit": lineage.git_commit, "gate": lineage.gate}
    model = bento.parents[2] / "models" / champion.tag.replace(":", "/")
    assert yaml.safe_load((bento / "bento.yaml").read_text())["labels"] == expected
    assert yaml.safe_load((model / "model.yaml").read_text())["labels"] == expected


def test_the_bento_pins_every_package_and_names_no_index(bento: Path) -> None:
    lines = (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^\s;@]+", line) for line in lines)
    assert len(lines) > 40
    assert not [line for line in lines if line.partition("==")[0].replace("-", "_") in NOT_NEEDED]


def test_the_dockerfile_that_bentoml_writes_runs_as_a_user_of_its_own_from_those_pins(bento: Path) -> None:
    text = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert f"FROM python:{sys.version_info[0]}.{sys.version_info[1]}-slim" in text
    assert "env/python/requirements.txt" in text
    assert re.search(r"^USER bentoml$", text, flags=re.M)
    assert re.findall(r"https?://\S+", text) == []
    assert "index" not in text


def test_our_dockerfile_needs_no_compiler_and_no_root() -> None:
    text = DOCKERFILE.read_text()
    instructions = [line for line in text.splitlines() if line and not line.startswith(("#", " "))]
    assert not [line for line in instructions if "apt-get" in line or "build-essential" in line]
    assert [line for line in instructions if "--only-binary :all:" in line]
    assert instructions.index("USER service") < [line[:3] for line in instructions].index("CMD")
    assert {line.split()[0] for line in instructions} <= {
        *("ARG", "FROM", "COPY", "ENV", "RUN", "USER", "WORKDIR", "EXPOSE", "HEALTHCHECK", "CMD")
    }


def test_an_exported_bento_is_whole_after_import_elsewhere(elsewhere: Path, champion: Champion) -> None:
    found = load_packaged(elsewhere / "models" / champion.tag.replace(":", "/"), champion)
    assert found.artefact.digest == champion.digest


def test_the_environment_of_the_service_is_small_and_has_nothing_for_training(fresh: Path) -> None:
    packages = next((fresh.parents[1] / "lib").glob("python*")) / "site-packages"
    size = sum(path.lstat().st_size for path in packages.rglob("*") if path.is_file())
    assert size / 2**20 < MEGABYTES_AT_MOST
    assert not [name for name in NOT_NEEDED if (packages / name).exists()]


def test_it_serves_from_there_with_the_bits_of_the_artefact(
    fresh: Path, elsewhere: Path, champion: Champion, cancer: tuple[Path, str], tmp_path: Path
) -> None:
    artefact = Artefact.load(cancer[0] / champion.model)
    rows = pd.read_parquet(cancer[0] / "data" / "prepared" / "test.parquet").head(1)
    record = {name: float(rows[name].iloc[0]) for name in artefact.contract.features}
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [fresh, "-m", "bentoml", "serve", champion.tag, "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "BENTOML_HOME": str(elsewhere),
        "HOME": str(tmp_path),
        "PATH": os.defpath,
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with server(list(map(str, command)), url, f"{url}/readyz", tmp_path / "log", environment) as running:
        running.wait()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/v1/predict", json.dumps(record).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.load(answer)
    expected = artefact.predict_records([record])
    assert said["label"] == expected.answer[0]
    assert list(said["probabilities"].values()) == expected.probabilities[0].tolist()
    assert said["fake_probability"] == expected.fake_probability[0]
