"""By how much two files of the same kind differ: numbers by their largest difference, a model by its answers."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from ssgan.learn.artefact import open_session

Flat = dict[str, float | str]


@dataclass(frozen=True)
class Difference:
    """How a file differs from what it was."""

    path: str
    how: str


def differences(was: Path, now: Path, paths: list[str]) -> tuple[int, list[Difference]]:
    """Compares files, and folders with all that is in them, byte by byte.

    Args:
        was: folder that holds the recorded ones.
        now: folder that holds the new ones.
        paths: relative to both.

    Returns:
        The number of files that are equal, and how each of the others differs.
    """
    equal, found = 0, []
    for path in sorted({each for name in paths for root in (was, now) for each in _files(root, name)}):
        old, new = was / path, now / path
        if not old.is_file() or not new.is_file():
            found.append(Difference(path, "was not recorded" if new.is_file() else "did not come out again"))
        elif old.read_bytes() == new.read_bytes():
            equal += 1
        else:
            found.append(Difference(path, _how(old, new)))
    return equal, found


def metrics(path: Path) -> dict[str, float]:
    """The numbers of a metrics file that `dvc metrics diff` shows: those that are not inside lists."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in _flat(content, lists=False) if isinstance(value, float)}


def _files(root: Path, name: str) -> Iterator[str]:
    path = root / name
    for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if each.is_file():
            yield each.relative_to(root).as_posix()


def _how(old: Path, new: Path) -> str:
    compare = _KINDS.get(old.suffix, _bytes)
    try:
        return compare(old, new)
    except Exception as error:  # what cannot be read as its kind is still compared
        return f"{_bytes(old, new)} ({type(error).__name__} when it was read)"


def _bytes(old: Path, new: Path) -> str:
    a, b = np.frombuffer(old.read_bytes(), np.uint8), np.frombuffer(new.read_bytes(), np.uint8)
    if len(a) != len(b):
        return f"{len(b)} bytes, not {len(a)}"
    return f"{int((a != b).sum())} of {len(a)} bytes differ"


def _text(old: Path, new: Path) -> str:
    a, b = old.read_text(encoding="utf-8").splitlines(), new.read_text(encoding="utf-8").splitlines()
    if len(a) != len(b):
        return f"{len(b)} lines, not {len(a)}"
    return f"{sum(x != y for x, y in zip(a, b, strict=True))} of {len(a)} lines differ"


def _json(old: Path, new: Path) -> str:
    return _flats(*(dict(_flat(json.loads(path.read_text(encoding="utf-8")))) for path in (old, new)))


def _csv(old: Path, new: Path) -> str:
    return _flats(_cells(old), _cells(new))


def _cells(path: Path) -> Flat:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    return {f"{rows[0][at]}, row {row}": _number(cell) for row, line in enumerate(rows) for at, cell in enumerate(line)}


def _number(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell


def _flats(old: Flat, new: Flat) -> str:
    if old.keys() != new.keys():
        return f"has other entries, such as {min(old.keys() ^ new.keys())}"
    numbers = {name for name, value in old.items() if isinstance(value, float) and isinstance(new[name], float)}
    words = [name for name in old if name not in numbers and old[name] != new[name]]
    apart = {name: _apart(float(old[name]), float(new[name])) for name in numbers}
    worst = max(apart, key=lambda name: apart[name], default=None)
    told = [f"by up to {apart[worst]:.2g} ({worst})"] if worst is not None and apart[worst] > 0 else []
    told += [f"{len(words)} words differ, such as {words[0]}"] if words else []
    return "; ".join(told) or "its values are equal, the way they are written is not"


def _flat(content: object, name: str = "", *, lists: bool = True) -> Iterator[tuple[str, float | str]]:
    """Leaves of a JSON document by their path."""
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key), lists=lists)
    elif isinstance(content, list):
        for number, value in enumerate(content if lists else ()):
            yield from _flat(value, f"{name}[{number}]", lists=lists)
    else:
        words = content is None or isinstance(content, str | bool)
        yield name, json.dumps(content) if words else float(str(content))


def _npz(old: Path, new: Path) -> str:
    with np.load(old, allow_pickle=False) as a, np.load(new, allow_pickle=False) as b:
        return _arrays({name: a[name] for name in a.files}, {name: b[name] for name in b.files})


def _parquet(old: Path, new: Path) -> str:
    tables = (pq.read_table(path) for path in (old, new))
    return _arrays(*({name: table[name].to_numpy() for name in table.column_names} for table in tables))


def _onnx(old: Path, new: Path) -> str:
    """Both models answer the recorded one's probe rows."""
    with np.load(old.with_name("probe.npz"), allow_pickle=False) as stored:
        x = stored["x"]
    answers = []
    for path in (old, new):
        session = open_session(path)
        names = [output.name for output in session.get_outputs()]
        answers.append(dict(zip(names, session.run(names, {"x": x}), strict=True)))
    return f"its answers to the {len(x)} probe rows differ {_arrays(*answers)}"


def _arrays(old: dict[str, np.ndarray], new: dict[str, np.ndarray]) -> str:
    shapes = [{name: each.shape for name, each in arrays.items()} for arrays in (old, new)]
    if shapes[0] != shapes[1]:
        return "has other columns or rows"
    numbers = [name for name in old if np.issubdtype(old[name].dtype, np.number) and old[name].size]
    apart = {name: _largest(old[name], new[name]) for name in numbers}
    worst = max(apart, key=lambda name: apart[name], default=None)
    told = [f"by up to {apart[worst]:.2g} ({worst})"] if worst is not None and apart[worst] > 0 else []
    words = [name for name in old if name not in numbers and not np.array_equal(old[name], new[name])]
    told += [f"in {', '.join(words)}"] if words else []
    return " and ".join(told) or "by nothing: only the way they are written differs"


def _largest(old: np.ndarray, new: np.ndarray) -> float:
    a, b = old.astype(np.float64), new.astype(np.float64)
    apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.nan_to_num(apart, nan=np.inf).max())


def _apart(old: float, new: float) -> float:
    if old == new or (math.isnan(old) and math.isnan(new)):
        return 0.0
    return abs(old - new)


_KINDS: dict[str, Callable[[Path, Path], str]] = {
    ".json": _json,
    ".csv": _csv,
    ".npz": _npz,
    ".parquet": _parquet,
    ".onnx": _onnx,
    ".html": _text,
    ".md": _text,
    ".svg": _text,
}
