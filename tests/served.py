"""`ropewalk serve` as a user starts it, for tests that look at what it brings up."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]

Found = TypeVar("Found")


def start(store: Path, *arguments: str) -> subprocess.Popen:
    line = [sys.executable, "-m", "flows.cli", "serve", "--store", str(store), "--profile", "nano", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return subprocess.Popen(
        line, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait(condition: Callable[[], Found], timeout_s: float = 90.0) -> Found:
    """What the condition gives once it is true; a server that is too busy to answer is asked again."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with suppress(TimeoutError):
            if found := condition():
                return found
        time.sleep(0.2)
    raise AssertionError("it did not come about in time")


def of_store(store: Path, command: str = "") -> list[psutil.Process]:
    """Processes that have the store in their environment or command, this one left out.

    `command` keeps those whose command line holds it. It is read here, since a process may be gone
    by the time that the caller would ask for it.
    """
    found = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            text = " ".join([line, *process.environ().values()])
            alive = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            if alive and str(store) in text and command in line:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found
