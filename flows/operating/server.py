"""The Prefect server of a run: one that is already there, or a local one for as long as the run lasts.

A real server and not Prefect's ephemeral one, which loses task-run records. Its database stays
below the store, so that `ropewalk ui` shows the run afterwards. This file does not import Prefect,
whose settings are read from the environment when it is first imported.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from flows.operating.restarts import Restarts
from flows.operating.server_access import (
    ANY_ADDRESS,
    CLIENT_VARIABLE,
    SERVER_VARIABLE,
    is_loopback,
    make_credentials,
    read_credentials,
)
from flows.operating.server_checks import ServerError, is_healthy, require_free_port, require_not_older
from lib.store.atomic_write import write_atomically
from lib.store.locks import exclusive, read_holder, sign, try_exclusive

logger = logging.getLogger("ropewalk.server")

HOST = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parents[2]
APP = "flows.operating.app:create_app"
SERVING = "serving.lock"  # held by whoever serves the store, below its `prefect/`
SERVED_STORE = "ROPEWALK_STORE_SERVED"  # for flows/operating/app.py
START_TIMEOUT_S = 120.0  # the first start creates the database: 9 s on two quiet cores
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
LOOK_S = 2.0  # longer than somebody holds a lock only to see whether it is free
LOG_LINES_SHOWN = 15

# Client and server alike: nothing goes out, nothing but errors of ours reaches the terminal, while
# the server still gets the logs of flow and task runs.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    "PREFECT_CLI_PROMPT": "false",
    # What the chain has to say, such as for whom a stage waits, stands in the logs of its runs.
    "PREFECT_LOGGING_EXTRA_LOGGERS": "ropewalk",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
}


class LocalServer:
    """A server process with its database below the store."""

    def __init__(self, store_root: Path, port: int = 0, host: str = HOST):
        self._root = store_root.absolute()
        self.home = self._root / "prefect"
        self.is_new_password = False
        self._host, self._is_port_given, self.port = host, port != 0, port or _free_port()
        self.credentials: str | None = None  # user:password, where it asks for them
        self._process: subprocess.Popen | None = None
        self._is_kept, self._has_ended = False, threading.Event()
        self._restarts = Restarts()
        self._starting = ExitStack()
        own = HOST if host in ANY_ADDRESS else host
        self.ui_url = f"http://{f'[{own}]' if ':' in own else own}:{self.port}"
        self.url = f"{self.ui_url}/api"

    def start(self) -> None:
        """Start the process; `wait` until it answers. It dies with this one.

        Until then a lock is held, as two servers that create one database at once fail. Raises ServerError
        where the port that was asked for is taken.
        """
        if self._is_port_given:
            require_free_port(self._host, self.port)
        if not is_loopback(self._host) or os.environ.get(SERVER_VARIABLE):
            self.credentials, self.is_new_password = make_credentials(self.home)
        self._starting.enter_context(exclusive(self.home / "start.lock"))
        # The guard ends the server when this process is gone, and at last one that does not heed SIGTERM.
        command = [sys.executable, "-m", "lib.workers.guard", str(os.getpid())]
        command += [sys.executable, "-m", "uvicorn", "--app-dir", str(REPOSITORY), "--factory", APP]
        command += ["--host", self._host, "--port", str(self.port), "--timeout-keep-alive", "5"]
        command += ["--log-level", "warning"]
        with (self.home / "server.log").open("a" if self._is_kept else "w") as log:
            self._process = subprocess.Popen(
                command,
                env=os.environ | self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Return when the server answers; raises ServerError with the end of its log."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if is_healthy(self.url):
                self._starting.close()
                return
            if self._process.poll() is not None:
                if not self._restarts.may_start_again():
                    break
                self._starting.close()
                self.start()
            time.sleep(POLL_S)
        self.stop()
        raise self._failed(
            "did not start",
            "start one by hand (`prefect server start`), set PREFECT_API_URL to its address, run again",
        )

    @contextmanager
    def kept_running(self) -> Iterator[None]:
        """While this lasts, a server that ends is started again at its address, with its database; then it is stopped.

        Whoever asks it meanwhile asks again, as Prefect's clients do.
        """
        done = threading.Event()
        self._is_kept = True
        thread = threading.Thread(target=self._keep, args=(done,), daemon=True, name="keep-server")
        thread.start()
        try:
            yield
        finally:
            done.set()
            while thread.is_alive():  # it may just be starting another
                self.stop()
                thread.join(POLL_S)

    def _keep(self, done: threading.Event) -> None:
        while True:
            status = self._process.wait()
            if done.is_set() or not self._restarts.may_start_again():
                break
            logger.warning("The local Prefect server has ended (%s); it is started again.", status)
            try:
                self.start()
                self.wait()
            except (ServerError, OSError) as error:
                if not done.is_set():
                    logger.warning("%s", error)
                break
        self._has_ended.set()

    def require_alive(self) -> None:
        """Raises ServerError with the end of its log."""
        if self._has_ended.is_set() if self._is_kept else self._process.poll() is not None:
            raise self._failed("has ended", "start it again; what was running goes on from its last checkpoint")

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
        """Return when a server that is kept running has ended for good."""
        self._has_ended.wait()

    def _failed(self, how: str, next_step: str) -> ServerError:
        log = self.home / "server.log"
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
        return ServerError(f"The local Prefect server {how}:\n{tail}", where=str(log), next_step=next_step)

    def _environment(self) -> dict[str, str]:
        protected = {SERVER_VARIABLE: self.credentials} if self.credentials else {}
        return QUIET | {
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{self.home / 'prefect.db'}",
            "PREFECT_SERVER_API_HOST": self._host,
            "PREFECT_SERVER_API_PORT": str(self.port),
            # Nobody knows by which name a browser comes: the page asks the address it came from.
            "PREFECT_SERVER_UI_API_URL": "/api",
            # In notifications; behind a proxy only the user knows it.
            "PREFECT_UI_URL": os.environ.get("PREFECT_UI_URL", self.ui_url),
            "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": self.ui_url,
            # In memory, the slots of a limit would stay taken when the server restarts.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
            SERVED_STORE: str(self._root),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")])),
            **protected,
        }


def keep_quiet() -> None:
    """For this process; what the user has set stays."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def serving(store_root: Path) -> Iterator[LocalServer | None]:
    """Point Prefect at a server; yields the local one if it had to be started, not yet waited for.

    PREFECT_API_URL comes first, then a running `ropewalk ui` or `ropewalk serve` of the same store. Prefect must not
    have been imported before. Raises ServerError where that server cannot be used.
    """
    given, home = os.environ.get("PREFECT_API_URL"), store_root.absolute() / "prefect"
    if _is_usable(given, home):
        yield None
        return
    if given:
        print(f"PREFECT_API_URL ({given}) does not answer; a local server is used instead.", file=sys.stderr)
    if _use_registered(home):
        yield None
        return
    server = LocalServer(store_root)
    point_at(server.url, home)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def require_server(store_root: Path) -> str:
    """Point Prefect at the server of PREFECT_API_URL, or else at that of the store, and return its API's address.

    Raises ServerError where there is none or it cannot be used; none is started.
    """
    given, home = os.environ.get("PREFECT_API_URL"), store_root.absolute() / "prefect"
    if _is_usable(given, home):
        return given
    if given:
        raise ServerError(
            "The Prefect server does not answer.",
            where=f"PREFECT_API_URL={given}",
            next_step="start it, or correct the address, which ends in /api",
        )
    if known := _use_registered(home):
        return known
    raise ServerError(
        "There is no Prefect server: PREFECT_API_URL is not set, and none serves the store.",
        where=str(store_root),
        next_step="set PREFECT_API_URL=http://HOST:4200/api, or start one with `ropewalk serve`",
    )


