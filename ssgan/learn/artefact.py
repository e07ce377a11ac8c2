"""The artefact: a folder with the exported discriminator and all that is needed to ask it.

    model.onnx      x -> task, realness, features; with a committee also discriminator_task, with members disagreement
    encoder.json    raw rows -> x
    schema.json     the contract
    probe.npz       rows and the answers they got when the model was exported
    calibration.json  outputs -> answers; absent before `calibrate`, the answers are then as the graph gives them
    run.json        how it was trained
    history.csv     its losses
    checksums.json  sha256 of each of the others

A row gets the same bits whatever rows it is answered with: one record of the service, or one of a million in a file.

Evaluation, scoring and the service load the same folder through this module. It needs numpy and ONNX Runtime alone.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import ValidationError

from ssgan.contract import ClassLabel, Contract
from ssgan.errors import ArtefactError
from ssgan.learn import checksums
from ssgan.learn.encode import Encoder
from ssgan.learn.looks import looks
from ssgan.learn.ranges import Ranges
from ssgan.records import Calibration

CHECKSUMS = "checksums.json"
CALIBRATION = "calibration.json"
PARTS = ("model.onnx", "encoder.json", "schema.json", "probe.npz", "run.json")
TOLERANCE = 1e-4  # between the answers at export and now; another processor rounds differently by about 1e-6
ROWS_AT_ONCE = 512  # what lies between the layers then stays in the processor's cache: 4096 take twice as long
FEATURES = "features"  # the graph's output with the discriminator's last layer before its answers
DISAGREEMENT = "disagreement"  # the graph's output with how far the members are apart, where there are several
ALONE = "discriminator_task"  # the graph's output with the discriminator's own answer, where `task` is a committee's
LOG_SUM = {"realness": "logsumexp"}  # metadata of a graph whose realness is that of the discriminator's logits


@dataclass(frozen=True)
class Predictions:
    """Answers to n rows; what speaks of coverage is None without calibration, or where it rests on too few rows."""

    answer: np.ndarray  # class names [n], or float64 values [n]
    probabilities: np.ndarray | None  # float64 [n, K] in the contract's order of classes; None for values
    fake_probability: np.ndarray  # float64 [n]: how unlike the training rows
    # Bool [n]: P(fake) is above the calibration's limit, or some cell is outside of what the training rows hold;
    # `calibrate.unlike` says how many of these may be flagged.
    unlike: np.ndarray
    sets: np.ndarray | None = None  # bool [n, K]: the classes that together hold the true one at the coverage
    low: np.ndarray | None = None  # float64 [n]: the interval that holds the true value at the coverage
    high: np.ndarray | None = None  # float64 [n]
    outside: np.ndarray | None = None  # bool [n, C]: cells outside of what the training rows hold; None: no cell is


PLAIN = Calibration(rows=0, coverage=0.0)  # changes nothing


def answers(
    contract: Contract,
    metadata: Mapping[str, str],
    task: np.ndarray,
    realness: np.ndarray,
    calibration: Calibration = PLAIN,
    outside: np.ndarray | None = None,
) -> Predictions:
    """Outputs of the graph as answers.

    Args:
        contract: says whether there are classes or values.
        metadata: of the graph; for values the mean and scale they were standardised with.
        task: logits [n, K], or standardised values [n, 1].
        realness: [n, 1].
        calibration: of these outputs.
        outside: bool [n, C], the cells outside of the calibration's ranges; None: no cell is.
    """
    fake = np.exp(-np.logaddexp(0.0, realness[:, 0].astype(np.float64)))
    unlike = fake > calibration.fake_limit
    if outside is not None:
        unlike |= outside.any(axis=1)
    if not isinstance(contract.label, ClassLabel):
        mean, scale = float(metadata["value_mean"]), float(metadata["value_scale"])
        value, half = mean + scale * task[:, 0].astype(np.float64), calibration.half_width
        low, high = (None, None) if half is None else (value - half, value + half)
        return Predictions(value, None, fake, unlike, low=low, high=high, outside=outside)
    probabilities = class_probabilities(task, calibration)
    sets = 1.0 - probabilities <= np.asarray(calibration.thresholds) if calibration.thresholds else None
    answer = np.asarray(contract.classes)[probabilities.argmax(axis=1)]
    return Predictions(answer, probabilities, fake, unlike, sets, outside=outside)


def log_sum(logits: np.ndarray) -> np.ndarray:
    """log of the sum of exp, [n, K] -> float64 [n, 1].

    Here and not by ONNX Runtime, whose sum takes the order of its terms from where a row lies in memory.
    """
    logits = logits.astype(np.float64)
    top = logits.max(axis=1, keepdims=True)
    found: np.ndarray = top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True))
    return found


def class_probabilities(task: np.ndarray, calibration: Calibration = PLAIN) -> np.ndarray:
    """Logits [n, K] -> calibrated probabilities, float64 [n, K]."""
    logits = task.astype(np.float64) / calibration.temperature
    if calibration.offsets:
        logits = logits + np.asarray(calibration.offsets)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: np.ndarray = weights / weights.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class Artefact:
    """A verified artefact. Safe to ask from many threads at once."""

    folder: Path
    digest: str
    contract: Contract
    encoder: Encoder
    session: Any  # onnxruntime.InferenceSession
    metadata: Mapping[str, str]
    calibration: Calibration = PLAIN
    rows_at_once: int = ROWS_AT_ONCE  # 1 where the graph gives a row other bits when other rows are with it

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Loads an artefact whose bytes and answers are what they were at export.

        Raises:
            ArtefactError: naming the file that is missing or damaged, or saying that another version wrote it, or that
                the answers differ.
        """
        digest = _verify(folder)
        try:
            contract = Contract.model_validate_json((folder / "schema.json").read_text(encoding="utf-8"))
            encoder = Encoder.from_json((folder / "encoder.json").read_text(encoding="utf-8"))
            calibration = Calibration.read(folder / CALIBRATION) if (folder / CALIBRATION).is_file() else PLAIN
        except ValueError as error:
            raise ArtefactError(
                f"{folder} was written by another version of ssgan: load it with that one, or train again "
                f"({_first(error)})"
            ) from None
        session = open_session(folder / "model.onnx")
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        artefact = cls(folder, digest, contract, encoder, session, metadata, calibration)
        return artefact._probed()

    def outputs(self, x: np.ndarray, task: str = "task") -> tuple[np.ndarray, np.ndarray]:
        """Encoded rows -> task [n, K] or [n, 1], realness [n, 1]."""
        summed = LOG_SUM.items() <= self.metadata.items()
        second = "realness" if not summed else ALONE if self.committee else "task"
        names = list(dict.fromkeys((task, second)))
        parts = [
            self.session.run(names, {"x": x[at : at + self.rows_at_once]})
            for at in range(0, max(len(x), 1), self.rows_at_once)
        ]
        found = {name: np.concatenate(each) for name, *each in zip(names, *parts, strict=True)}
        return found[task], log_sum(found[second]) if summed else found[second]

    def features(self, x: np.ndarray) -> np.ndarray:
        """Encoded rows -> float32 [n, H]: the discriminator's last layer before its answers.

        Raises:
            ArtefactError: if the artefact was exported before it told them.
        """
        if FEATURES not in self._told:
            raise ArtefactError(f"{self.folder} does not tell its features, for it is older: train again")
        return self._output(FEATURES, x)

    def disagreement(self, x: np.ndarray) -> np.ndarray:
        """Encoded rows -> float32 [n]: how far the members are apart; 0 where there is one network.

        For classes the nats by which the mean is less sure than the members (Houlsby et al. 2011), for values their
        standard deviation in units of the labels' own.
        """
        return self._output(DISAGREEMENT, x)[:, 0] if DISAGREEMENT in self._told else np.zeros(len(x), np.float32)

    @cached_property
    def committee(self) -> bool:
        """Whether trees answer together with the discriminator."""
        return ALONE in self._told

    @property
    def _told(self) -> list[str]:
        return [output.name for output in self.session.get_outputs()]

    def _output(self, name: str, x: np.ndarray) -> np.ndarray:
        starts = range(0, max(len(x), 1), self.rows_at_once)
        return np.concatenate([self.session.run([name], {"x": x[at : at + self.rows_at_once]})[0] for at in starts])

    @cached_property
    def ranges(self) -> Ranges:
        """What the training rows hold of each column, or images look like; empty before calibration."""
        return Ranges(self.calibration.ranges)

    def predict_encoded(self, x: np.ndarray, columns: Mapping[str, np.ndarray] | None = None) -> Predictions:
        """Answers for encoded rows.

        Args:
            x: float32 [n, F] or [n, height, width, channels].
            columns: the same rows raw, which tell what encoded rows of a table do not: the cells outside of `ranges`;
                None: no cell is held against them.
        """
        held = looks(x) if self.encoder.image is not None and self.ranges.columns else columns
        return self._answers(x, None if held is None else self.ranges.outside(held))

    def predict_alone(self, x: np.ndarray, calibration: Calibration = PLAIN) -> Predictions:
        """The discriminator's own answers for encoded rows; `calibration` is theirs where `task` is a committee's."""
        if not self.committee:
            return self.predict_encoded(x)
        return answers(self.contract, self.metadata, *self.outputs(x, ALONE), calibration)

    def predict_columns(self, columns: Mapping[str, np.ndarray]) -> Predictions:
        """Answers for raw columns, as `Encoder.encode_columns` takes them."""
        return self.predict_encoded(self.encoder.encode_columns(columns), columns)

    def predict_records(self, records: Sequence[Mapping[str, object]]) -> Predictions:
        """Answers for single records; an absent key and None are missing."""
        if len(records) == 1 and self.encoder.image is None:
            return self._answers(self.encoder.encode_records(records), self.ranges.outside_record(records[0]))
        return self.predict_columns(self.encoder.read_records(records))

    def _answers(self, x: np.ndarray, outside: np.ndarray | None) -> Predictions:
        return answers(self.contract, self.metadata, *self.outputs(x), self.calibration, outside)

    def _probed(self) -> Self:
        """The artefact itself, or one that asks the graph row by row if that is what it takes for the same bits."""
        try:
            with np.load(self.folder / "probe.npz", allow_pickle=False) as stored:
                x, expected = stored["x"], (stored["task"], stored["realness"])
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            raise ArtefactError(f"{self.folder / 'probe.npz'} cannot be read: train again") from None
        told = self.outputs(x)
        found = max(float(np.abs(a - b).max()) for a, b in zip(told, expected, strict=True))
        if not found <= TOLERANCE:
            raise ArtefactError(
                f"{self.folder} must answer its probe rows as at export, to within {TOLERANCE}; "
                f"it is off by {found:.2g}: do not use it, train again"
            )
        for size in (1, 3, 7):  # rows alone, and where their place in memory is another one
            parts = [self.outputs(x[at : at + size]) for at in range(0, len(x), size)]
            apart = (np.concatenate(each) for each in zip(*parts, strict=True))
            if not all(np.array_equal(a, b) for a, b in zip(told, apart, strict=True)):
                return replace(self, rows_at_once=1)
        return self


