"""The discriminator leaves Keras: an ONNX graph with named outputs, checked at once against the network.

Keras writes ONNX from TensorFlow. A network that ran on JAX, or in less than float32, is therefore built again, from
the same knobs and with its weights, by TensorFlow in a process of its own (`python -m ssgan.learn.export FOLDER`).
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ssgan.contract import Contract
from ssgan.errors import SsganError
from ssgan.learn import backend, heads
from ssgan.learn.artefact import ALONE, DISAGREEMENT, FEATURES, TOLERANCE, open_session, write_checksums
from ssgan.learn.backend import keras, predictor, quiet
from ssgan.learn.committee import Committee, join
from ssgan.learn.encode import Encoder
from ssgan.learn.fit import Fitted
from ssgan.learn.heads import Head
from ssgan.learn.networks import discriminator as build
from ssgan.learn.networks import fold
from ssgan.learn.terms import REPORTED
from ssgan.learn.training_rows import evenly
from ssgan.records import RunRecord

PROBE_ROWS = 32
OUTPUTS = ("task", "realness")


@dataclass(frozen=True)
class _Nets:
    """The knobs that a network is built from."""

    hidden: tuple[int, ...]
    members: int
    weight_norm: bool
    noise: float
    networks: str | None
    embedding: Literal["piecewise", "periodic", "none"]


def write_artefact(
    folder: Path,
    fitted: Fitted,
    encoder: Encoder,
    contract: Contract,
    x: np.ndarray,
    record: RunRecord,
    committee: Committee | None = None,
    more: Mapping[str, str] | None = None,
) -> str:
    """Writes a trained discriminator with all that is needed to ask it, and returns the artefact's digest.

    Args:
        folder: new or empty.
        fitted: what was trained.
        encoder: that made x.
        contract: of the data.
        x: encoded training rows.
        record: `run.json`, but for its parity.
        committee: that joins the discriminator.
        more: further files, text by name.

    Raises:
        SsganError: if ONNX Runtime's answers differ from the network's by more than the tolerance.
    """
    texts = {
        "encoder.json": encoder.to_json(),
        "schema.json": contract.model_dump_json(indent=1) + "\n",
        "history.csv": _history_csv(fitted.history),
        **(more or {}),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return export(folder, fitted.discriminator, fitted.head, x, record, committee)


def _history_csv(history: np.ndarray) -> str:
    lines = [",".join(("step", *REPORTED))]
    lines += [",".join((str(int(line[0])), *(f"{loss:.6g}" for loss in line[1:]))) for line in history]
    return "\n".join(lines) + "\n"


def export(
    folder: Path, discriminator: Any, head: Head, x: np.ndarray, record: RunRecord, committee: Committee | None = None
) -> str:
    """Adds graph, probe, run record and checksums to an artefact's folder.

    Args:
        folder: already holds encoder.json, schema.json and history.csv.
        discriminator: Keras model x -> [features, outputs]; its noise and its generator stay behind.
        head: splits the outputs into `task` and `realness`.
        x: encoded training rows, some of which become the probe.
        record: `run.json`, but for its parity; its knobs say how the discriminator was built.
        committee: joins the graph, whose `task` is then its answer, beside the discriminator's own.

    Returns:
        The artefact's digest.

    Raises:
        SsganError: if ONNX Runtime's answers differ from the network's by more than the tolerance.
    """
    probe = evenly(x, PROBE_ROWS)
    path = folder / "model.onnx"
    if backend.name == "tensorflow" and record.precision == "float32":
        model = answering(discriminator, head)
        write_onnx(path, model, head.metadata)
        expected = _named(model, probe)
    else:
        rebuilt = _export_elsewhere(folder, discriminator, head, probe, record)
        expected = _named(answering(discriminator, head), probe) if record.precision == "float32" else rebuilt
    if committee is not None:
        _add(path, committee)
        expected |= {"task": committee.task(expected["task"], probe), ALONE: expected["task"]}
    got = dict(zip(expected, open_session(path).run(list(expected), {"x": probe}), strict=True))
    parity = max(float(np.abs(got[name] - expected[name]).max()) for name in expected)
    if not parity <= TOLERANCE:
        raise SsganError(
            f"the exported model must answer as the network does, to within {TOLERANCE}; it is off by {parity:.2g}: "
            "nothing was replaced; please report this with the contract"
        )
    with (folder / "probe.npz").open("wb") as handle:
        np.savez(handle, x=probe, **got)
    record.model_copy(update={"parity": parity}).write(folder / "run.json")
    return write_checksums(folder)


def answering(discriminator: Any, head: Head) -> Any:
    """A discriminator, weight norm folded and members pooled, as a Keras model x -> task, realness, features.

    With several members also their disagreement.
    """
    plain = fold(discriminator)
    of_members = plain.outputs[1]
    outputs = head.pooled(of_members)
    graph = {"task": head.task(outputs), "realness": head.realness(outputs), FEATURES: plain.outputs[0]}
    if len(of_members.shape) == 3:
        graph[DISAGREEMENT] = head.disagreement(of_members)[:, None]
    return keras.Model(plain.inputs, graph, name="exported")


def write_onnx(path: Path, model: Any, metadata: Mapping[str, str]) -> None:
    """Exports a Keras model on TensorFlow; equal weights give equal bytes, in any process.

    Args:
        path: of the file.
        model: input `x`, outputs by name.
        metadata: put into the graph's metadata.
    """
    import onnx

    predictor(model)(np.zeros((1, *model.inputs[0].shape[1:]), np.float32))  # Keras exports what was called before
    with _hushed():
        model.export(str(path), format="onnx", verbose=False)
    exported = onnx.load(path)
    onnx.helper.set_model_props(exported, dict(metadata))
    _rename(exported.graph, keep={"x", *(output.name for output in exported.graph.output)})
    exported.graph.name, exported.graph.doc_string, exported.doc_string = "discriminator", "", ""
    _write(path, exported)


def _add(path: Path, committee: Committee) -> None:
    import onnx

    _write(path, join(onnx.load(path), committee))


def _write(path: Path, model: Any) -> None:
    import onnx

    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _named(model: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    names = sorted((*OUTPUTS, FEATURES, *([DISAGREEMENT] if len(model.outputs) > 3 else [])))  # as Keras does
    answers = dict(zip(names, predictor(model)(x), strict=True))
    return {name: answers[name] for name in OUTPUTS}


def _export_elsewhere(
    folder: Path, discriminator: Any, head: Head, probe: np.ndarray, record: RunRecord
) -> dict[str, np.ndarray]:
    """Has another process write model.onnx, and returns what its network answers to the probe."""
    with tempfile.TemporaryDirectory(prefix="ssgan-export-") as name:
        desk = Path(name)
        (desk / "encoder.json").write_bytes((folder / "encoder.json").read_bytes())
        (desk / "head.json").write_text(json.dumps({"kind": type(head).__name__, **vars(head)}))
        (desk / "knobs.json").write_text(json.dumps(dict(record.knobs)))
        weights = {f"w{place}": each for place, each in enumerate(discriminator.get_weights())}
        np.savez(desk / "network.npz", allow_pickle=False, probe=probe, **weights)
        environment = {
            **os.environ,
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "",  # the card belongs to this process
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # the user's networks
        }
        command = [sys.executable, "-m", "ssgan.learn.export", name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise SsganError(
                f"the network must be built again by TensorFlow to be exported; that failed with {last[0]!r}: "
                "set train.backend to tensorflow and train.precision to float32"
            )
        (folder / "model.onnx").write_bytes((desk / "model.onnx").read_bytes())
        with np.load(desk / "answers.npz", allow_pickle=False) as answers:
            return {name: answers[name] for name in OUTPUTS}


def main(desk: Path) -> None:
    """Builds the network that the folder describes, and writes its graph and its answers there."""
    encoder = Encoder.from_json((desk / "encoder.json").read_text(encoding="utf-8"))
    about = json.loads((desk / "head.json").read_text(encoding="utf-8"))
    kind = getattr(heads, about.pop("kind"))
    head: Head = kind(**{name: tuple(each) if isinstance(each, list) else each for name, each in about.items()})
    knobs = json.loads((desk / "knobs.json").read_text(encoding="utf-8"))
    hidden = tuple(int(width) for width in knobs["hidden"].split(","))
    nets = _Nets(hidden, knobs["members"], knobs["weight_norm"], knobs["noise"], knobs["networks"], knobs["embedding"])
    model = build(encoder, head, nets, backend.Draws(0), 0)
    with np.load(desk / "network.npz", allow_pickle=False) as stored:
        model.set_weights([stored[f"w{place}"] for place in range(len(stored.files) - 1)])
        probe = stored["probe"]
    exported = answering(model, head)
    write_onnx(desk / "model.onnx", exported, head.metadata)
    np.savez(desk / "answers.npz", allow_pickle=False, **_named(exported, probe))


def _rename(graph: Any, keep: set[str]) -> None:
    """Numbers nodes and values in order: Keras and tf2onnx name them by counters that run on within a process."""
    names: dict[str, str] = {}

    def short(name: str) -> str:
        if not name or name in keep:
            return name
        return names.setdefault(name, f"v{len(names)}")

    for place, node in enumerate(graph.node):
        node.name, node.doc_string = f"n{place}", ""
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
    for tensor in graph.initializer:
        tensor.name, tensor.doc_string = short(tensor.name), ""
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    tensors = sorted(graph.initializer, key=lambda tensor: int(tensor.name[1:]))
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(tensors)


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Silences what the converters print, log, warn and write to the error output."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with quiet(), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
