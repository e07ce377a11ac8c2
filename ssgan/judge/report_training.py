"""Sections of the report about the training: what the fakes are like, how it went, what the discriminator sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ssgan.contract import Contract
from ssgan.judge import plots_training
from ssgan.judge.document import Block, Figure, Section, Table, Text
from ssgan.judge.feature_map import FeatureMap
from ssgan.judge.generated import SHOWN_IMAGES, Compared, Correlations, compare_columns, compare_correlations, sample
from ssgan.judge.metrics import Array
from ssgan.learn.encode import Encoder
from ssgan.records import RunRecord

LEARNED = ("generator", "refiner", "mixture")  # fakes that a network makes


def generated(run: RunRecord, encoder: Encoder, real: Array, fake: Array | None) -> Section:
    """Real rows against the fakes that the discriminator learned from.

    Args:
        run: says what made them.
        encoder: of both.
        real: encoded training rows.
        fake: encoded fakes; None where there were none.
    """
    title = "What the generator learned" if run.fakes in LEARNED else "What the fakes are like"
    if fake is None or not len(fake):
        return Section(title, (Text("No sample of fakes is kept with this model: there was no real/fake term."),))
    origin = Text(
        f"Made by the {run.fakes} of this training."
        if run.fakes in LEARNED
        else f"No generator was trained. The fakes are {run.fakes} of real rows: each column alone is as it is among "
        "real rows, and what is wrong is that the columns do not belong together."
    )
    real = real[sample(len(real), len(fake))]
    if encoder.image is not None:
        return Section(title, (origin, _pictures(encoder, real, fake)))
    blocks: list[Block] = [origin]
    columns = compare_columns(encoder, real, fake)
    blocks += [_columns(columns)] if columns else []
    correlations = compare_correlations(encoder, real, fake)
    blocks += [_correlations(correlations)] if correlations is not None else []
    return Section(title, tuple(blocks))


def _pictures(encoder: Encoder, real: Array, fake: Array) -> Figure:
    assert encoder.image is not None
    shown = min(SHOWN_IMAGES, len(real), len(fake))
    ours, theirs = (encoder.image.pixels(each[:shown]) for each in (real, fake))
    return Figure(
        "pictures",
        plots_training.pictures(ours, theirs),
        f"{shown} real images and {shown} fake ones",
        "Fakes need not be beautiful: the discriminator learns from the difference.",
        ("kind", "image", "mean_brightness"),
        tuple(
            (kind, place, float(each.mean()))
            for kind, images in (("real", ours), ("fake", theirs))
            for place, each in enumerate(images)
        ),
    )


def _columns(compared: Sequence[Compared]) -> Figure:
    rows: list[tuple[object, ...]] = []
    for each in compared:
        places = each.words or tuple(
            f"{low:.6g} to {high:.6g}" for low, high in zip(each.edges, each.edges[1:], strict=False)
        )
        rows += [(each.column, *cells) for cells in zip(places, each.real, each.fake, strict=True)]
    named = ", ".join(f"{each.column} {each.distance:.2f}" for each in compared)
    return Figure(
        "columns",
        plots_training.columns_made(compared),
        f"Distance between real and fake values by column: {named}",
        "The columns that differ most, with their distance in brackets: 0 the same, 1 nothing in common "
        "(Kolmogorov-Smirnov for numbers, total variation for words).",
        ("column", "values", "real_share", "fake_share"),
        tuple(rows),
    )


def _correlations(found: Correlations) -> Figure:
    names = found.names
    return Figure(
        "correlations",
        plots_training.correlations(names, found.fake - found.real),
        f"Correlations among fakes minus those among real rows; mean difference {found.apart:.3f}",
        f"On average two features are {found.apart:.3f} apart in correlation; two halves of the real rows are "
        f"{found.chance:.3f} apart by chance. Shown: the {len(names)} features that changed most.",
        ("first", "second", "real", "fake"),
        tuple(
            (first, second, float(found.real[i, j]), float(found.fake[i, j]))
            for i, first in enumerate(names)
            for j, second in enumerate(names)
            if i < j
        ),
    )


def history(columns: Mapping[str, Sequence[float]]) -> Section:
    """The learning curves on one clock."""
    title = "How the training went"
    if len(columns) < 2 or len(next(iter(columns.values()))) < 2:
        return Section(title, (Text("There is no training history beside this model."),))
    clock, *curves = columns
    figure = Figure(
        "history",
        plots_training.history(columns),
        f"Training history over {clock}: {', '.join(curves)}",
        "One panel per recorded number, all on one clock.",
        tuple(columns),
        tuple(zip(*columns.values(), strict=True)),
    )
    return Section(title, (figure,))


def feature_map(found: FeatureMap | None, contract: Contract, reasons: Sequence[tuple[str, str]]) -> Section:
    """What the discriminator sees, and which rows it would like to have labelled.

    Args:
        found: the map; None where the artefact does not tell its features.
        contract: names the classes.
        reasons: (id, reason) of the first rows to label.
    """
    title = "What the discriminator sees, and what to label next"
    if found is None:
        return Section(title, (Text("This model does not tell its features; train again to see the map."),))
    known, wanted = int(found.labelled.sum()), int(found.wanted.sum())
    names, label = contract.classes, contract.label.column
    rows = []
    for place, at, is_known, value, asked in zip(
        found.places.tolist(), found.rows.tolist(), found.labelled, found.label.tolist(), found.wanted, strict=True
    ):
        kind = "requested" if asked else "labelled" if is_known else "unlabelled"
        rows.append((*place, kind, at, (names[value] if names else value) if is_known else ""))
    figure = Figure(
        "map",
        plots_training.feature_map(found, names, label),
        f"Map of {len(rows)} training rows: {known} labelled in colour, {wanted} requested ringed, the others grey",
        "Training rows by what the discriminator makes of them (t-SNE of its features): neighbours are alike to it, "
        "distances across the map mean little. Grey: unlabelled. Ringed: the rows that "
        "ssgan labels would ask for first.",
        ("x", "y", "kind", "row", "label"),
        tuple(rows),
    )
    table = (Table(("row", "why it should be labelled"), tuple(reasons), prose=True),) if reasons else ()
    return Section(title, (figure, *table))
