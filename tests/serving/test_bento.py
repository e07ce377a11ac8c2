"""A Bento goes to another machine: exported, imported, installed without TensorFlow, and it answers there.

The other machine is a folder in which the steps of `serving/Dockerfile` are done, line by line.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml
from made import on_a_free_port

from ssgan import settings
from ssgan.learn.artefact import Artefact
from ssgan.process import server
from ssgan.records import Champion
from ssgan.ship.packaged import load_packaged

MEGABYTES_AT_MOST = 400
DOCKERFILE = Path(__file__).parents[2] / "serving" / "Dockerfile"
OFFLINE = "uv pip install --offline"
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


def lacks_a_package(done: subprocess.CompletedProcess[str]) -> bool:
    """Whether an installation failed because what it needs is not on this machine; any other failure is a fault."""
    found = re.search(r"network\s+(was|connectivity\s+is)\s+disabled", done.stderr, flags=re.I)
    return done.returncode != 0 and found is not None


@dataclass(frozen=True)
class Image:
    """What the steps of our Dockerfile make in a folder that stands for the root of an image."""

    root: Path
    environment: dict[str, str]
    instructions: list[tuple[str, str]]  # of the last stage

    def inside(self, text: str) -> str:
        """A command of the Dockerfile with the folder before its paths."""
        return re.sub(r"(?<![\w.])/(app|tmp)\b", lambda path: f"{self.root}{path[0]}", text)

    def command(self, name: str, port: int) -> list[str]:
        """An instruction in its JSON form, on a port of loopback."""
        (text,) = [rest for each, rest in self.instructions if each == name]
        words: list[str] = json.loads(text[text.index("[") :])
        return [self.inside(word).replace("0.0.0.0", "127.0.0.1").replace("3000", str(port)) for word in words]

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Does a step; uv stands in for pip, as it has the packages in its cache, and asks no index."""
        command, pip = re.subn(r"^pip --python (\S+) install --no-cache-dir", rf"{OFFLINE} --python \1", command)
        environment = os.environ | {"PATH": self.environment["PATH"]} if pip else self.environment
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.root, env=environment, capture_output=True, text=True, timeout=300
        )
        if pip and lacks_a_package(done):
            pytest.skip(f"uv's cache lacks a package, `make setup` puts it there: {' '.join(done.stderr.split())}")
        return done


def stages(text: str) -> list[list[tuple[str, str]]]:
    """Instructions of a Dockerfile by stage; what comes before the first one is left out."""
    lines = [line for line in text.replace("\\\n", "").splitlines() if line and not line.startswith("#")]
    found: list[list[tuple[str, str]]] = [[]]
    for line in lines:
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found[1:]


@pytest.fixture(scope="module")
def image(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The steps of our Dockerfile, done one by one."""
    root = tmp_path_factory.mktemp("image")
    (root / "tmp").mkdir()
    build, last = stages(DOCKERFILE.read_text())
    made = Image(root, {"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "HOME": str(root)}, last)
    for name, rest in build:
        if name == "COPY":
            source, target = rest.split()
            assert source == "${BENTO}"
            shutil.copyfile(exported, made.inside(target))
        elif name == "ENV":
            made.environment.update(pair.split("=") for pair in made.inside(rest).split())
        elif name == "RUN":
            done = made.run(made.inside(rest))
            assert done.returncode == 0, f"{rest}: {done.stderr}"
    return made


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


def test_whoever_follows_the_head_of_our_dockerfile_asks_for_keys() -> None:
    runs = [line for line in DOCKERFILE.read_text().splitlines() if "docker run" in line]
    assert runs
    assert all('-e SSGAN_KEYS="$(paste -sd, mine/keys.txt)"' in line for line in runs)


def test_what_the_dockerfile_of_bentoml_copies_is_there(bento: Path) -> None:
    (stage,) = stages((bento / "env" / "docker" / "Dockerfile").read_text())
    sources = [rest.split()[-2] for name, rest in stage if name == "COPY"]
    assert sources
    assert not [source for source in sources if not (bento / source).exists()]
    assert os.access(bento / "env" / "docker" / "entrypoint.sh", os.R_OK)


@pytest.mark.parametrize(("text", "lacks"), [("onnx==1.20.0", True), ("onnx==1..20", False)])
def test_only_a_package_that_is_not_here_is_a_reason_to_skip(text: str, lacks: bool, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(text)
    command = [*OFFLINE.split(), "--only-binary", ":all:", "--target", "there", "-r", "requirements.txt"]
    environment = settings.environment() | {"UV_CACHE_DIR": str(tmp_path / "cache")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert lacks_a_package(done) == lacks, done.stderr


def test_an_exported_bento_is_whole_after_import_elsewhere(image: Image, champion: Champion) -> None:
    home = image.root / "app" / "bento"
    found = load_packaged(home / "models" / champion.tag.replace(":", "/"), champion)
    assert found.artefact.digest == champion.digest
    assert (image.root / "app" / "tag").read_text().strip() == champion.tag


def test_the_image_is_small_and_has_nothing_for_training(image: Image) -> None:
    packages = next((image.root / "app" / "venv" / "lib").glob("python*")) / "site-packages"
    size = sum(path.lstat().st_size for path in packages.rglob("*") if path.is_file())
    assert size / 2**20 < MEGABYTES_AT_MOST
    assert not [name for name in NOT_NEEDED if (packages / name).exists()]


def test_the_image_keeps_all_that_it_runs_in_what_its_last_stage_copies(image: Image) -> None:
    copied = [rest.split()[-1] for name, rest in image.instructions if name == "COPY"]
    home = next(rest for name, rest in image.instructions if name == "ENV" and "BENTOML_HOME" in rest)
    text = " ".join([*image.command("CMD", 3000), home]).replace(str(image.root), "")
    used = re.findall(r"(?<![\w.])/(?:app|tmp)[\w/]*", text)
    assert used
    assert not [path for path in used if not any(path.startswith(folder) for folder in copied)]


def test_the_image_serves_the_bits_of_the_artefact_and_its_health_check_tells(
    image: Image, champion: Champion, cancer: tuple[Path, str], tmp_path: Path
) -> None:
    artefact = Artefact.load(cancer[0] / champion.model)
    rows = pd.read_parquet(cancer[0] / "data" / "prepared" / "test.parquet").head(1)
    record = {name: float(rows[name].iloc[0]) for name in artefact.contract.features}

    @contextlib.contextmanager
    def started(port: int) -> Iterator[tuple[str, list[str]]]:
        url, check = f"http://127.0.0.1:{port}", image.command("HEALTHCHECK", port)
        assert subprocess.run(check, capture_output=True, env=image.environment).returncode != 0
        with server(image.command("CMD", port), url, f"{url}/readyz", tmp_path / "log", image.environment) as running:
            running.wait()
            yield url, check

    with on_a_free_port(started) as (url, check):
        assert subprocess.run(check, capture_output=True, env=image.environment).returncode == 0
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/v1/predict", json.dumps(record).encode(), headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            said = json.load(answer)
    expected = artefact.predict_records([record])
    assert said["label"] == expected.answer[0]
    assert list(said["probabilities"].values()) == expected.probabilities[0].tolist()
    assert said["fake_probability"] == expected.fake_probability[0]
