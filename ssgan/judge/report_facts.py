"""Sections of the report about where the numbers come from, and what they cannot say."""

from __future__ import annotations

import numpy as np

from ssgan import __version__
from ssgan.judge import words
from ssgan.judge.calibrate import ROWS
from ssgan.judge.document import Block, Fold, Items, Place, Section, Table, Text
from ssgan.judge.prepared import Prepared
from ssgan.learn.artefact import Artefact
from ssgan.learn.prepare import frame_columns
from ssgan.learn.training_rows import evenly
from ssgan.records import DatasetVersion, Evaluation, RunRecord

MANY_MET = 0.02  # share of the judged rows, from which on it is told that their models have met them


def lineage(evaluation: Evaluation, prepared: Prepared, run: RunRecord) -> Section:
    """The data and the code behind the model."""
    known = int(prepared.labelled.sum())
    facts = (
        ("training rows", f"{len(prepared.y)} ({known} labelled, {len(prepared.y) - known} unlabelled)"),
        ("test rows", f"{len(prepared.test)}"),
        ("judged rows", f"{evaluation.test_rows} labelled ({evaluation.method})"),
        ("fakes", run.fakes),
        ("seed of the training", str(run.seed)),
        ("backend, precision", f"{run.backend}, {run.precision}"),
        ("Keras against ONNX", f"{run.parity:.1e} at most"),
        ("prepared data, sha256", run.data_hash[:12]),
        ("model, sha256", evaluation.model[:12]),
        ("software", f"ssgan {__version__}"),
    )
    labels = tuple(
        (name, str(count), str(evaluation.test_rows_per_class.get(name, evaluation.test_rows)))
        for name, count in prepared.labels.items()
    )
    knobs = tuple((name, str(value)) for name, value in run.knobs.items())
    blocks: list[Block] = [
        Table(("fact", "value"), facts, prose=True),
        Place("lineage", ()),
        Table(("label", "training rows", "judged rows"), labels),
        *(Text(f"{each}.", strong="The training warns:") for each in run.warnings),
    ]
    blocks += [Fold("Knobs of the training", (Table(("knob", "value"), knobs),))] if knobs else []
    return Section("Data and code", tuple(blocks))


def versions(data: DatasetVersion | None) -> tuple[Block, ...]:
    """What only git knows: the version of the data. It stays the same until there are new data."""
    if data is None:
        return ()
    rows = (
        ("data version", f"{data.name}: {data.rows} rows of {len(data.batches)} batches"),
        ("content of the data", data.dvc_hash[:12]),
        ("git commit of the data", data.git_commit[:12]),
    )
    return (Table(("fact", "value"), rows, prose=True),)


def limits(evaluation: Evaluation, prepared: Prepared, artefact: Artefact) -> Section:
    """What no number in the report can tell."""
    contract = prepared.contract
    items = []
    if contract.classes:
        unseen = [name for name, count in prepared.labels.items() if not count]
        named = f" ({', '.join(unseen)} never had one)" if unseen else ""
        items.append(
            f"It answers {', '.join(contract.classes)} and nothing else: no class that never had a label{named}."
        )
        scarce = [
            f"{name}: {count}" for name, count in evaluation.test_rows_per_class.items() if count < words.FEW_OF_A_CLASS
        ]
        if scarce:
            items.append(f"Classes with few judged rows are hardly judged at all ({', '.join(scarce)}).")
    else:
        items.append(_learned(prepared, artefact))
    items += [
        *_met_before(prepared),
        _ranges(prepared),
        "The judged rows come from the same sources and the same time as the training rows. On data that changes after "
        "today, or comes from elsewhere, the numbers do not hold; P(fake) and drift give a warning, no promise.",
        "Intervals cover the luck of the draw of the judged rows, not that of another training or of wrong labels.",
        "That a column matters to the model does not say that it causes anything.",
    ]
    return Section("What it cannot know", (Items(tuple(items)),))


def _learned(prepared: Prepared, artefact: Artefact) -> str:
    """Which values it learned, and how many unlabelled rows it takes to lie beyond them."""
    contract, known = prepared.contract, prepared.y[prepared.labelled]
    low, high = words.number(float(known.min())), words.number(float(known.max()))
    said = f"It learned values of {contract.label.column} from {low} to {high} {words.unit(contract)}".rstrip()
    said += "; beyond them its answers are guesses."
    if prepared.labelled.all():
        return said
    answers = artefact.predict_encoded(evenly(prepared.x[~prepared.labelled], ROWS)).answer
    beyond = float(((answers < known.min()) | (answers > known.max())).mean())
    more = f" {100 * beyond:.1f} % of the unlabelled rows are answered so, where no label vouches for an interval"
    return f"{said}{more}: label some of them." if beyond else said


def _met_before(prepared: Prepared) -> tuple[str, ...]:
    """How many judged rows test the memory alone."""
    met = int(prepared.met_before.sum())
    if met < MANY_MET * len(prepared.truth):
        return ()
    return (
        f"{met} of {len(prepared.truth)} judged rows look to the model just like a labelled row it learned from. If "
        "these are records that are there twice, the scores are too good: name their id or group in the contract, or "
        "set duplicates: first there.",
    )


def _ranges(prepared: Prepared) -> str:
    """How many test rows leave the range of the training rows, which the encoder knows."""
    numbers = [part for part in prepared.encoder.numbers if part.knots]
    if not numbers:
        return "Rows unlike the training rows get an answer all the same; it is flagged, not withheld."
    columns, outside = frame_columns(prepared.test, prepared.contract), np.zeros(len(prepared.test), bool)
    for part in numbers:
        outside |= (columns[part.name] < part.knots[0]) | (columns[part.name] > part.knots[-1])
    return (
        "Values outside the range of the training rows are taken as the nearest known value; "
        f"{int(outside.sum())} of {len(prepared.test)} test rows have such a value."
    )
