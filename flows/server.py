"""The Prefect server of a run: one that is already there, or a local one for as long as the run lasts.

A real server and not Prefect's ephemeral one, which loses task-run records. Its database stays
below the store, so that `ropewalk ui` shows the run afterwards. This file does not import Prefect,
whose settings are read from the environment when it is first imported.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lib.errors import RopewalkError
from lib.store.atomic_write import write_atomically
from lib.store.locks import exclusive

HOST = "127.0.0.1"
START_TIMEOUT_S = 120.0  # the first start creates the database: 9 s on two quiet cores
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
LOG_LINES_SHOWN = 15
PR_SET_PDEATHSIG = 1  # linux/prctl.h

# Client and server alike: nothing goes out, nothing but errors of ours reaches the terminal, while
# the server still gets the logs of flow and task runs.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
}


class ServerError(RopewalkError):
    """The local Prefect server does not start."""


class LocalServer:
    """A server process with its database below the store."""

    def __init__(self, store_root: Path, port: int = 0):
        self.home = store_root.absolute() / "prefect"
        self._port = port or _free_port()
        self._process: subprocess.Popen | None = None
        self._starting = ExitStack()
        self.ui_url = f"http://{HOST}:{self._port}"
        self.url = f"{self.ui_url}/api"

    def start(self) -> None:
        """Start the process; `wait` until it answers. It dies with this one.

        Until then a lock is held, as two servers that create one database at once fail.
        """
        self._starting.enter_context(exclusive(self.home / "start.lock"))
        command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
        command += ["--host", HOST, "--port", str(self._port), "--timeout-keep-alive", "5", "--log-level", "warning"]
        with (self.home / "server.log").open("w") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def wait(self) -> None:
        """Return when the server answers; raises ServerError with the end of its log."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if is_healthy(self.url):
                self._starting.close()
                return
            if self._process.poll() is not None:
                break
            time.sleep(POLL_S)
        self.stop()
        log = self.home / "server.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
        raise ServerError(
            f"The local Prefect server did not start:\n{tail}",
            where=str(log),
            next_step="start one by hand (`prefect server start`), set PREFECT_API_URL to its address, run again",
        )

    def stop(self) -> None:
        self._starting.close()
        if self._process is None or self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def watch(self) -> None:
        """Return when the process has ended."""
        self._process.wait()

    def _environment(self) -> dict[str, str]:
        return QUIET | {
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self.home / 'prefect.db'}",
            "PREFECT_SERVER_API_HOST": HOST,
            "PREFECT_SERVER_API_PORT": str(self._port),
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": self.ui_url,
        }


def keep_quiet() -> None:
    """For this process; what the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def serving(store_root: Path) -> Iterator[LocalServer | None]:
    """Point Prefect at a server; yields the local one if it had to be started, not yet waited for.

    PREFECT_API_URL comes first, then a running `ropewalk ui` of the same store. Prefect must not
    have been imported before.
    """
    keep_quiet()
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), HOST]))
    given = os.environ.get("PREFECT_API_URL")
    if given and is_healthy(given):
        yield None
        return
    if given:
        print(f"PREFECT_API_URL ({given}) does not answer; a local server is used instead.", file=sys.stderr)
    os.environ["PREFECT_HOME"] = str(store_root.absolute() / "prefect")
    if (known := _registered(store_root)) is not None:
        os.environ["PREFECT_API_URL"] = known
        yield None
        return
    server = LocalServer(store_root)
    os.environ["PREFECT_API_URL"] = server.url
    server.start()
    try:
        yield server
    finally:
        server.stop()


def serve_ui(store_root: Path, port: int) -> LocalServer:
    """Start a server that runs until it is stopped and that runs of the same store make use of."""
    server = LocalServer(store_root, port)
    server.start()
    server.wait()
    write_atomically(server.home / "server.json", json.dumps({"url": server.url}))
    return server


def is_healthy(url: str) -> bool:
    """Whether a Prefect API answers at this address; proxies are not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url.rstrip('/')}/health", timeout=2) as response:
            return response.status == 200
    except (OSError, ValueError):
        return False


def _registered(store_root: Path) -> str | None:
    try:
        url = json.loads((store_root.absolute() / "prefect" / "server.json").read_text())["url"]
    except (OSError, ValueError, KeyError):
        return None
    return url if is_healthy(url) else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _die_with_parent() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
