"""A small project ready to be judged: real files in every place, with a linear model in place of a trained one."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from ssgan.config import set_knob
from ssgan.contract import GROUP, ROW_ID, Contract
from ssgan.learn import training_rows
from ssgan.learn.artefact import write_checksums
from ssgan.learn.encode import Encoder
from ssgan.learn.prepare import frame_columns, is_labelled, labels
from ssgan.learn.training_rows import TrainingRows
from ssgan.project import Project
from ssgan.records import RunRecord, Split

TEMPLATES = Path(__file__).parents[2]
CENTRES = np.array([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.5]])
FEATURES = {"a": {"type": "number"}, "b": {"type": "number"}}


def make_project(
    root: Path,
    classes: Sequence[str] = ("red", "green", "blue"),
    train: int = 120,
    labelled: int = 30,
    test: int = 90,
    good: float = 3.0,
    twin: float = 2.0,
    folds: int = 0,
) -> Project:
    """Classes around three centres; no classes means values along a line.

    Args:
        root: an empty folder.
        classes: names, or none for a regression.
        train: training rows.
        labelled: how many of them have a label.
        test: test rows; the last ten have no label.
        good: how much the SSGAN's weights tell; 0 makes it useless, a negative number worse than that.
        twin: the same for the twin.
        folds: of crossfit; 0: the labelled test rows judge.
    """
    project = Project(root)
    (root / "data").mkdir(parents=True)
    shutil.copy(TEMPLATES / "params.yaml", project.params)
    shutil.copy(TEMPLATES / "dvc.yaml", project.stages)
    set_knob(project.params, "evaluate.curve=[]")
    label: dict[str, object] = {"column": "y", "classes": list(classes)} if classes else {"column": "y", "unit": "mm"}
    task = "classification" if classes else "regression"
    contract = Contract.model_validate({"name": "toy", "task": task, "label": label, "columns": FEATURES})
    project.contract.write_text(contract.model_dump_json(), encoding="utf-8")
    known, held_out = make_frame(contract, train, labelled, seed=0), make_frame(contract, test, test - 10, seed=1)
    write_prepared(project, contract, known, held_out, folds)
    write_model(project, project.model, good)
    write_model(project, project.twin, twin)
    write_folds(project, {"ssgan": good, "twin": twin})
    write_fakes(project)
    return project


def write_fakes(project: Project) -> None:
    """The sample of fakes that `train` keeps: here rows with shuffled columns."""
    x = TrainingRows.read(project.prepared).x
    project.fakes.parent.mkdir(parents=True, exist_ok=True)
    np.savez(project.fakes, x=np.random.default_rng(2).permuted(x, axis=0))


def make_frame(contract: Contract, rows: int, labelled: int, seed: int) -> pd.DataFrame:
    """Rows as intake accepts them; the first have labels."""
    generator = np.random.default_rng(seed)
    size = max(1, len(contract.classes))
    group = np.arange(rows) % size
    x = CENTRES[group] + generator.normal(0, 1.2, size=(rows, 2))
    y: list[object] = [contract.classes[g] for g in group] if contract.classes else (100 + 10 * x[:, 0]).tolist()
    y[labelled:] = [None if contract.classes else np.nan] * (rows - labelled)
    ids = [f"{seed}-{row}" for row in range(rows)]
    return pd.DataFrame({ROW_ID: ids, GROUP: ids, "a": x[:, 0], "b": x[:, 1], "y": y})


def write_prepared(
    project: Project, contract: Contract, train: pd.DataFrame, test: pd.DataFrame, folds: int = 0
) -> None:
    """What `prepare` leaves."""
    project.prepared.mkdir(parents=True, exist_ok=True)
    columns = frame_columns(train, contract)
    encoder = Encoder.fit(columns, contract)
    y = labels(train, contract)
    known = is_labelled(y)
    fold = np.full(len(y), -1)
    fold[known] = np.arange(known.sum()) // max(1, len(contract.classes)) % max(1, folds)
    judged = (train if folds else test)[is_labelled(labels(train if folds else test, contract))]
    training_rows.write(project.prepared, encoder, columns, y, fold, train[ROW_ID].to_numpy(str))
    strange = frame_columns(test, contract) | {"a": np.full(len(test), 40.0)}
    np.savez(project.prepared / "quarantined.npz", x=encoder.encode_columns(strange)[:5])
    test.to_parquet(project.prepared / "test.parquet", index=False)
    judged.reset_index(drop=True).to_parquet(project.prepared / "judged.parquet", index=False)
    split = Split(method="crossfit" if folds else "holdout", folds=folds, judged=len(judged))
    split.write(project.prepared / "split.json")
    (project.prepared / "encoder.json").write_text(encoder.to_json(), encoding="utf-8")
    (project.prepared / "schema.json").write_text(contract.model_dump_json(), encoding="utf-8")


def write_folds(project: Project, models: Mapping[str, float], curve: bool = False) -> None:
    """What `train` keeps of the folds: every fold's model is the same linear one."""
    rows = TrainingRows.read(project.prepared)
    x, y, fold = rows.x, rows.y, rows.fold
    contract = Contract.model_validate_json((project.prepared / "schema.json").read_text(encoding="utf-8"))
    known = is_labelled(y)
    kept: dict[str, np.ndarray] = {"fold": fold[known], "pool_rows": np.flatnonzero(~known)}
    kept["curve_labels"] = np.array([known.sum() // 2] if curve else [], int)
    for name, good in models.items():
        task = (x @ weights_of(contract, good)).astype(np.float32)
        kept[f"{name}_task"], kept[f"{name}_realness"] = task[known], task[known].max(axis=1, keepdims=True)
        if name == "ssgan":
            kept["ssgan_pool"] = np.stack([task[~known]] * max(1, fold.max() + 1))
        if curve:
            kept[f"{name}_curve"] = task[known][None]
    project.trained.mkdir(parents=True, exist_ok=True)
    np.savez(project.trained / "folds.npz", **kept)  # type: ignore[arg-type]


def weights_of(contract: Contract, good: float) -> np.ndarray:
    """Logits towards each centre, or a value that 3.0 makes the best."""
    classes = len(contract.classes)
    weights: np.ndarray = good * (CENTRES[:classes].T if classes else np.array([[1 / 3], [0.0]]))
    return weights


def write_model(project: Project, folder: Path, good: float, parity: float = 1e-7) -> None:
    """An artefact whose graph is one linear layer."""
    contract = Contract.model_validate_json((project.prepared / "schema.json").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    graph_of(weights_of(contract, good).astype(np.float32), folder / "model.onnx")
    shutil.copy(project.prepared / "encoder.json", folder)
    shutil.copy(project.prepared / "schema.json", folder)
    x = np.zeros((2, 2), np.float32)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    found, realness = session.run(["task", "realness"], {"x": x})
    np.savez(folder / "probe.npz", x=x, task=found, realness=realness)
    run = RunRecord(
        task=contract.task,
        backend="tensorflow",
        precision="float32",
        seed=0,
        data_hash=training_rows.digest(project.prepared),
        rows=120,
        labelled=30,
        fakes="generator",
        knobs={"steps": 10, "gan_weight": good},
        parity=parity,
    )
    run.write(folder / "run.json")
    lines = [f"{step},{1 / (step + 1)},0.7,0,0,0,0,{0.1 * step}" for step in range(10)]
    (folder / "history.csv").write_text(
        "step,supervised,real_fake,consistency,entropy,manifold,teacher,generator\n" + "\n".join(lines) + "\n"
    )
    write_checksums(folder)


def graph_of(weights: np.ndarray, path: Path) -> None:
    """x [n, 2] -> task = x @ weights; realness = log-sum-exp of it; features = x."""
    width = weights.shape[1]
    nodes = [
        helper.make_node("MatMul", ["x", "weights"], ["task"]),
        helper.make_node("ReduceLogSumExp", ["task", "axes"], ["realness"], keepdims=1),
        helper.make_node("Identity", ["x"], ["features"]),
    ]
    stored = [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(np.array([1], np.int64), "axes")]
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(weights)])],
        [
            helper.make_tensor_value_info("task", TensorProto.FLOAT, ["n", width]),
            helper.make_tensor_value_info("realness", TensorProto.FLOAT, ["n", 1]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", len(weights)]),
        ],
        initializer=stored,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {"value_mean": "120.0", "value_scale": "12.0"})
    onnx.save(model, path)


def name_a_group(project: Project) -> None:
    """Has the contract of the prepared rows name a group, as a user does whose rows belong together."""
    schema = project.prepared / "schema.json"
    contract = Contract.model_validate_json(schema.read_text(encoding="utf-8"))
    named = contract.model_copy(update={"group": "patient"})
    schema.write_text(named.model_dump_json(indent=1) + "\n", encoding="utf-8")
