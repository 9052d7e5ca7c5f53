"""A Prefect worker of a work pool on this machine, as a child process that leaves nothing behind.

Between this process and the worker stands `lib.workers.guard`: it ends the worker, its flow runs and their jobs when
it is told to, and when this process is gone, SIGKILL included.
"""

from __future__ import annotations

import logging
import os
import shlex
import socket
import subprocess
import sys
import uuid
from contextlib import nullcontext
from pathlib import Path

from flows.operating.restarts import Restarts
from flows.operating.server_checks import ServerError
from lib.workers.guard import GRACE_S
from lib.workers.process_tree import MARKER, kill_marked

logger = logging.getLogger("ropewalk.worker")

STOP_TIMEOUT_S = GRACE_S + 5.0
# A dispatched stage waits at most so long until a worker asks for it (Prefect's own: 10), and a worker that has ended
# counts as gone after three heartbeats (Prefect's own: 30).
INTERVALS = {"PREFECT_WORKER_QUERY_SECONDS": "2", "PREFECT_WORKER_HEARTBEAT_SECONDS": "5"}
LOG_LINES_SHOWN = 15
REPOSITORY = Path(__file__).resolve().parents[2]


class Worker:
    """A process worker.

    Args:
        log: where it writes; None: where this process does.
        environment: added to this process's, for it and for its flow runs.
        name: by which the pages list it.
        limit: runs at once; None: as many as the pool lets it have.
    """

    def __init__(
        self,
        pool: str,
        *,
        log: Path | None = None,
        environment: dict[str, str],
        name: str = "",
        limit: int | None = None,
    ):
        self.pool, self.name, self._log = pool, name or worker_name(pool), log
        self._command = [sys.executable, "-m", "lib.workers.guard", str(os.getpid())]
        self._command += [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
        self._command += ["--name", self.name]
        self._command += ["--limit", str(limit)] if limit else []
        self._marker = uuid.uuid4().hex
        self._variables = os.environ | self._environment() | environment | {MARKER: self._marker}
        self._restarts = Restarts()
        self._start("w")

    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def start_again(self) -> None:
        """After it has ended, and its flow runs with it. Raises ServerError where that has not helped before."""
        if not self._restarts.may_start_again():
            raise self._ended()
        logger.warning("%s; it is started again.", self._how())
        kill_marked(self._marker)  # flow runs that have outlived their guard
        self._start("a")

    def require_alive(self) -> None:
        """Raises ServerError with the end of the worker's log."""
        if self.has_ended():
            raise self._ended()

    def _start(self, mode: str) -> None:
        with self._log.open(mode) if self._log else nullcontext() as file:
            self._process = subprocess.Popen(
                self._command,
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT if file else None,
                start_new_session=True,
            )

    def _how(self) -> str:
        return f"The worker of the pool {self.pool} has ended ({self._process.returncode})"

    def _ended(self) -> ServerError:
        if self._log is None:
            return ServerError(f"{self._how()}; it has said above why.", next_step="start it again")
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:])
        return ServerError(f"{self._how()}:\n{tail}", where=str(self._log), next_step="start `ropewalk serve` again")

    def tell_to_stop(self) -> None:
        self._process.terminate()

    def wait_until_stopped(self) -> None:
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        kill_marked(self._marker)

    @staticmethod
    def _environment() -> dict[str, str]:
        # A flow run's folder is another than this one: modules of a checkout that is not installed are found by path.
        modules = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        # The deployments of a fleet say `python`, since each machine has an interpreter of its own.
        programs = os.pathsep.join(filter(None, [str(Path(sys.executable).parent), os.environ.get("PATH")]))
        return INTERVALS | {"PYTHONPATH": modules, "PATH": programs}


def worker_name(pool: str) -> str:
    """By which the server knows the pool's worker on this machine, whichever process it is."""
    return f"{pool} on {socket.gethostname()}"


def job_variables() -> dict[str, str]:
    """How a worker of this machine starts a flow run: in the folder of this process, with its interpreter.

    The command is Prefect's own. Where it is not named, a worker looks for a project in that folder and for `uv`, and
    may prepare another environment with it.
    """
    return {"working_dir": str(Path.cwd()), "command": f"{shlex.quote(sys.executable)} -m prefect.engine"}


def stop(workers: list[Worker]) -> None:
    """End all of them at once."""
    for worker in workers:
        worker.tell_to_stop()
    for worker in workers:
        worker.wait_until_stopped()
