"""Formats of image sets: SVHN's `.mat`, MNIST's idx, `.npz`, and a folder with an index. All become PNG in a column.

But for `.npz` they have no column names of their own, so whoever opens them says what image and label are called.
"""

from __future__ import annotations

import gzip
import io
import math
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ssgan.contract import ORIGIN, TextFiles
from ssgan.errors import DataError
from ssgan.intake.pictures import unreadable
from ssgan.intake.read import INDEX, open_table
from ssgan.intake.source import Source
from ssgan.progress import say

PICTURES = 5000  # images that are turned into PNG at once
KEPT_AT_MOST = 1 << 20  # bytes of a file that is no image of ours, which has 12 KiB at most before it is packed
DESKTOP = ("Thumbs.db", "desktop.ini")
FILE = "file"  # column of a folder's index: the name of the image file
_IDX_TYPES = {
    code: np.dtype(name)
    for code, name in {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}.items()
}
_LARGEST = 4 << 30  # bytes of an idx file once it is unpacked; a small gz can claim any size
Array = np.ndarray


def open_pictures(path: Path, image: str, label: str, text: TextFiles) -> Source:
    """Opens an image set.

    Args:
        path: a folder with an index, `.mat`, or idx.
        image: what the column of the images is to be called.
        label: what that of the labels is to be called; in a folder's index it has a name of its own.
        text: how a folder's index is written.

    Raises:
        DataError: one sentence for whatever keeps it from being one.
    """
    if path.is_dir():
        return _open_folder(path, image, text)
    images, labels = _read_mat(path) if path.suffix.lower() == ".mat" else _read_idx_pair(path)
    return _source(path, {image: images, label: labels})


def open_arrays(path: Path, columns: Collection[str] | None = None) -> Source:
    """Opens `.npz`: images as uint8 [n, height, width(, 3)], or numbers and words, by the names of their columns.

    Args:
        path: of the file.
        columns: what images may be called; None: anything.

    Raises:
        DataError: one sentence for whatever keeps it from being a table.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as content:
            found = {name: content[name] for name in content.files}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise _damaged(path, "npz", error) from None
    for name, values in found.items():
        image = values.ndim in (3, 4) and values.dtype == np.uint8 and values.shape[3:] in ((), (3,))
        if not image and (values.ndim != 1 or values.dtype.kind not in "biufUS"):
            raise _damaged(path, "npz", f"`{name}` is {values.dtype} of shape {values.shape}, no column and no image")
        if image and columns is not None and name not in columns:
            raise DataError(
                f"{path.name}: the images are named `{name}`, which is no column of the contract; rename them"
            )
    if not found:
        raise _damaged(path, "npz", "it holds no array")
    return _source(path, found)


def files_of(path: Path) -> list[Path]:
    """All files that a batch is made of."""
    if path.is_dir():
        return [path / INDEX, *sorted(each for each in path.rglob("*") if _is_of_set(each, path))]
    beside = labels_beside(path)
    return [path, beside] if beside is not None and beside.is_file() else [path]


def _is_of_set(file: Path, folder: Path) -> bool:
    """Whether it is not the index, and none of the files that a desktop leaves wherever it looks."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return file.is_file() and file != folder / INDEX and not hidden and file.name not in DESKTOP


def labels_beside(path: Path) -> Path | None:
    """Where the labels of an idx file of images must lie; None if the name is no such file's."""
    if "images" not in path.name or "idx3" not in path.name:
        return None
    plain = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    named = [path.with_name(plain + suffix) for suffix in ("", ".gz")]
    if path.suffix == ".gz":
        named.reverse()
    return next((each for each in named if each.is_file()), named[0])


def _source(path: Path, columns: dict[str, Array]) -> Source:
    """Arrays of one length: images [n, height, width(, 3)] become PNG, the others stay a column."""
    rows = len(next(iter(columns.values())))
    for name, values in columns.items():
        if len(values) != rows:
            raise DataError(f"{path.name}: `{name}` has {len(values)} entries, the others have {rows}; write it again")

    def read() -> Iterator[pa.Table]:
        for start in range(0, rows, PICTURES):
            chosen = slice(start, start + PICTURES)
            yield pa.table({name: _column(values[chosen]) for name, values in columns.items()})

    return Source(path, tuple(columns), read)


def _column(values: Array) -> pa.Array:
    if values.ndim >= 3:
        return pa.array([_png(each) for each in values], pa.binary())
    if values.dtype.kind == "S":
        return pa.array(np.char.decode(values, "utf-8", "replace"))
    if values.dtype.kind == "f":
        return pa.array(values.astype(np.float64))
    return pa.array(values.astype(values.dtype.newbyteorder("=")))


def _png(pixels: Array) -> bytes:
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(target, format="PNG")
    return target.getvalue()


def _damaged(path: Path, kind: str, why: object) -> DataError:
    return DataError(f"{path.name} is not a readable {kind} file: {' '.join(str(why).split())[:160]}; fetch it again")


def _read_mat(path: Path) -> tuple[Array, Array]:
    """SVHN's cropped digits: X [height, width, 3, n], y [n, 1] in 1..10, where 10 means the digit 0."""
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=["X", "y"])
    except NotImplementedError:
        raise _damaged(path, "MATLAB", "it is of version 7.3, which is HDF5; save it with -v7") from None
    except Exception as error:  # a damaged file makes the reader fail in a dozen ways, none of them documented
        raise _damaged(path, "MATLAB", error) from None
    for name in ("X", "y"):
        if name not in content:
            raise _damaged(path, "MATLAB", f"it has no variable {name}; SVHN's cropped digits have X and y")
    images, labels = np.asarray(content["X"]), np.asarray(content["y"]).reshape(-1)
    shaped = images.ndim == 4 and images.shape[2] in (1, 3)
    if not shaped or images.dtype != np.uint8 or labels.dtype.kind not in "iuf":
        found = f"X is {images.dtype} of shape {images.shape}"
        raise _damaged(path, "MATLAB", f"{found}, not uint8 of [height, width, 3, n], or y is no number")
    images = np.moveaxis(images, 3, 0)
    return images[..., 0] if images.shape[3] == 1 else images, _digits(labels)


