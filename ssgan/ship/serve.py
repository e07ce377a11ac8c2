"""The champion behind HTTP: BentoML's server as a child process."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ssgan import settings
from ssgan.config import ServeParams, read_params
from ssgan.errors import ProjectError, ToolError, UserError
from ssgan.process import HOST, Server, require_free, server
from ssgan.progress import say
from ssgan.project import Project
from ssgan.records import Record
from ssgan.ship.champion import require_champion
from ssgan.ship.keys import read_keys
from ssgan.ship.packaged import folder_of, load_packaged

PATIENCE = 30.0  # seconds that the server before may take to end


class Running(Record):
    """The service of a project that runs on this machine."""

    pid: int  # of `ssgan serve`
    url: str


@contextlib.contextmanager
def serving_champion(project: Project, port: int | None = None) -> Iterator[Server]:
    """Serves the champion while the block runs, and follows `champion.json`.

    Args:
        project: Where.
        port: To listen on; None means the one in `params.yaml`.

    Yields:
        The server; its `url` is `http://127.0.0.1:<port>`, or what `serve.host` and `serve.certificate` make of it.

    Raises:
        ProjectError: if there is no champion.
        PortError: if the port is taken.
        UserError: if the certificate or the file of keys cannot be used.
        ArtefactError: if the champion is damaged.
        ToolError: if the service does not come up.
    """
    params = read_params(project.params).serve
    champion = require_champion(project)
    load_packaged(folder_of(project.root, champion))  # its server would start again and again, and say why in its log
    if params.keys is not None:
        read_keys(project.root / params.keys)
    number = params.port if port is None else port
    require_free(number)
    scheme = "http" if params.certificate is None else "https"
    url = f"{scheme}://{_reachable(params.host)}:{number}"
    command = [sys.executable, "-m", "bentoml", "serve", champion.tag, "--host", params.host, "--port", str(number)]
    log = project.runtime / f"service-{number}.log"
    with server(
        [*command, *_tls(project, params)], url, f"{url}/readyz", log, _environment(project, params)
    ) as running:
        running.wait()
        _write(project, Running(pid=os.getpid(), url=url))
        yield running


def running_service(project: Project) -> Running | None:
    """The service that `ssgan serve` started last, if it still runs."""
    path = _file(project)
    if not path.is_file():
        return None
    found = Running.read(path)
    return found if _is_alive(found.pid) else None


def take_over(project: Project, before: Running, url: str, switch: str | None, drain: float) -> None:
    """Sends users to this service, and ends the one before: for changes of code, which no pointer can swap.

    Args:
        project: Where.
        before: the service that runs until now.
        url: of the new one, which answers already.
        switch: a command that points the proxy at $SSGAN_URL, such as one that rewrites a file and reloads the proxy.
        drain: seconds that requests under way get.

    Raises:
        ToolError: if the switch fails; the service before then goes on.
    """
    if switch is not None:
        environment = settings.environment() | {"SSGAN_URL": url, "SSGAN_URL_BEFORE": before.url}
        done = subprocess.run(switch, shell=True, cwd=project.root, env=environment, capture_output=True, text=True)
        if done.returncode:
            _write(project, before)
            raise ToolError(
                f"the switch failed with exit code {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}"
            )
    time.sleep(drain)
    with contextlib.suppress(ProcessLookupError):
        os.kill(before.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while _is_alive(before.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    say(f"{before.url} has ended; {url} answers")


def require_running(project: Project) -> Running:
    """The service that runs now.

    Raises:
        ProjectError: if there is none.
    """
    found = running_service(project)
    if found is None:
        raise ProjectError(f"no service of {project.root} runs here; start one with `ssgan serve`")
    return found


def _environment(project: Project, params: ServeParams) -> dict[str, str]:
    return settings.environment() | {
        "BENTOML_HOME": str(project.bentos),
        "SSGAN_PROJECT": str(project.root),
        "SSGAN_SERVE": params.model_dump_json(),
    }


def _reachable(host: str) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    every = {"0.0.0.0": HOST, "::": "[::1]"}
    return every.get(host, f"[{host}]" if ":" in host else host)


def _tls(project: Project, params: ServeParams) -> list[str]:
    """BentoML's options; the pair is tried first, as its server would otherwise start again and again.

    Raises:
        UserError: if the certificate and the key are no pair, or cannot be read.
    """
    if params.certificate is None or params.certificate_key is None:
        return []
    certificate, key = (project.root / Path(name) for name in (params.certificate, params.certificate_key))
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(f"serve.certificate and serve.certificate_key must be a PEM pair: {error.args[-1]}") from None
    options = {"--ssl-certfile": certificate, "--ssl-keyfile": key, "--ssl-ciphers": "HIGH:!aNULL"}
    return [str(part) for option in options.items() for part in option]


def _file(project: Project) -> Path:
    return project.runtime / "service.json"


def _write(project: Project, running: Running) -> None:
    running.write(_file(project))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
