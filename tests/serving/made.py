"""Projects with small packaged models, made in a moment: real artefacts with a linear graph."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnxruntime
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from serving.desk import Desk
from serving.front import Front
from ssgan.config import ServeParams
from ssgan.contract import Contract
from ssgan.errors import PortError, ToolError
from ssgan.learn.artefact import write_checksums
from ssgan.learn.encode import Encoder
from ssgan.learn.parts import encode_image
from ssgan.process import free_port
from ssgan.project import Project
from ssgan.records import Calibration, Lineage, RunRecord
from ssgan.ship.champion import model_folder, promote
from ssgan.ship.packaged import seal

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "unit"))
from judged import graph_of  # noqa: E402

COLUMNS: dict[str, object] = {
    "age": {"type": "number", "unit": "years", "min": 0, "max": 120, "integer": True},
    "blood pressure": {"type": "number", "min": 40, "max": 300, "nullable": True},
    "ward": {"type": "category", "values": ["north", "south, upper"], "nullable": True},
}
LABEL: dict[str, object] = {"column": "state", "classes": ["ill", "well"]}
VALUE: dict[str, object] = {"column": "level", "unit": "mm"}
IMAGE: dict[str, object] = {"scan": {"type": "image", "height": 8, "width": 8, "channels": 1}}
GOOD: dict[str, object] = {"age": 61, "blood pressure": 140.5, "ward": "north"}
PORTS = 5  # that are tried

_Started = TypeVar("_Started")


def make_project(root: Path) -> Project:
    """A directory with the knobs and a git repository, but no model yet."""
    project = Project(root)
    (root / "data").mkdir(parents=True)
    for name in ("params.yaml", "dvc.yaml", "data/contract.yaml"):
        shutil.copy(ROOT / name, root / name)
    who = ["-c", "user.name=tests", "-c", "user.email=tests@localhost"]
    for command in (["init", "--quiet"], [*who, "commit", "--quiet", "--allow-empty", "-m", "start"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    for name, value in (("user.name", "tests"), ("user.email", "tests@localhost")):
        subprocess.run(["git", "config", name, value], cwd=root, check=True)
    return project


def add_model(
    project: Project,
    seed: int = 0,
    columns: dict[str, object] | None = None,
    label: dict[str, object] | None = None,
    calibration: Calibration | None = None,
    **more: object,
) -> str:
    """Packages another model; the seed gives it its weights. Returns its tag."""
    label = label or LABEL
    task = "classification" if "classes" in label else "regression"
    about = {"name": "toy", "task": task, "label": label, "columns": columns or COLUMNS, **more}
    contract = Contract.model_validate(about)
    made = project.root / "making"
    made.mkdir()
    write_artefact(made, contract, seed, calibration or Calibration(rows=90, coverage=0.9, thresholds=(0.6, 0.6)))
    digest = write_checksums(made)
    tag = f"ssgan-toy:{digest[:12]}"
    folder = model_folder(project, tag)
    folder.parent.mkdir(parents=True, exist_ok=True)
    made.rename(folder)
    lineage = Lineage(
        model=tag, digest=digest, data_version=f"data-{seed}", data_hash="0" * 64, git_commit="c" * 40, gate="promote"
    )
    seal(folder, lineage, folder / "no card")
    return tag


def write_artefact(folder: Path, contract: Contract, seed: int, calibration: Calibration) -> None:
    """All files of an artefact but its checksums."""
    generator = np.random.default_rng(seed)
    encoder = Encoder.fit(_columns(contract, generator), contract)
    outputs = len(contract.classes) or 1
    graph_of(generator.normal(0, 1, (encoder.width, outputs)).astype(np.float32), folder / "model.onnx")
    if contract.image is not None:
        _flatten_first(folder / "model.onnx", encoder.shape)
    (folder / "encoder.json").write_text(encoder.to_json(), encoding="utf-8")
    (folder / "schema.json").write_text(contract.model_dump_json(), encoding="utf-8")
    x = generator.normal(0, 1, (4, *encoder.shape)).astype(np.float32)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    task, realness = session.run(["task", "realness"], {"x": x})
    np.savez(folder / "probe.npz", x=x, task=task, realness=realness)
    run = RunRecord(
        **{"task": contract.task, "backend": "tensorflow", "precision": "float32", "seed": seed, "data_hash": "0" * 64},
        **{"rows": 90, "labelled": 30, "fakes": "none", "knobs": {}, "parity": 0.0},
    )
    run.write(folder / "run.json")
    calibration.write(folder / "calibration.json")


def _columns(contract: Contract, generator: np.random.Generator) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, column in contract.features.items():
        if column.type == "number":
            columns[name] = generator.uniform(column.min or 0, column.max or 100, 90)
        elif column.type == "category":
            columns[name] = generator.choice(np.array(column.values, object), 90)
        else:
            pixels = generator.integers(0, 255, (90, column.height, column.width, column.channels), dtype=np.uint8)
            columns[name] = np.array([encode_image(each) for each in pixels], object)
    return columns


def _flatten_first(path: Path, shape: tuple[int, ...]) -> None:
    """Puts a layer before the graph that takes images."""
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(path)
    graph = model.graph
    for node in graph.node:
        node.input[:] = ["flat" if name == "x" else name for name in node.input]
    graph.node.insert(0, helper.make_node("Flatten", ["x"], ["flat"], axis=1))
    graph.input[0].CopyFrom(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape]))
    onnx.save(model, path)


async def bentoml(scope: Scope, receive: Receive, send: Send) -> None:
    """What stands behind the door in these tests: it says that it was reached."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"behind the door"})


@contextmanager
def served(
    project: Project, tag: str, follow: bool = True, own: str | None = None, **knobs: object
) -> Iterator[tuple[TestClient, Desk]]:
    """The service of a project in this process, without BentoML around it; `own`: the Bento's model, if another."""
    if follow:
        promote(project, tag)
    desk = Desk(ServeParams.model_validate(knobs), project.root if follow else None, project.root / "log")
    desk.open(model_folder(project, own or tag))
    try:
        with TestClient(Front(bentoml, desk), raise_server_exceptions=False) as client:
            yield client, desk
    finally:
        desk.close()


@contextmanager
def on_a_free_port(start: Callable[[int], AbstractContextManager[_Started]]) -> Iterator[_Started]:
    """A server on a port that is free; on another one where somebody is given it before the server listens."""
    with ExitStack() as stack:
        for left in reversed(range(PORTS)):
            try:
                started = stack.enter_context(start(free_port()))
                break
            except (PortError, ToolError) as error:
                if not left or not (isinstance(error, PortError) or "already in use" in str(error)):
                    raise
        yield started


def eventually(holds: Callable[[], bool], patience: float = 20.0) -> None:
    """Waits for a condition."""
    deadline = time.monotonic() + patience
    pause = threading.Event()
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        pause.wait(0.02)
