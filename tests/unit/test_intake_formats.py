"""Files of every format become batches, real ones too; a damaged one gives one sentence."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from ssgan.contract import Contract, read_contract
from ssgan.errors import DataError
from ssgan.intake.batch import read_batch
from ssgan.intake.draft import draft_contract
from ssgan.intake.read import sha256_of
from ssgan.intake.reference import Reference
from ssgan.intake.validate import validate
from ssgan.progress import listening

DATA = Path(os.environ.get("SSGAN_DATA", Path(__file__).parents[3] / "shared" / "data"))


def real(name: str) -> Path:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{name} is not in SSGAN_DATA, a folder of public data sets")
    return path


def images(height=32, width=32, channels=3, **changes) -> Contract:
    column = {"type": "image", "height": height, "width": width, "channels": channels}
    return Contract.model_validate(
        {
            "name": "t",
            "task": "classification",
            "label": {"column": "digit", "classes": list("0123456789")},
            "columns": {"image": column},
            "rules": {"labelled_at_least": 0, "labelled_per_class_at_least": 0},
            **changes,
        }
    )


def table(**changes) -> Contract:
    return Contract.model_validate(
        {
            "name": "t",
            "task": "regression",
            "label": {"column": "y"},
            "columns": {"a": {"type": "number"}, "c": {"type": "category", "values": ["gr\u00fcn", "rot"]}},
            "rules": {"labelled_at_least": 0},
            **changes,
        }
    )


def pixels(count, *shape):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_svhn(path: Path) -> Path:
    x = np.moveaxis(pixels(6, 32, 32, 3), 0, 3)
    savemat(path, {"X": x, "y": np.array([[1], [10], [9], [10], [2], [3]], np.uint8)})
    return path


def write_mnist(folder: Path, suffix: str = ".gz") -> Path:
    pack = gzip.compress if suffix else bytes
    (folder / f"train-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(np.arange(6, dtype=np.uint8))))
    path = folder / f"train-images-idx3-ubyte{suffix}"
    path.write_bytes(pack(idx(pixels(6, 28, 28))))
    return path


def write_folder(folder: Path, gone: str = "gone.png,1") -> Path:
    folder.mkdir()
    rows = ["file,digit"]
    for place, each in enumerate(pixels(4, 28, 28)):
        name = f"{place}.{'bmp' if place % 2 else 'png'}"
        Image.fromarray(each).save(folder / name)
        rows.append(f"{name},{place if place else ''}")
    (folder / "index.csv").write_text("\n".join([*rows, gone]) + "\n")
    return folder


def cells(batch, name):
    return [cell for part in batch.parts() for cell in part.rows.column(name).to_pylist()]


def test_label_ten_of_svhn_is_the_digit_nought(tmp_path):
    batch = read_batch(write_svhn(tmp_path / "train_32x32.mat"), images())
    assert cells(batch, "digit") == ["1", "0", "9", "0", "2", "3"]
    shown = np.asarray(Image.open(io.BytesIO(cells(batch, "image")[2])))
    np.testing.assert_array_equal(shown, pixels(6, 32, 32, 3)[2])


@pytest.mark.parametrize("suffix", [".gz", ""])
def test_idx_images_come_with_the_labels_beside_them(tmp_path, suffix):
    path = write_mnist(tmp_path, suffix)
    batch = read_batch(path, images(28, 28, 1))
    assert cells(batch, "digit") == list("012345")
    with_labels = batch.sha256
    path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1")).unlink()
    alone = read_batch(path, images(28, 28, 1))
    assert alone.manifest.unlabelled == 6
    assert alone.sha256 != with_labels


def test_npz_holds_columns_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", image=pixels(3, 28, 28), digit=np.array(["1", "", "2"]))
    assert read_batch(tmp_path / "a.npz", images(28, 28, 1)).manifest.labelled["1"] == 1
    np.savez(tmp_path / "b.npz", a=np.array([1.5, 2.5]), c=np.array(["rot", "rot"]), y=np.array([1.0, np.nan]))
    assert read_batch(tmp_path / "b.npz", table()).manifest.labelled == {"labelled": 1}


def test_a_folder_of_images_is_read_by_its_index_and_a_missing_image_is_a_bad_row(tmp_path):
    contract = images(28, 28, 1)
    judged = validate(read_batch(write_folder(tmp_path / "set"), contract), contract, Reference())
    assert (judged.verdict.rows_accepted, judged.verdict.manifest.labelled["1"]) == (4, 2)
    assert [(row.row, row.column) for row in judged.verdict.refused] == [(5, "image")]


def write_npz(folder: Path) -> Path:
    np.savez(folder / "a.npz", scan=pixels(4, 20, 24, 3), digit=np.array(["1", "0", "", "1"]))
    return folder / "a.npz"


@pytest.mark.parametrize(
    ("write", "name", "shape"),
    [
        (lambda folder: write_svhn(folder / "a.mat"), "image", (32, 32, 3)),
        (write_mnist, "image", (28, 28, 1)),
        (lambda folder: write_folder(folder / "set", gone=""), "image", (28, 28, 1)),
        (write_npz, "scan", (20, 24, 3)),
    ],
    ids=["mat", "idx", "folder", "npz"],
)
def test_a_contract_drafted_from_images_takes_them(tmp_path, write, name, shape):
    path = write(tmp_path)
    (tmp_path / "contract.yaml").write_text(draft_contract(path, "digit", "drafted"))
    contract = read_contract(tmp_path / "contract.yaml")
    column = contract.columns[name]
    assert (column.height, column.width, column.channels) == shape
    verdict = validate(read_batch(path, contract), contract, Reference()).verdict
    assert (verdict.decision, verdict.rows_refused) == ("accept", 0), verdict.sentence
    assert sum(verdict.manifest.labelled.values()) > 0


def test_images_that_are_too_large_are_refused_before_a_contract_is_drafted(tmp_path):
    np.savez(tmp_path / "a.npz", image=pixels(2, 100, 80), digit=np.array(["1", "0"]))
    with pytest.raises(DataError, match="8 to 64 pixels to a side, and the first one has 100x80"):
        draft_contract(tmp_path / "a.npz", "digit", "t")


def in_mode(mode: str) -> Image.Image:
    grey = Image.fromarray(np.array([[250, 10], [10, 250]], np.uint8)).resize((8, 8), Image.Resampling.NEAREST)
    return grey.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE) if mode == "P" else grey.convert(mode)


@pytest.mark.parametrize(("mode", "suffix"), [("P", "gif"), ("P", "png"), ("1", "png"), ("LA", "png"), ("RGBA", "png")])
def test_a_picture_of_a_palette_or_with_nothing_see_through_is_what_it_shows(tmp_path, mode, suffix):
    folder = tmp_path / "set"
    folder.mkdir()
    in_mode(mode).save(folder / f"a.{suffix}")
    (folder / "index.csv").write_text(f"file,digit\na.{suffix},1\n")
    (cell,) = cells(read_batch(folder, images(8, 8, 1)), "image")
    light, dark = (255, 0) if mode == "1" else (250, 10)
    assert np.asarray(Image.open(io.BytesIO(cell)))[::4, ::4].tolist() == [[light, dark], [dark, light]]


def test_what_is_see_through_is_no_image(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    Image.fromarray(np.full((8, 8, 4), 100, np.uint8)).save(folder / "a.png")
    in_mode("P").save(folder / "b.gif", transparency=0)
    (folder / "index.csv").write_text("file,digit\na.png,1\nb.gif,1\n")
    assert cells(read_batch(folder, images(8, 8, 3)), "image") == [None, None]


def test_a_folder_is_known_by_its_index_and_images_and_their_names_and_by_nothing_else(tmp_path):
    folder = write_folder(tmp_path / "set")
    before = sha256_of(folder)
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "Thumbs.db").write_bytes(b"x")
    assert sha256_of(folder) == before
    (folder / "0.png").rename(folder / "gone.png")
    assert sha256_of(folder) != before


def test_labels_beside_images_may_be_packed_otherwise_and_none_are_told_of(tmp_path):
    path = write_mnist(tmp_path)
    packed = tmp_path / "train-labels-idx1-ubyte.gz"
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert cells(read_batch(path, images(28, 28, 1)), "digit") == list("012345")
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    told = []
    with listening(lambda event: told.append(event.text)):
        read_batch(path, images(28, 28, 1))
    assert "all 6 images count as unlabelled" in told[0]


def test_a_mat_file_may_be_grey_and_its_ten_is_a_ten_where_there_is_a_nought(tmp_path):
    savemat(tmp_path / "a.mat", {"X": np.moveaxis(pixels(3, 8, 8, 1), 0, 3), "y": np.array([[0], [10], [3]], np.uint8)})
    contract = images(8, 8, 1, label={"column": "digit", "classes": ["0", "3", "10"]})
    batch = read_batch(tmp_path / "a.mat", contract)
    assert cells(batch, "digit") == ["0", "10", "3"]
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(cells(batch, "image")[1]))), pixels(3, 8, 8, 1)[1, ..., 0]
    )


def test_npz_may_hold_words_as_bytes_and_numbers_of_any_order(tmp_path):
    held = {"a": np.array([1.5, 2.5], ">f8"), "c": np.array([b"rot", b"rot"]), "y": np.array([1, 2], ">i4")}
    np.savez(tmp_path / "b.npz", **held)
    batch = read_batch(tmp_path / "b.npz", table())
    assert batch.manifest.labelled == {"labelled": 2}
    assert validate(batch, table(), Reference()).verdict.rows_accepted == 2


def test_an_index_may_have_been_written_on_windows(tmp_path):
    folder = write_folder(tmp_path / "set", gone="")
    (folder / "inner").mkdir()
    (folder / "0.png").rename(folder / "inner" / "0.png")
    (folder / "index.csv").write_bytes(b"\xef\xbb\xbffile,digit\r\ninner\\0.png,1\r\n")
    (cell,) = cells(read_batch(folder, images(28, 28, 1)), "image")
    assert np.asarray(Image.open(io.BytesIO(cell))).tolist() == pixels(4, 28, 28)[0].tolist()
    (folder / "index.csv").write_bytes(b"file,digit\r\n..\\..\\secret.png,1\r\n")
    with pytest.raises(DataError, match="lies outside of the folder"):
        read_batch(folder, images(28, 28, 1))


def test_an_index_that_leads_out_of_its_folder_is_refused(tmp_path):
    folder = write_folder(tmp_path / "set")
    (folder / "index.csv").write_text("file,digit\n../secret.png,1\n")
    with pytest.raises(DataError, match="lies outside of the folder"):
        read_batch(folder, images(28, 28, 1))


@pytest.mark.parametrize(
    ("encoding", "delimiter", "decimal"),
    [("utf-8", ",", "."), ("latin-1", ";", ","), ("cp1252", "\t", "."), ("utf-16", "|", ",")],
)
def test_a_csv_is_read_as_the_contract_declares_it(tmp_path, encoding, delimiter, decimal):
    rows = [["a", "c", "y"], ["1.5", "gr\u00fcn", "-2.25"], ["1e3", "rot", ""]]
    text = "".join(delimiter.join(cell.replace(".", decimal) for cell in row) + "\n" for row in rows)
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    contract = table(files={"encoding": encoding, "delimiter": delimiter, "decimal": decimal})
    judged = validate(read_batch(tmp_path / "a.csv", contract), contract, Reference())
    assert judged.accepted.select(["a", "c", "y"]).to_pydict()["a"] == [1.5, 1000.0]
    assert judged.accepted.column("c").to_pylist() == ["gr\u00fcn", "rot"]
    assert judged.accepted.column("y").to_pylist()[0] == -2.25


def test_a_wrong_declaration_is_an_error_and_no_silent_guess(tmp_path):
    (tmp_path / "a.csv").write_bytes("a;c;y\n1,5;gr\u00fcn;2\n".encode("latin-1"))
    with pytest.raises(DataError, match="declare it in the contract"):
        read_batch(tmp_path / "a.csv", table(files={"encoding": "latin-1"}))
    with pytest.raises(DataError, match="UTF-8"):
        read_batch(tmp_path / "a.csv", table(files={"delimiter": ";"}))
    point = table(files={"delimiter": ";", "encoding": "latin-1"})
    judged = validate(read_batch(tmp_path / "a.csv", point), point, Reference())
    assert {(row.rule, row.value) for row in judged.verdict.refused} == {("not a number", "1,5")}
    comma = table(files={"delimiter": ";", "encoding": "latin-1", "decimal": ","})
    (tmp_path / "b.csv").write_bytes("a;c;y\n1.5;rot;2\n1.234,5;rot;2\n1,5;rot;2\n".encode("latin-1"))
    judged = validate(read_batch(tmp_path / "b.csv", comma), comma, Reference())
    assert {row.value for row in judged.verdict.refused} == {"1.5", "1.234,5"}


MADE = {
    "digits.mat": write_svhn,
    "train-images-idx3-ubyte.gz": lambda path: write_mnist(path.parent),
    "train-images-idx3-ubyte": lambda path: write_mnist(path.parent, ""),
    "digits.npz": lambda path: np.savez(path, image=pixels(6, 28, 28), digit=np.array(list("012345"))) or path,
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("damage", ["half", "head", "tail", "words"])
def test_a_damaged_image_set_gives_one_sentence(tmp_path, name, damage):
    path = MADE[name](tmp_path / name)
    content = path.read_bytes()
    path.write_bytes(
        {
            "half": content[: len(content) // 2],
            "head": b"\xff" * 200 + content[200:],
            "tail": content[:-9],
            "words": b"these are no images",
        }[damage]
    )
    contract = images(32, 32, 3) if name.endswith("mat") else images(28, 28, 1)
    with pytest.raises(DataError) as caught:
        validate(read_batch(path, contract), contract, Reference())
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_random_damage_never_gives_a_traceback_or_a_wrong_image(tmp_path):
    rng = np.random.default_rng(0)
    for name, make in MADE.items():
        path = make(tmp_path / name)
        content = path.read_bytes()
        contract = images(32, 32, 3) if name.endswith("mat") else images(28, 28, 1)
        for _ in range(40):
            damaged = bytearray(content)
            for at in rng.integers(0, len(content), 3):
                damaged[at] = rng.integers(0, 256)
            path.write_bytes(bytes(damaged))
            try:
                batch = read_batch(path, contract)
                for part in batch.parts():
                    assert part.table.num_rows == 6
            except DataError as error:
                assert "\n" not in str(error)


def test_a_pickle_is_never_opened(tmp_path):
    np.savez(tmp_path / "a.npz", image=pixels(2, 28, 28), digit=np.array([{"a": 1}, None], dtype=object))
    with pytest.raises(DataError, match="not a readable npz"):
        read_batch(tmp_path / "a.npz", images(28, 28, 1))


def test_real_svhn_digits_are_accepted():
    contract = images()
    batch = read_batch(real("svhn_test10k/test_32x32_first10000.mat"), contract)
    part = next(batch.parts())
    assert part.good.all()
    assert batch.manifest.rows == 10_000
    assert batch.manifest.unlabelled == 0
    assert batch.manifest.labelled["0"] > 500


def test_real_mnist_digits_are_accepted():
    batch = read_batch(real("mnist/t10k-images-idx3-ubyte.gz"), images(28, 28, 1))
    assert batch.manifest.labelled == {
        **{"0": 980, "1": 1135, "2": 1032, "3": 1010, "4": 982, "5": 892, "6": 958, "7": 1028, "8": 974, "9": 1009}
    }


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("california_housing/housing.csv", "median_house_value"),
        ("stroke/healthcare-dataset-stroke-data.csv", "stroke"),
        ("insurance/insurance.csv", "charges"),
        ("obesity/ObesityDataSet_raw_and_data_sinthetic.csv", "NObeyesdad"),
    ],
)
def test_real_tables_pass_the_contract_that_is_drafted_from_them(tmp_path, name, label):
    path = real(name)
    (tmp_path / "contract.yaml").write_text(draft_contract(path, label, "real"))
    contract = read_contract(tmp_path / "contract.yaml")
    judged = validate(read_batch(path, contract), contract, Reference())
    assert judged.verdict.decision == "accept", judged.verdict.sentence
    assert judged.verdict.rows_accepted == len(pd.read_csv(path))
