"""Drafts a contract from a user's own file: every line says why it is there, so that a person can mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ssgan.contract import COLUMNS_AT_MOST, MISSING, RESERVED, Rules, TextFiles, too_many_columns
from ssgan.errors import DataError
from ssgan.intake.cells import UNLABELLED, as_text, canonical, column_of
from ssgan.intake.look import (
    WORDS,
    Look,
    alike,
    bounds,
    describe,
    look_at,
    missing_words,
    plain,
    quoted,
    stray,
    told_apart,
)
from ssgan.intake.read import INDEX, read_undeclared, require_label
from ssgan.intake.source import is_number, nearest

_STANDARD = TextFiles()
CLASSES = 10  # distinct integers up to which a label is a class
CLASSES_AT_MOST = 100
_NO_LABEL = ("unknown", "unlabelled", "unlabeled", "n/a", "#n/a")  # of a class that nobody knows, whatever the case
_NONE = "None"  # what Python writes for no value, and what many call the class of those that have nothing
_PERSON = re.compile(
    r"(?i)^(patient|subject|person|participant|customer|client|user|household|animal|device)s?"
    r"([_\W]*(id|key|nr|no|nbr|num|number|code|#))?$"
)


def draft_contract(
    source: Path | pd.DataFrame,
    label: str,
    name: str,
    id: str | None = None,
    group: str | None = None,
    task: str | None = None,
    files: TextFiles = _STANDARD,
) -> str:
    """Drafts `data/contract.yaml` for a partly labelled table, or image set.

    Args:
        source: A file of any format that intake reads, or a frame.
        label: Its label column; of image sets without names of their own, what it is to be called.
        name: Of the contract: lower case letters, digits, dashes.
        id: The column that names a row; guessed where there is an obvious one.
        group: The column whose rows must not be divided between training and test.
        task: "classification" or "regression"; guessed from the label.
        files: How the file is written, if it is a CSV.

    Returns:
        YAML text with a reason behind every line; `read_contract` takes it.

    Raises:
        DataError: if the file cannot be read, lacks a named column, or no task can be made of its label.
    """
    table, path = _table_of(source, label, files)
    require_label(path, table.column_names, label)
    _check_names(path, table.column_names, label, id, group)
    missing = missing_words(table, files.decimal)
    looks = {column: look_at(table, column, missing, files.decimal) for column in table.column_names}
    unlabelled = _words_for_no_label(looks[label])
    rows_by_word = _rows_by_word(table, label)
    nothing = (*_missing_labels(looks[label], rows_by_word, missing), *unlabelled)
    target = looks[label] if nothing == missing else look_at(table, label, nothing, files.decimal)
    chosen, why = _guess_task(target, task, path)
    counts = _label_counts(rows_by_word, target, chosen, nothing)
    taken = {word: rows for word, rows in rows_by_word.items() if word in missing and word in nothing and word}
    free = [look for column, look in looks.items() if column not in (label, id, group)]
    guessed = None if id else next((look.name for look in free if _names_rows(look) and look.unique), None)
    features = [look for look in free if look.name != guessed]
    if len(features) > COLUMNS_AT_MOST:
        raise DataError(f"{path.name}: {too_many_columns(len(features))}")
    lines = [
        ("# What a batch must be, drafted from " + plain(path.name) + f" ({table.num_rows} rows).", ""),
        ("# Look it over, above all the ranges: they come from the rows of one file.", ""),
        (f"name: {name}", "the name of the model too"),
        (f"task: {chosen}", why),
        _id_line(id, guessed),
        _group_line(group, features),
        *_label_lines(target, chosen, counts, unlabelled, taken),
        ("columns:", "the features, in the order the model sees them"),
        *_column_lines(features, path),
        _missing_line(missing),
        *_file_lines(files),
        *_rule_lines(chosen, counts),
    ]
    return _aligned(lines)


def _check_names(path: Path, names: Sequence[str], label: str, *chosen: str | None) -> None:
    for column in chosen:
        if column == label:
            raise DataError(f"`{label}` is the label, so it cannot be the id or the group too; name another column")
        if column is not None and column not in names:
            near = nearest(column, names)
            hint = f"did you mean `{near}`?" if near else f"it has {', '.join(names[:8])}"
            raise DataError(f"{path.name} has no column `{column}`; {hint}")
    if "" in names:
        raise DataError(
            f"{path.name} has a column without a name (column {names.index('') + 1}); name it, or delete it: pandas "
            "writes its index so, unless index=False"
        )
    for column in names:
        if column in RESERVED:
            raise DataError(f"{path.name} has a column `{column}`, a name that is reserved; rename it in the file")


def _table_of(source: Path | pd.DataFrame, label: str, files: TextFiles) -> tuple[pa.Table, Path]:
    if isinstance(source, Path):
        return read_undeclared(source, label, files), source
    if not source.columns.is_unique:
        raise DataError("the frame has more than one column of the same name; every name must be there once")
    frame = source.copy()
    for name, kind in source.dtypes.items():
        if pd.api.types.is_object_dtype(kind):  # it may mix numbers and words, which Arrow refuses
            frame[name] = [cell if isinstance(cell, bytes) or pd.isna(cell) else str(cell) for cell in source[name]]
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"the frame is no table that can be read: {' '.join(str(error).split())[:200]}") from None
    if table.num_rows == 0:
        raise DataError("the frame has no rows; a contract is drafted from at least one")
    return table, Path("the frame")


def _guess_task(look: Look, asked: str | None, path: Path) -> tuple[str, str]:
    """The task and the reason for it."""
    if not look.words:
        raise DataError(f"{path.name} has no labelled row: every cell of `{look.name}` is empty; label some rows first")
    if asked == "regression" or (asked is None and look.mostly_numeric and not _few_integers(look)):
        if not look.mostly_numeric:
            raise DataError(
                f"the label `{look.name}` holds words such as {look.odd[0]!r}, and a regression needs numbers; name "
                "another column as the label, or ask for a classification"
            )
        return "regression", "as asked" if asked else f"the label has {len(look.numbers)} different numbers"
    if asked is None and look.varied_numbers and not look.numeric:
        raise DataError(
            f"the label `{look.name}` has {len(look.numbers)} different numbers, and words such as {look.odd[0]!r} in "
            f"{look.odd_rows} rows; leave those without a label empty, or say what it is with --task"
        )
    classes = _classes(look)
    if not classes:
        raise DataError(
            f"{path.name} has no labelled row: `{look.name}` is {UNLABELLED} everywhere; label some rows first"
        )
    if len(classes) < 2:
        raise DataError(
            f"the label `{look.name}` has one class only ({classes[0]!r}), and a classification needs two; label some "
            "rows of another class too"
        )
    if len(classes) > CLASSES_AT_MOST:
        found = f"{len(classes)} different words, more than {CLASSES_AT_MOST}"
        raise DataError(f"the label `{look.name}` has {found}; name another column as the label")
    if asked is None and len(classes) > max(CLASSES, 0.9 * (look.rows - look.absent)):
        raise DataError(
            f"the label `{look.name}` has another word in nearly every row, such as {classes[-1]!r}, and a class needs "
            "several rows; write values as plain numbers, or name another column as the label"
        )
    kind = "whole numbers" if look.numeric else "words"
    return "classification", "as asked" if asked else f"the label has {len(classes)} different {kind}"


def _words_for_no_label(look: Look) -> tuple[str, ...]:
    """The words of a label that say that there is none, if at least two others are left."""
    words = tuple(word for word in look.words if word.casefold() in _NO_LABEL)
    return words if len({*look.words} - {*words, UNLABELLED}) > 1 else ()


def _missing_labels(look: Look, rows: Mapping[str, int], missing: tuple[str, ...]) -> tuple[str, ...]:
    """The words that mean no label; not `None` where it stands among classes and such rows are written otherwise."""
    others = tuple(word for word in missing if word != _NONE)
    unlabelled = sum(rows.values()) < look.rows or any(word in rows for word in others)
    return others if unlabelled and any(word.casefold() not in _NO_LABEL for word in look.odd) else missing


def _few_integers(look: Look) -> bool:
    return look.numeric and look.integer and int(np.count_nonzero(look.numbers != float(UNLABELLED))) <= CLASSES


def _classes(look: Look) -> list[str]:
    words = {canonical(word) for word in look.words}
    classes = words - {UNLABELLED}
    return sorted(classes, key=lambda word: (not is_number(word), float(word) if is_number(word) else 0.0, word))


def _names_rows(look: Look) -> bool:
    """Whether a column may be an id: it is called one, and does not hold measured numbers, such as `uric_acid`."""
    return look.named_like_id and (look.integer or len(look.odd) > 0)


def _id_line(id: str | None, guessed: str | None) -> tuple[str, str]:
    if id is not None:
        return f"id: {quoted(id)}", "names a row; as asked"
    if guessed is not None:
        return f"id: {quoted(guessed)}", "names a row: a guess, since every row has another one"
    return (
        "id: null",
        "no column is called one, so a row is named by its content; name one whose word differs in every row",
    )


def _group_line(group: str | None, features: Sequence[Look]) -> tuple[str, str]:
    if group is not None:
        return f"group: {quoted(group)}", "rows of one group never fall on both sides of the test split; as asked"
    repeated = next((look.name for look in features if _is_repeated_name(look)), None)
    if repeated is not None:
        return "group: null", f"if the rows of one {plain(repeated)} belong together, name it here, not below"
    return "group: null", "every row for itself; name a column, such as a patient, whose rows belong together"


def _is_repeated_name(look: Look) -> bool:
    """Whether a column names what has several rows, such as a patient."""
    named = _PERSON.match(look.name) is not None or (_names_rows(look) and len(look.words) > WORDS)
    return named and 1 < len(look.words) < look.rows - look.absent


def _label_lines(
    look: Look, task: str, counts: Mapping[str, int], unlabelled: Sequence[str], taken: Mapping[str, int]
) -> Iterator[tuple[str, str]]:
    labelled = sum(counts.values())
    share = f"{labelled} of {look.rows} rows have a label ({labelled / look.rows:.1%})"
    nothing = "empty, missing or -1" if task == "classification" else "empty or missing"
    yield "label:", share
    said = "".join(f"; {quoted(word)} too, in {rows} rows" for word, rows in taken.items())
    cure = ": one that is a class belongs to the classes" if said and task == "classification" else ""
    yield f"  column: {quoted(look.name)}", f"{nothing} means unlabelled{said}{cure}"
    if unlabelled:
        words = (UNLABELLED, *unlabelled) if task == "classification" else unlabelled
        why = "and so do these words; one that is a class after all belongs to the classes"
        yield f"  unlabelled: [{', '.join(map(quoted, words))}]", why
    if task == "classification":
        classes = _classes(look)
        doubt = f"; {_NONE} is one, since rows without a label are written otherwise: delete it if it is none"
        why = "all that the file has" + (doubt if _NONE in classes else "") + alike(classes)
        yield f"  classes: [{', '.join(map(quoted, classes))}]", why
        return
    low, high, why = bounds(look.numbers, look.integer)
    far = stray(look, "a code for no label goes into `unlabelled`")
    yield f"  min: {low}", why + told_apart(look)
    yield f"  max: {high}", f"the largest seen is {look.numbers[-1]:g}; widened by the observed range{far}"


def _column_lines(looks: Sequence[Look], path: Path) -> list[tuple[str, str]]:
    described = [(look, *describe(look)) for look in looks]
    if any("type: image" in options for _, options, _ in described):
        beside = ("type: ignore", "an image is learned from alone")
        described = [each if "type: image" in each[1] else (each[0], *beside) for each in described]
    if all(options == "type: ignore" for _, options, _ in described):
        reasons = "; ".join(f"`{look.name}`: {why}" for look, _, why in described[:3]) or "there is no other column"
        hint = "name its folder, if it lists images" if path.name == INDEX else "name a file with measured columns"
        raise DataError(f"{path.name} has nothing to learn from besides its label ({reasons}); {hint}")
    return [(f"  {quoted(look.name)}: {{{options}}}", why) for look, options, why in described]


def _missing_line(missing: Sequence[str]) -> tuple[str, str]:
    added = ", ".join(quoted(word) for word in missing if word not in MISSING)
    why = f"words that mean no value; the file has {added}" if added else "words that mean no value"
    return f"missing: [{', '.join(map(quoted, missing))}]", why


def _file_lines(files: TextFiles) -> Iterator[tuple[str, str]]:
    if files != _STANDARD:
        said = ", ".join(f"{name}: {quoted(value)}" for name, value in files.model_dump().items())
        yield f"files: {{{said}}}", "how CSV files are written; nothing of it is guessed"


def _rule_lines(task: str, counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    standard = Rules()
    labelled = min(standard.labelled_at_least, sum(counts.values()))
    yield "rules:", ""
    yield f"  labelled_at_least: {labelled}", "labelled rows in the accepted data and the batch together"
    if task == "classification":
        per_class = min(standard.labelled_per_class_at_least, *counts.values())
        yield f"  labelled_per_class_at_least: {per_class}", "the same, for each class"
    else:
        per_band = standard.labelled_per_band_at_least
        yield f"  labelled_per_band_at_least: {per_band}", "the same, for each band between the edges of label.bands"
    yield f"  refused_share_at_most: {standard.refused_share_at_most}", "a larger share of bad rows rejects the batch"
    yield (
        f"  drift_distance_at_most: {standard.drift_distance_at_most}",
        "KS or total variation distance to the accepted data, 0..1; chance is allowed for",
    )
    yield f"  drifted_share_at_most: {standard.drifted_share_at_most}", "a larger share of drifted columns rejects it"


def _label_counts(rows: Mapping[str, int], look: Look, task: str, missing: Sequence[str]) -> dict[str, int]:
    """Rows per class, or `{"labelled": n}`."""
    counts: dict[str, int] = {}
    odd = {*look.odd}
    for word, count in rows.items():
        if word in missing or (task == "classification" and canonical(word) == UNLABELLED):
            continue
        if task == "regression" and word in odd:
            continue
        key = canonical(word) if task == "classification" else "labelled"
        counts[key] = counts.get(key, 0) + count
    return counts


def _rows_by_word(table: pa.Table, name: str) -> dict[str, int]:
    """The rows of each distinct word of a column, without those that have none."""
    each = pc.value_counts(as_text(column_of(table, name))).to_pylist()
    return {found["values"]: found["counts"] for found in each if found["values"] is not None}


def _aligned(lines: Sequence[tuple[str, str]]) -> str:
    """The comments in one column, as far as the lines are short enough."""
    column = max((len(text) for text, why in lines if why and len(text) <= 76), default=0) + 2
    return "".join(f"{text:<{column - 2}}  # {why}\n" if why else f"{text}\n" for text, why in lines)
