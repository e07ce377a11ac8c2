"""The encoder: one set of bits, whichever way a row comes in."""

from __future__ import annotations

import base64
import io
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from ssgan.contract import Contract
from ssgan.errors import DataError
from ssgan.learn.encode import CLIP, EDGES, KNOTS, RARE_ROWS, SLOTS, Encoder

WORDS = ["no", "yes", "été"]
CONTRACT = Contract.model_validate(
    {
        "name": "mixed",
        "task": "classification",
        "label": {"column": "y", "classes": ["a", "b"]},
        "columns": {
            "plain": {"type": "number"},
            "word": {"type": "category", "values": WORDS},
            "gappy": {"type": "number", "nullable": True},
            "gap_word": {"type": "category", "values": WORDS, "nullable": True},
            "note": {"type": "ignore"},
        },
    }
)
IMAGES = CONTRACT.model_copy(
    update={
        "columns": Contract.model_validate(
            {**CONTRACT.model_dump(), "columns": {"picture": {"type": "image", "height": 8, "width": 9, "channels": 3}}}
        ).columns
    }
)

numbers = st.floats(allow_nan=False, allow_infinity=False, width=64) | st.integers(-5, 5)
words = st.sampled_from([*WORDS, "unseen"])
rows = st.fixed_dictionaries(
    {"plain": numbers, "word": words},
    optional={"gappy": st.none() | numbers, "gap_word": st.none() | words, "note": st.text()},
)
tables = st.lists(rows, min_size=1, max_size=40)


def as_columns(records: list[dict[str, object]]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name in ("plain", "gappy"):
        cells = [record.get(name) for record in records]
        columns[name] = np.array([np.nan if cell is None else cell for cell in cells], np.float64)
    for name in ("word", "gap_word"):
        columns[name] = np.array([record.get(name) for record in records], object)
    return columns


@given(tables, tables)
def test_a_row_encodes_to_the_same_bits_as_a_record_and_in_a_frame(train: list, asked: list) -> None:
    encoder = Encoder.fit(as_columns(train), CONTRACT)
    frame = encoder.encode_columns(as_columns(asked))
    one_by_one = np.concatenate([encoder.encode_records([record]) for record in asked])
    assert frame.dtype == np.float32
    assert frame.tobytes() == one_by_one.tobytes() == encoder.encode_records(asked).tobytes()


@given(tables, tables)
def test_the_encoder_survives_json_exactly(train: list, asked: list) -> None:
    encoder = Encoder.fit(as_columns(train), CONTRACT)
    again = Encoder.from_json(encoder.to_json())
    assert again == encoder
    assert again.to_json() == encoder.to_json()
    assert again.encode_records(asked).tobytes() == encoder.encode_records(asked).tobytes()


@given(tables, tables)
def test_every_encoded_number_is_finite_and_bounded(train: list, asked: list) -> None:
    encoder = Encoder.fit(as_columns(train), CONTRACT)
    encoded = encoder.encode_records(asked)
    assert encoded.shape == (len(asked), encoder.width)
    assert np.isfinite(encoded).all()
    assert np.abs(encoded).max() <= CLIP


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=400))
def test_encoding_keeps_the_order_of_numbers(values: list[float]) -> None:
    columns = {**as_columns([{"plain": 0.0, "word": "no"}] * len(values)), "plain": np.array(values)}
    encoded = Encoder.fit(columns, CONTRACT).encode_columns(columns)[:, 0]
    assert (np.diff(encoded[np.argsort(values)]) >= 0).all()


def many(**changes: list[object]) -> dict[str, np.ndarray]:
    """1000 rows in which every word of the contract is frequent, but for the columns given."""
    plain = {"plain": 7.0, "word": "no", "gappy": 0.0, "gap_word": "no"}
    records = [{**plain, "word": WORDS[row % 3], "gap_word": WORDS[row % 3]} for row in range(1000)]
    return {**as_columns(records), **{name: np.array(cells, object) for name, cells in changes.items()}}


