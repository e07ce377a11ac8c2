"""The Prefect server that a run starts where the user has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ssgan import settings

PORT_IS_GIVEN_AWAY = """
import os, socket, sys, urllib.parse
from pathlib import Path
from flows.server import prefect_server

with prefect_server(Path(sys.argv[1])) as wait:
    first = os.environ["PREFECT_API_URL"]
    with socket.create_server(("127.0.0.1", urllib.parse.urlsplit(first).port)):  # the server takes seconds to begin
        from prefect import flow

        second = wait()

        @flow
        def where() -> str:
            from prefect.settings import get_current_settings

            return str(get_current_settings().api.url)

        print(first, second, os.environ["PREFECT_API_URL"], where())
print([name for name in os.environ if name.startswith("PREFECT_") and ("URL" in name or "HOME" in name)])
"""


def test_a_server_whose_port_was_taken_in_between_gets_another_and_flows_go_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PREFECT_API_URL", "PREFECT_UI_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    command = [sys.executable, "-c", PORT_IS_GIVEN_AWAY, str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, env=settings.environment(), timeout=300)
    assert done.returncode == 0, done.stderr
    addresses, variables = done.stdout.splitlines()
    first, *second = addresses.split()
    assert len({*second}) == 1
    assert first not in second
    assert variables == "[]"
    assert (tmp_path / "prefect").is_dir()
