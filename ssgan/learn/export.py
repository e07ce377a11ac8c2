"""The discriminator leaves Keras: an ONNX graph with two named outputs, checked at once against the network."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ssgan.errors import SsganError
from ssgan.learn.artefact import TOLERANCE, open_session, write_checksums
from ssgan.learn.backend import keras, predictor, quiet
from ssgan.learn.heads import Head
from ssgan.records import RunRecord

PROBE_ROWS = 32


def export(folder: Path, discriminator: Any, head: Head, x: np.ndarray, record: RunRecord) -> str:
    """Adds graph, probe, run record and checksums to an artefact's folder.

    Args:
        folder: already holds encoder.json, schema.json and history.csv.
        discriminator: Keras model x -> [features, outputs]; its noise and its generator stay behind.
        head: splits the outputs into `task` and `realness`.
        x: encoded training rows, some of which become the probe.
        record: `run.json`, but for its parity.

    Returns:
        The artefact's digest.

    Raises:
        SsganError: if ONNX Runtime's answers differ from Keras's by more than the tolerance.
    """
    outputs = discriminator.outputs[1]
    graph = {"task": head.task(outputs), "realness": head.realness(outputs)}
    model = keras.Model(discriminator.inputs, graph, name="exported")
    probe = x[np.linspace(0, len(x) - 1, min(PROBE_ROWS, len(x))).astype(np.int64)]
    answers = dict(zip(sorted(graph), predictor(model)(probe), strict=True))  # Keras sorts the keys

    path = folder / "model.onnx"
    write_onnx(path, model, head.metadata)
    got = dict(zip(("task", "realness"), open_session(path).run(("task", "realness"), {"x": probe}), strict=True))
    parity = max(float(np.abs(got[name] - answers[name]).max()) for name in graph)
    if not parity <= TOLERANCE:
        raise SsganError(
            f"the exported model must answer as the network does, to within {TOLERANCE}; it is off by {parity:.2g}: "
            "nothing was replaced; please report this with the contract"
        )
    with (folder / "probe.npz").open("wb") as handle:
        np.savez(handle, x=probe, **got)
    record.model_copy(update={"parity": parity}).write(folder / "run.json")
    return write_checksums(folder)


def write_onnx(path: Path, model: Any, metadata: dict[str, str]) -> None:
    """Exports a called Keras model; equal weights give equal bytes, in any process.

    Args:
        path: of the file.
        model: input `x`, outputs by name.
        metadata: put into the graph's metadata.
    """
    import onnx

    with _hushed():
        model.export(str(path), format="onnx", verbose=False)
    exported = onnx.load(path)
    onnx.helper.set_model_props(exported, metadata)
    _rename(exported.graph, keep={"x", *(output.name for output in exported.graph.output)})
    exported.graph.name, exported.graph.doc_string, exported.doc_string = "discriminator", "", ""
    onnx.checker.check_model(exported)
    path.write_bytes(exported.SerializeToString(deterministic=True))


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
