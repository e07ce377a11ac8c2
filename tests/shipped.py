"""A project with a champion in its store, made in a moment: a real graph with drawn weights, sealed and promoted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from ssgan.contract import Contract
from ssgan.learn.artefact import LOG_SUM, open_session, write_checksums
from ssgan.learn.encode import Encoder
from ssgan.learn.prepare import frame_columns
from ssgan.learn.ranges import Seen
from ssgan.project import Project
from ssgan.records import Calibration, Lineage, RunRecord
from ssgan.ship.champion import model_folder, promote
from ssgan.ship.packaged import seal

TEMPLATES = Path(__file__).parents[1]
CLASSES = ("low", "middle", "high")
COLUMNS = {
    "age": {"type": "number", "min": 0, "max": 120, "integer": True},
    "pressure": {"type": "number", "min": -50, "max": 300, "nullable": True},
    "dose": {"type": "number"},
    "ward": {"type": "category", "values": ["north", "south", "7"], "nullable": True},
    "sex": {"type": "category", "values": ["f", "m"]},
}
WIDTH = 24  # of the hidden layer


def contract_of(task: str, severity: Mapping[str, str] = MappingProxyType({})) -> Contract:
    """Three numbers and two words; three classes or a value."""
    label = {"column": "y", "classes": CLASSES} if task == "classification" else {"column": "y"}
    about = {"name": "toy", "task": task, "id": "id", "label": label, "columns": COLUMNS, "severity": {**severity}}
    return Contract.model_validate(about)


def frame(rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows that keep the contract; some have no pressure or ward."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"R{row}" for row in range(rows)],
            "age": rng.integers(0, 100, rows),
            "pressure": np.where(rng.random(rows) < 0.2, np.nan, rng.normal(100, 30, rows).clip(-50, 300)),
            "dose": rng.lognormal(0, 2, rows),
            "ward": rng.choice(np.array(["north", "south", "7", None], object), rows),
            "sex": rng.choice(["f", "m"], rows),
        }
    )


def make_shipped(
    root: Path, task: str = "classification", seed: int = 0, severity: Mapping[str, str] = MappingProxyType({})
) -> Project:
    """A project whose champion has drawn weights and is calibrated."""
    project = Project(root)
    (root / "data").mkdir(parents=True)
    shutil.copy(TEMPLATES / "params.yaml", project.params)
    shutil.copy(TEMPLATES / "dvc.yaml", project.stages)
    contract = contract_of(task, severity)
    project.contract.write_text(contract.model_dump_json(), encoding="utf-8")
    promote(project, package_drawn(project, contract, seed))
    return project


def package_drawn(project: Project, contract: Contract, seed: int) -> str:
    """Puts a model into the store; its tag."""
    fresh = project.root / "fresh"
    fresh.mkdir()
    columns = frame_columns(frame(500), contract)
    encoder = Encoder.fit(columns, contract)
    (fresh / "encoder.json").write_text(encoder.to_json(), encoding="utf-8")
    (fresh / "schema.json").write_text(contract.model_dump_json(), encoding="utf-8")
    write_graph(fresh / "model.onnx", encoder.width, len(contract.classes), seed)
    x = encoder.encode_columns(columns)[:32]
    task, realness = open_session(fresh / "model.onnx").run(["task", "realness"], {"x": x})
    np.savez(fresh / "probe.npz", x=x, task=task, realness=realness)
    calibrated = {"temperature": 1.7, "offsets": (0.1, -0.2, 0.1), "thresholds": (0.6, 0.7, 0.8)}
    settings = calibrated if contract.classes else {"half_width": 3.25}
    ranges, _ = Seen.fit(columns, contract.features).limits(0.0)
    Calibration(rows=40, coverage=0.9, fake_limit=0.4, ranges=ranges, **settings).write(fresh / "calibration.json")
    _run(contract).write(fresh / "run.json")
    digest = write_checksums(fresh)
    tag = f"ssgan-toy:{digest[:12]}"
    lineage = Lineage(
        model=tag, digest=digest, data_version="data-1", data_hash="0" * 64, git_commit="c" * 40, gate="promote"
    )
    project.card.parent.mkdir(exist_ok=True)
    project.card.write_text("# What it is good for\n", encoding="utf-8")
    seal(fresh, lineage, project.card)
    folder = model_folder(project, tag)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh.rename(folder)
    return tag


def write_graph(path: Path, inputs: int, classes: int, seed: int) -> None:
    """x -> hidden layer -> task, realness."""
    rng = np.random.default_rng(seed)
    outputs = classes or 2
    weights = {
        "first": rng.normal(0, 1, (inputs, WIDTH)),
        "second": rng.normal(0, 0.5, (WIDTH, outputs)),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["h"]),
        helper.make_node("LeakyRelu", ["h"], ["a"], alpha=0.2),
    ]
    if classes:
        nodes.append(helper.make_node("MatMul", ["a", "second"], ["task"]))
        nodes.append(helper.make_node("ReduceLogSumExp", ["task", "axes"], ["realness"], keepdims=1))
    else:
        nodes.append(helper.make_node("MatMul", ["a", "second"], ["both"]))
        nodes.append(helper.make_node("Split", ["both"], ["task", "realness"], axis=1, num_outputs=2))
    stored = [numpy_helper.from_array(each.astype(np.float32), name) for name, each in weights.items()]
    if classes:
        stored.append(numpy_helper.from_array(np.array([1], np.int64), "axes"))
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("x", inputs), ("task", classes or 1), ("realness", 1))
    ]
    graph = helper.make_graph(nodes, "drawn", values[:1], values[1:], initializer=stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, LOG_SUM if classes else {"value_mean": "120.0", "value_scale": "12.0"})
    onnx.save(model, path)


def _run(contract: Contract) -> RunRecord:
    return RunRecord(
        task=contract.task,
        backend="tensorflow",
        precision="float32",
        seed=0,
        data_hash="0" * 64,
        rows=500,
        labelled=40,
        fakes="none",
        knobs={},
        parity=0.0,
    )