def _digits(labels: Array) -> Array:
    """As words: where nothing is 0 or above 10, as in SVHN, 10 means the digit 0; no whole number stays what it is."""
    known = {} if ((labels == 0) | (labels > 10)).any() else {10.0: "0"}
    words = [known.get(value, f"{value:g}") if math.isfinite(value) else "" for value in labels.astype(float).tolist()]
    return np.array(words, dtype=object)


def _read_idx_pair(path: Path) -> tuple[Array, Array]:
    images = _read_idx(path)
    if images.ndim != 3 or images.dtype != np.uint8:
        raise _damaged(path, "idx", f"it holds {images.dtype} of shape {images.shape}, not images of bytes [n, h, w]")
    beside = labels_beside(path)
    if beside is None:
        raise DataError(f"{path.name} must have `images` and `idx3` in its name; its labels have `labels` and `idx1`")
    if not beside.is_file():
        say(f"intake: there is no {beside.name} beside {path.name}: all {len(images)} images count as unlabelled")
        return images, np.full(len(images), "", dtype=object)
    labels = _read_idx(beside)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise _damaged(beside, "idx", f"it holds {labels.dtype} of shape {labels.shape}, not one whole number each")
    return images, np.array([str(each) for each in labels.tolist()], dtype=object)


def _read_idx(path: Path) -> Array:
    """An array in the idx format: two zero bytes, type, number of dimensions, their sizes (big endian), the values."""
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as handle:
            content = handle.read(_LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(path, "idx", error) from None
    if len(content) > _LARGEST:
        raise _damaged(path, "idx", f"it unpacks to more than {_LARGEST >> 30} GiB")
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _IDX_TYPES or not 1 <= content[3] <= 4:
        raise _damaged(path, "idx", "its first four bytes are not those of the format")
    dimensions, kind = content[3], _IDX_TYPES[content[2]]
    start = 4 + 4 * dimensions
    sizes = tuple(int.from_bytes(content[4 + 4 * place : 8 + 4 * place], "big") for place in range(dimensions))
    if len(content) != start + math.prod(sizes) * kind.itemsize:
        raise _damaged(
            path, "idx", f"it says {' x '.join(map(str, sizes))} values and has {len(content) - start} bytes"
        )
    return np.frombuffer(content, kind, offset=start).reshape(sizes)


def _open_folder(path: Path, image: str, text: TextFiles) -> Source:
    """`index.csv` names each image in the column `file`; its other columns are columns of the batch.

    The tables also have the names, by which a person finds a refused image; they are no column of the batch.
    """
    index = open_table(path / INDEX, text)
    if FILE not in index.columns:
        raise DataError(f"{path.name}/{INDEX} has no column `{FILE}`; it must name each image file")
    if image in index.columns:
        raise DataError(f"{path.name}/{INDEX} has a column `{image}`, which is the image itself; rename one of them")
    load = _loader(path)

    def read() -> Iterator[pa.Table]:
        for part in index.parts():
            for start in range(0, part.num_rows, PICTURES):
                table = part.slice(start, PICTURES)
                names = table.column(FILE)
                cells = pa.array([load(name) for name in names.to_pylist()], pa.binary())
                table = table.set_column(table.column_names.index(FILE), image, cells)
                yield table if ORIGIN in index.columns else table.append_column(ORIGIN, names)

    return Source(path, tuple(image if name == FILE else name for name in index.columns), read)


def _loader(folder: Path) -> Callable[[str], bytes | None]:
    """What gives the image of a name as PNG. Where it is none, the row is refused and has the bytes of the file as they
    are; none where there is no such file, or one that is far too large for an image of ours.
    """
    inside = folder.resolve()

    def load(name: str) -> bytes | None:
        from PIL import Image

        file = (inside / name.strip()).resolve()
        if "\\" in name and not file.is_file():  # an index that was written on Windows
            file = (inside / name.strip().replace("\\", "/")).resolve()
        if not file.is_relative_to(inside):
            raise DataError(f"{folder.name}/{INDEX} names {name!r}, which lies outside of the folder; move the file in")
        if not file.is_file():
            return None
        content = file.read_bytes()
        try:
            with Image.open(io.BytesIO(content)) as image:
                if image.format == "PNG" and image.mode in ("L", "RGB"):
                    return content
                return _png(np.asarray(_plain(image)))
        except unreadable():
            return content if len(content) <= KEPT_AT_MOST else None

    return load


def _plain(image: Any) -> Any:
    """A picture of two tones, of a palette, for print, or with nothing see-through in it, as grey or as RGB.

    Raises:
        ValueError: if something in it is.
    """
    from PIL import Image

    if image.mode in ("1", "CMYK"):
        return image.convert("L" if image.mode == "1" else "RGB")
    if image.mode in ("LA", "RGBA", "P", "PA"):
        full = image.convert("RGBA")
        if full.getextrema()[3][0] < 255:
            raise ValueError("it is see-through, and what is behind it, nobody knows")
        red, green, blue, _ = full.split()
        grey = image.mode == "LA" or red.tobytes() == green.tobytes() == blue.tobytes()
        return red if grey else Image.merge("RGB", (red, green, blue))
    return image
