"""The environment in which the outside tools run: quiet, and not phoning home.

Import this before any of them. Variables that the user has set win, except the ones that would send data out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

PATH_AS_FOUND = os.environ.get("PATH", os.defpath)  # the user's own, before this interpreter was put first

_NO_REPORTS_HOME = {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "BENTOML_DO_NOT_TRACK": "True",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}
_QUIET = {
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # the default of 20 s is too short on two cores
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",  # our own display speaks; the server keeps the full log
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MPLBACKEND": "Agg",
}
_OF_THIS_MACHINE = ("127.0.0.1", "localhost")  # where our servers listen: no proxy leads there


def environment() -> dict[str, str]:
    """The variables a child process gets: this process's, the switches above, and this interpreter first in PATH.

    A DVC stage says `ssgan train`, so the `ssgan` beside the running interpreter must be the one that is found.
    """
    scripts = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    if path.split(os.pathsep)[0] != scripts:
        path = scripts + os.pathsep + path
    return {**_QUIET, **os.environ, **_NO_REPORTS_HOME, **_no_proxy(), "PATH": path}


def _no_proxy() -> dict[str, str]:
    """The user's exceptions from the proxy, and this machine; under both names, as a tool may read only one."""
    given = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    hosts = [host for host in map(str.strip, given.split(",")) if host]
    if "*" not in hosts:  # which means every host, and only by itself
        hosts += [host for host in _OF_THIS_MACHINE if host not in hosts]
    return dict.fromkeys(("no_proxy", "NO_PROXY"), ",".join(hosts))


def apply() -> None:
    """Makes this process's own environment such."""
    os.environ.update(environment())
