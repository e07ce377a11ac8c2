"""The champion behind HTTP: BentoML's server as a child process."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from ssgan import settings
from ssgan.config import read_params
from ssgan.process import HOST, Server, require_free, server
from ssgan.project import Project
from ssgan.ship.champion import require_champion


@contextlib.contextmanager
def serving_champion(project: Project, port: int | None = None) -> Iterator[Server]:
    """Serves the champion while the block runs.

    Args:
        project: Where.
        port: To listen on; None means the one in `params.yaml`.

    Yields:
        The server; its `url` is `http://127.0.0.1:<port>`.

    Raises:
        ProjectError: if there is no champion.
        PortError: if the port is taken.
        ToolError: if the service does not come up.
    """
    params = read_params(project.params).serve
    champion = require_champion(project)
    number = params.port if port is None else port
    require_free(number)
    url = f"http://{HOST}:{number}"
    command = [sys.executable, "-m", "bentoml", "serve", champion.tag, "--host", HOST, "--port", str(number)]
    environment = settings.environment() | {
        "BENTOML_HOME": str(project.bentos),
        "SSGAN_BODY_AT_MOST_MB": str(params.body_at_most_mb),
    }
    with server(command, url, f"{url}/readyz", project.runtime / "service.log", environment) as running:
        running.wait()
        yield running