def test_features_have_names_and_belong_to_columns() -> None:
    encoder = Encoder.fit(many(), CONTRACT)
    assert encoder.feature_names == (
        *("plain", "gappy", "gappy=missing"),
        *("word=no", "word=yes", "word=été"),
        *("gap_word=no", "gap_word=yes", "gap_word=été", "gap_word=missing"),
    )
    assert encoder.groups == (0, 2, 2, 1, 1, 1, 3, 3, 3, 3)
    assert encoder.shape == (10,)


def test_missing_constant_unseen_and_out_of_range_values_have_their_place() -> None:
    encoder = Encoder.fit({**many(), "gappy": np.arange(1000.0)}, CONTRACT)
    encoded = encoder.encode_records(
        [
            {"plain": 7.0, "word": "unseen", "gappy": None, "gap_word": None},
            {"plain": 99.0, "word": "yes", "gappy": 1e9, "gap_word": "no"},
        ]
    )
    assert encoded[0].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0, 1]
    assert encoded[1].tolist() == [0, 3, 0, 0, 1, 0, 1, 0, 0, 0]
    gappy = encoder.numbers[1]
    assert len(gappy.knots) <= KNOTS
    assert len(gappy.edges) == len(EDGES[CONTRACT.task])


def test_thin_words_and_unseen_ones_share_one_slot() -> None:
    words = ["no"] * (1000 - 2 * RARE_ROWS) + ["yes"] * RARE_ROWS + ["été"] * (RARE_ROWS - 1) + ["other"]
    encoder = Encoder.fit(many(word=words), CONTRACT)
    word = encoder.categories[0]
    assert word.slots == ("word=no", "word=yes", "word=rare")
    encoded = encoder.encode_records([{"plain": 7.0, "word": each} for each in ("yes", "été", "unseen", None)])
    assert encoded[:, 3:6].tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]


def test_an_unseen_word_fills_no_slot_where_no_word_is_rare() -> None:
    encoder = Encoder.fit(many(), CONTRACT)
    assert not encoder.encode_records([{"plain": 7.0, "word": "unseen"}])[0, 3:6].any()


def test_five_thousand_words_make_few_slots() -> None:
    words = [f"w{number}" for number in range(5000)]
    column = {"type": "category", "values": words}
    contract = Contract.model_validate({**CONTRACT.model_dump(), "columns": {"word": column}})
    rng = np.random.default_rng(0)
    drawn = np.array(words, object)[np.minimum(rng.geometric(0.005, 20_000), 4999)]
    encoder = Encoder.fit({"word": drawn}, contract)
    assert encoder.width == SLOTS + 1
    assert (encoder.encode_columns({"word": drawn}).sum(axis=1) == 1).all()
    frequent = {word for word, _ in Counter(drawn).most_common(SLOTS - 10)}
    assert frequent < set(encoder.categories[0].values)


def test_thousands_of_columns_have_fewer_knots_each() -> None:
    columns = {f"x{number}": {"type": "number"} for number in range(4000)}
    contract = Contract.model_validate({**CONTRACT.model_dump(), "columns": columns})
    values = np.random.default_rng(0).normal(size=(100, 4000))
    encoder = Encoder.fit({name: values[:, at] for at, name in enumerate(columns)}, contract)
    assert {len(part.knots) for part in encoder.numbers} == {65}


@example([0.0, 2.225073858507e-311])
@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=400))
def test_decoding_gives_numbers_back_as_far_as_the_knots_tell(values: list[float]) -> None:
    columns = {**as_columns([{"plain": 0.0, "word": "no"}] * len(values)), "plain": np.array(values)}
    encoder = Encoder.fit(columns, CONTRACT)
    encoded = encoder.encode_columns(columns)
    again = encoder.decode_columns(encoded)["plain"]
    assert again.min() >= min(values)
    assert again.max() <= max(values)
    assert encoder.encode_columns({**columns, "plain": again})[:, 0] == pytest.approx(encoded[:, 0], abs=0.02)