def open_session(path: Path) -> Any:
    """An ONNX Runtime session on one thread: the nets are small, and the bits are the same on any number of cores.

    Raises:
        ArtefactError: if the runtime refuses the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors share no base but this
        raise ArtefactError(f"{path} is not a model that ONNX Runtime takes: train again ({error})") from None


def write_checksums(folder: Path) -> str:
    """Writes `checksums.json` over all other files of the folder, and returns the artefact's digest."""
    files = [path.name for path in folder.iterdir() if path.is_file() and path.name != CHECKSUMS]
    return checksums.digest(checksums.write_list(folder, CHECKSUMS, files))


def _first(error: ValueError) -> str:
    """What is wrong with a file, in a line: pydantic lists every fault, each with an address of its own pages."""
    if not isinstance(error, ValidationError):
        return str(error)
    fault = error.errors()[0]
    return f"{error.title} {'.'.join(map(str, fault['loc']))}: {fault['msg']}"


def _verify(folder: Path) -> str:
    listed = checksums.verified(folder, CHECKSUMS, PARTS)
    if CALIBRATION not in listed and (folder / CALIBRATION).exists():
        raise ArtefactError(f"{folder / CALIBRATION} is not among the files of {CHECKSUMS}: pull the model again")
    return checksums.digest(listed)