@contextmanager
def lasting_server(store_root: Path, port: int, host: str = HOST) -> Iterator[LocalServer]:
    """A server that runs of the same store make use of; raises ServerError where the store has one already."""
    home = store_root.absolute() / "prefect"
    if port and not home.exists():
        require_free_port(host, port)  # before a folder is made for nothing
    home.mkdir(parents=True, exist_ok=True)
    lock = home / SERVING
    if (file := _lock_soon(lock)) is None:
        holder = read_holder(lock)
        raise ServerError(
            f"The store has a server already: that of {holder.process if holder else 'another process'}.",
            where=_registered(home) or str(home),
            next_step="use that one, or end its process first",
        )
    with file:
        sign(file, "")
        server = LocalServer(store_root, port, host)
        server.start()
        try:
            server.wait()
            write_atomically(home / "server.json", json.dumps({"url": server.url}))
            with server.kept_running():
                yield server
        finally:
            (home / "server.json").unlink(missing_ok=True)  # another store's server may take the port
            server.stop()


def point_at(url: str, home: Path, credentials: str | None = None) -> None:
    """Let Prefect, once it is imported, and processes started from here use the server with its database at `home`.

    It asks for `credentials`; where they are not given for those that the user has set, or else for its home's.
    """
    os.environ |= {"PREFECT_API_URL": url, "PREFECT_HOME": str(home)}
    if credentials:
        os.environ[CLIENT_VARIABLE] = credentials
    elif known := read_credentials(home):
        os.environ.setdefault(CLIENT_VARIABLE, known)


def ask_directly(host: str) -> None:
    """No proxy stands between this machine and the server."""
    os.environ["NO_PROXY"] = ",".join(filter(None, [os.environ.get("NO_PROXY"), host]))


def _is_usable(given: str | None, home: Path) -> bool:
    """Whether there is a server at the address that the user has given; raises ServerError for one that is too old.

    Where it is the store's own, its password is known.
    """
    keep_quiet()
    ask_directly(HOST)
    if not given or not is_healthy(given):
        return False
    if given == _registered(home):
        point_at(given, home)
    require_not_older(given)
    return True


def _use_registered(home: Path) -> str | None:
    """Point Prefect at the server that `ropewalk ui` or `ropewalk serve` has started for the store, if it is up."""
    if (known := _registered(home)) is not None:
        point_at(known, home)
        require_not_older(known)
    return known


def _lock_soon(lock: Path) -> IO[str] | None:
    """Locked, unless another process holds it for longer than a look takes."""
    deadline = time.monotonic() + LOOK_S
    while (file := try_exclusive(lock)) is None and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return file


def _registered(home: Path) -> str | None:
    """The address that whoever serves the store has left; a dead one's may be another store's server by now."""
    with suppress(OSError):
        if (lock := try_exclusive(home / SERVING)) is not None:
            lock.close()
            return None
    try:
        url = json.loads((home / "server.json").read_text())["url"]
    except (OSError, ValueError, KeyError):
        return None
    return url if is_healthy(url) else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]
