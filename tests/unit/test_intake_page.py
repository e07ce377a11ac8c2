"""The page about a batch: whole, safe, and without a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from ssgan.contract import Contract
from ssgan.intake.batch import read_batch
from ssgan.intake.page import page
from ssgan.intake.reference import Reference, read_reference
from ssgan.intake.validate import validate

CONTRACT = Contract.model_validate(
    {
        "name": "t",
        "task": "classification",
        "id": "id",
        "label": {"column": "y", "classes": ["ill", "well"]},
        "columns": {
            "a<b>": {"type": "number", "min": -10, "max": 10},
            "c": {"type": "category", "values": ["u & v", "w"]},
        },
        "rules": {"labelled_at_least": 2, "labelled_per_class_at_least": 0},
    }
)


def frame(rows, seed, shift=0.0):
    rng = np.random.default_rng(seed)
    columns = {"a<b>": rng.normal(shift, 1, rows), "c": rng.choice(["u & v", "w"], rows)}
    return pd.DataFrame({"id": [f"{seed}-{row}" for row in range(rows)], **columns, "y": ["ill", "well"] * (rows // 2)})


def written(tmp_path, table, reference):
    table.to_csv(tmp_path / "<script>alert(1)</script>.csv".replace("/", "_"), index=False)
    path = next(tmp_path.glob("<script>*"))
    judged = validate(read_batch(path, CONTRACT), CONTRACT, reference)
    path.unlink()
    return judged, "".join(page(judged.verdict, judged.tally))


class Tags(HTMLParser):
    """Which tags a page has, and every attribute."""

    def __init__(self):
        super().__init__()
        self.seen, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs


def test_the_page_says_what_was_decided_and_draws_every_column(tmp_path):
    first, _ = written(tmp_path, frame(100, 1), Reference())
    pq.write_table(first.accepted, tmp_path / "accepted.parquet")
    reference = read_reference([tmp_path / "accepted.parquet"], CONTRACT)
    shifted = frame(100, 2, shift=1.5).astype(object)
    shifted.loc[3, "a<b>"] = "<img src=x>"
    judged, text = written(tmp_path, shifted, reference)
    assert judged.verdict.decision == "reject"
    tags = Tags()
    tags.feed(text)
    assert tags.seen.count("svg") == tags.seen.count("figure") == 2
    assert not {"script", "img", "link", "iframe"} & {*tags.seen}
    assert not [value for _, value in tags.attributes if value and re.search(r"https?:|//", value)]
    assert "url(" not in text
    assert "What keeps it out" in text
    assert "&lt;img src=x&gt;" in text
    assert "drifted" in text
    assert len(text) < 40_000
