"""Who may ask, how often, how much, and for how long."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys

import pytest
from made import GOOD, add_model, eventually, make_project, served

from serving.desk import Desk
from serving.guard import ClientGone, Guard
from serving.refusal import Refusal
from ssgan.config import ServeParams, set_knob
from ssgan.errors import UserError
from ssgan.process import free_port
from ssgan.ship.champion import model_folder, promote
from ssgan.ship.keys import make_key, owner_of, parse_keys, sha256_of


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    """A service that asks for keys, and one key."""
    project = make_project(tmp_path_factory.mktemp("keyed") / "project")
    key = make_key(project.root / "keys.txt", "ward-7")
    with served(project, add_model(project), keys="keys.txt") as (client, desk):
        yield client, key, project, desk


@pytest.mark.parametrize(
    "given", [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer wrong"}, {"x-api-key": "\xff"}]
)
def test_without_a_known_key_only_the_page_and_the_signs_of_life_answer(keyed, given) -> None:
    client = keyed[0]
    given = {name: value.encode("latin-1") for name, value in given.items()}
    for path in ("/v1/schema", "/v1/lineage", "/docs.json", "/metrics"):
        assert client.get(path, headers=given).status_code == 401
    said = client.post("/v1/predict", json=GOOD, headers=given)
    assert said.status_code == 401
    assert said.headers["www-authenticate"] == "Bearer"
    assert client.get("/ui").status_code == client.get("/readyz").status_code == 200


def test_a_known_key_opens_in_either_header(keyed) -> None:
    client, key, *_ = keyed
    for headers in ({"x-api-key": key}, {"authorization": f"Bearer {key}"}):
        assert client.post("/v1/predict", json=GOOD, headers=headers).status_code == 200


def test_the_file_holds_hashes_for_its_owner_alone_and_is_read_again_when_it_changes(keyed) -> None:
    client, key, project, desk = keyed
    path = project.root / "keys.txt"
    assert key not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    other = make_key(path, "ward-8")
    desk.guard.follow_keys()
    assert client.get("/v1/schema", headers={"x-api-key": other}).status_code == 200
    path.write_text("ward-8 nonsense\n")
    desk.guard.follow_keys()  # unreadable: the keys stay
    assert client.get("/v1/schema", headers={"x-api-key": other}).status_code == 200


def test_a_line_taken_out_of_the_file_is_a_key_gone_while_the_service_runs(own) -> None:
    file = own.root / "keys.txt"
    gone, stays = (make_key(file, name) for name in ("ward-7", "ward-8"))

    def asked_with(key: str) -> int:
        return client.get("/v1/schema", headers={"x-api-key": key}).status_code

    with served(own, add_model(own), keys="keys.txt") as (client, _):
        assert asked_with(gone) == asked_with(stays) == 200
        file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("ward-7 ")))
        eventually(lambda: asked_with(gone) == 401)
        assert asked_with(stays) == 200


def test_keys_may_come_from_the_environment(own, monkeypatch) -> None:
    monkeypatch.setenv("SSGAN_KEYS", f"a:{sha256_of(b'first')},b:{sha256_of(b'second')}")
    with served(own, add_model(own)) as (client, _):
        assert client.get("/v1/schema").status_code == 401
        assert client.get("/v1/schema", headers={"x-api-key": "second"}).status_code == 200


def test_a_wrong_line_of_keys_is_named() -> None:
    with pytest.raises(UserError, match="line 2"):
        parse_keys(f"# ours\nward-7 tooshort\nward-8 {'0' * 64}")
    assert owner_of(b"k", {"a": "0" * 64, "b": sha256_of(b"k")}) == "b"


def test_too_many_requests_of_one_caller_wait_and_others_do_not(own) -> None:
    make_key(own.root / "keys.txt", "one")
    keys = [make_key(own.root / "keys.txt", name) for name in ("two", "three")]
    with served(own, add_model(own), keys="keys.txt", requests_per_second=0.001) as (client, _):
        first, second, other = (client.get("/v1/schema", headers={"x-api-key": keys[n]}) for n in (0, 0, 1))
    assert (first.status_code, second.status_code, other.status_code) == (200, 429, 200)
    assert int(second.headers["retry-after"]) > 100


def test_more_requests_at_once_than_allowed_are_sent_away() -> None:
    guard = Guard(ServeParams(at_once_at_most=2), None)
    with guard.entered(), guard.entered():
        with pytest.raises(Refusal) as refused, guard.entered():
            pass
        assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "1")
    with guard.entered():
        assert guard.under_way == 1


def test_a_body_over_the_cap_is_refused_plain_and_chunked(asked) -> None:
    big = b" " * 300_000
    headers = {"content-type": "application/json"}
    assert asked.post("/v1/predict_many", content=big, headers=headers).status_code == 413
    chunks = (big[:50_000] for _ in range(6))
    assert asked.post("/v1/predict_many", content=chunks, headers=headers).status_code == 413


@pytest.mark.parametrize(
    ("length", "status"), [(b"ten", 400), (b"-1", 400), (b"1_0", 400), (b"9" * 400, 413), (b"", 400)]
)
def test_a_length_that_is_none_is_refused(length, status) -> None:
    guard = Guard(ServeParams(), None)

    async def never():
        raise AssertionError("the body must not be read")

    with pytest.raises(Refusal) as refused:
        asyncio.run(guard.body({"headers": [(b"content-length", length)]}, never))
    assert refused.value.status == status


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    guard = Guard(ServeParams(body_seconds_at_most=0.01), None)

    async def silent():
        await asyncio.Event().wait()

    with pytest.raises(Refusal) as refused:
        asyncio.run(guard.body({"headers": []}, silent))
    assert refused.value.status == 408


def test_a_client_that_leaves_is_not_answered() -> None:
    async def gone():
        return {"type": "http.disconnect"}

    with pytest.raises(ClientGone):
        asyncio.run(Guard(ServeParams(), None).body({"headers": []}, gone))


def test_callers_that_are_made_up_do_not_fill_the_memory(monkeypatch) -> None:
    monkeypatch.setattr("serving.guard.CALLERS_AT_MOST", 10)
    guard = Guard(ServeParams(requests_per_second=1), None)
    for number in range(100):
        guard.count(str(number))
    assert len(guard._rates) == 10


def test_without_keys_in_the_environment_nobody_is_asked(asked) -> None:
    assert "SSGAN_KEYS" not in os.environ
    assert asked.get("/v1/schema").status_code == 200


def test_a_key_leaves_the_comments_of_its_file_alone_and_has_a_name_without_blanks(tmp_path) -> None:
    file = tmp_path / "keys.txt"
    file.write_text("# who may ask", encoding="utf-8")
    key = make_key(file, "ward-7")
    assert file.read_text(encoding="utf-8") == f"# who may ask\nward-7 {sha256_of(key.encode())}\n"
    with pytest.raises(UserError, match=r"a key's name must be .* it is 'ward 7'"):
        make_key(file, "ward 7")


@pytest.mark.parametrize("held", ["", " , ", "# nobody"])
def test_keys_in_the_environment_that_hold_no_key_do_not_open_the_door(held, monkeypatch) -> None:
    monkeypatch.setenv("SSGAN_KEYS", held)
    with pytest.raises(UserError, match="SSGAN_KEYS is set and holds no key"):
        Guard(ServeParams(), None)


def test_a_file_of_keys_that_is_not_there_is_named_before_a_server_starts(own, ssgan_here) -> None:
    promote(own, add_model(own))
    set_knob(own.params, "serve.keys=keys.txt")
    code, said = ssgan_here("serve", "-C", own.root, "--port", free_port())
    assert (code, said.count("\n")) == (2, 1)
    assert f"{own.root / 'keys.txt'} is not there" in said
    assert "`ssgan key NAME` makes it" in said


def test_a_damaged_champion_is_one_sentence_before_a_server_starts(own, ssgan_here) -> None:
    tag = add_model(own)
    promote(own, tag)
    (model_folder(own, tag) / "encoder.json").write_text("{}")
    code, said = ssgan_here("serve", "-C", own.root, "--port", free_port())
    assert (code, said.count("\n")) == (1, 1)
    assert "encoder.json is not the file that was stored" in said
    assert "package this one again with `ssgan package`" in said


def test_a_log_that_cannot_be_written_is_one_sentence_at_the_start(own) -> None:
    tag = add_model(own)
    promote(own, tag)
    own.runtime.mkdir()
    (own.runtime / "predictions").write_text("in the way")
    with pytest.raises(UserError, match=r"serve\.log is true, and .*predictions cannot be written \(File exists\)"):
        Desk(ServeParams(log=True), own.root).open(model_folder(own, tag))


def test_a_knob_of_the_environment_that_is_none_is_named() -> None:
    environment = os.environ | {"SSGAN_MODEL_TAG": "ssgan-toy:0", "SSGAN_SERVE": '{"body_at_most": 5}'}
    command = [sys.executable, "-c", "import serving.service"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    told = done.stderr.strip().splitlines()[-1]
    assert "SSGAN_SERVE must hold the section `serve` as JSON" in told
    assert told.endswith("`body_at_most` is not a key; did you mean `body_at_most_mb`?")
