"""Nothing that a client sends makes the service fail. With SSGAN_FUZZ=50000 in the environment it looks longer.

`benchmarks/hostile.py` does the same over real HTTP, with slow clients and bodies of a gigabyte.
"""

from __future__ import annotations

import os
import sys
from collections import Counter

import pytest
from made import GOOD, ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
from mutations import KINDS, mutated

COUNT = int(os.environ.get("SSGAN_FUZZ", "1200"))
JSON = {"content-type": "application/json"}


def test_no_mutated_body_gives_a_500_and_every_refusal_says_why(asked) -> None:
    found: Counter[int] = Counter()
    for kind, path, body in mutated([GOOD, {"age": 3}], COUNT):
        said = asked.post(path, content=body, headers=JSON)
        found[said.status_code] += 1
        assert said.status_code in (200, 400, 413), (kind, body[:200], said.text)
        if said.status_code != 200:
            assert said.json()["error"]
            assert len(said.content) < 40_000
    assert sum(found.values()) == COUNT
    assert found[400] > COUNT / 2


def test_every_kind_of_mutation_is_tried() -> None:
    assert {kind for kind, *_ in mutated([GOOD], 50)} == {kind.__name__ for kind in KINDS}


@pytest.mark.parametrize("path", ["/v1/predict_file", "/v1/predict", "/v1/predict_many"])
@pytest.mark.parametrize(
    "media", ["", "a", "multipart/form-data; boundary=" + "x" * 300, "application/json; charset=x", "\xff"]
)
def test_no_content_type_gives_a_500(asked, path, media) -> None:
    said = asked.post(path, content=b"--x\r\n", headers={"content-type": media.encode("latin-1")})
    assert said.status_code in (400, 413, 415)


def test_the_service_keeps_to_its_own_description(asked) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="`pip install schemathesis` to check the description")
    from hypothesis import HealthCheck, given, settings
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    no_words_for = {"/v1/predict_file": [positive_data_acceptance]}  # a schema cannot say which bytes are a table
    described = schemathesis.openapi.from_asgi("/docs.json", asked.app)
    statuses: Counter[int] = Counter()
    for found in described.get_all_operations():

        @given(case=found.ok().as_strategy())
        @settings(
            max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
        )
        def sent_as_described(case) -> None:
            said = case.call_and_validate(excluded_checks=no_words_for.get(case.path))
            statuses[said.status_code] += 1

        sent_as_described()
    assert statuses[200] > 20
    assert max(statuses) < 500