@given(tables)
def test_decoding_gives_back_words_flags_and_gaps(train: list) -> None:
    columns = as_columns(train)
    encoder = Encoder.fit(columns, CONTRACT)
    encoded = encoder.encode_columns(columns)
    decoded = encoder.decode_columns(encoded)
    assert list(decoded) == [part.name for part in encoder.parts]
    assert np.array_equal(np.isnan(decoded["gappy"]), np.isnan(columns["gappy"]))
    again = encoder.encode_columns(decoded)
    assert np.array_equal(again[:, 2:], encoded[:, 2:])  # a rare word comes back as a rare word


def test_a_column_of_whole_numbers_decodes_to_whole_numbers() -> None:
    columns = {**many(), "plain": np.arange(1000.0) % 7}
    encoder = Encoder.fit(columns, CONTRACT)
    x = encoder.encode_columns(columns)
    assert np.array_equal(encoder.decode_columns(x)["plain"], columns["plain"])
    x[:, 0] += 0.05
    assert set(encoder.decode_columns(x)["plain"]) <= set(range(7))


def test_column_all_missing_encodes_to_its_flag_and_decodes_to_missing() -> None:
    columns = {**many(), "gappy": np.full(1000, np.nan)}
    encoder = Encoder.fit(columns, CONTRACT)
    x = encoder.encode_columns(columns)
    assert x[:, 1].tolist() == [0] * 1000
    assert x[:, 2].tolist() == [1] * 1000
    assert np.isnan(encoder.decode_columns(x)["gappy"]).all()


def test_a_quantile_encoded_column_is_standard_normal() -> None:
    values = np.random.default_rng(0).exponential(size=5000)
    columns = {**as_columns([{"plain": 0.0, "word": "no"}] * 5000), "plain": values}
    encoded = Encoder.fit(columns, CONTRACT).encode_columns(columns)[:, 0]
    assert abs(encoded.mean()) < 0.01
    assert abs(encoded.std() - 1) < 0.02


@pytest.mark.parametrize("cell", ["1.5", True, [1.0]])
def test_what_is_not_a_number_is_refused_by_the_column_s_name(cell: object) -> None:
    encoder = Encoder.fit(as_columns([{"plain": 1.0, "word": "no"}]), CONTRACT)
    with pytest.raises(DataError, match="'plain' must be a number"):
        encoder.encode_records([{"plain": cell, "word": "no"}])


def test_a_column_that_is_not_there_is_named() -> None:
    encoder = Encoder.fit(as_columns([{"plain": 1.0, "word": "no"}]), CONTRACT)
    with pytest.raises(DataError, match="'plain' is missing"):
        encoder.encode_columns({})


def png(pixels: np.ndarray) -> bytes:
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG")
    return target.getvalue()


@given(st.integers(0, 2**32 - 1))
def test_an_image_is_the_same_as_bytes_and_as_text(seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 9, 3), np.uint8)
    encoder = Encoder.fit({}, IMAGES)
    frame = encoder.encode_columns({"picture": np.array([png(pixels)], object)})
    text = encoder.encode_records([{"picture": base64.b64encode(png(pixels)).decode()}])
    assert frame.tobytes() == text.tobytes()
    assert frame.shape == (1, *encoder.shape) == (1, 8, 9, 3)
    assert np.array_equal(np.round((frame[0] + 1) * 127.5), pixels)
    assert encoder.encode_columns(encoder.decode_columns(frame)).tobytes() == frame.tobytes()


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (png(np.zeros((9, 9, 3), np.uint8)), "must be 9x8 pixels; it is 9x9"),
        (b"\x89PNG\r\n\x1a\n rubbish", "must be a PNG"),
        (b"", "must be a PNG"),
        ("§§", "not base64"),
        (3.0, "base64 text; it is float"),
    ],
)
def test_what_is_not_the_image_is_refused_with_the_reason(sent: object, fault: str) -> None:
    with pytest.raises(DataError, match=fault):
        Encoder.fit({}, IMAGES).encode_records([{"picture": sent}])
