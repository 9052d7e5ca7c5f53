"""What stands in the way of a server, said before it starts or is used: a taken port, an older version.

This file does not import Prefect, whose settings are read from the environment when it is first imported.
"""

from __future__ import annotations

import errno
import os
import socket
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import psutil
from packaging.version import InvalidVersion, Version

from flows.operating.prefect_api import ask
from flows.operating.server_access import CLIENT_VARIABLE, PASSWORD, USER
from lib.errors import RopewalkError

TIMEOUT_S = 2.0
SHOWN_COMMAND = 80  # characters of a command line that say what it is


class ServerError(RopewalkError):
    """A Prefect server that does not start, or that cannot be used."""


@contextmanager
def requests_explained() -> Iterator[None]:
    """Requests of Prefect's client that fail come out as ServerError."""
    import httpx

    try:
        yield
    except httpx.HTTPError as error:
        raise ServerError(
            f"Prefect's server is away, or does not do what it is asked for: {error}",
            where=os.environ.get("PREFECT_API_URL"),
            next_step="look at its log and at the space on its disk, then run the same command again",
        ) from error


def is_healthy(url: str) -> bool:
    """Whether a Prefect API answers at this address; proxies are not asked."""
    try:
        ask(url, "health", timeout_s=TIMEOUT_S)
    except OSError:
        return False
    return True


def require_free_port(host: str, port: int) -> None:
    """Raises ServerError that says who has the port, as far as this user may know."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _explain(error, host, port) from error


def require_not_older(url: str) -> None:
    """Raises ServerError where the server is of an older minor version than this client, which asks for more."""
    try:
        theirs = Version(ask(url, "admin/version", timeout_s=TIMEOUT_S))
    except urllib.error.HTTPError as error:
        if error.code != 401:
            return
        given = os.environ.get(CLIENT_VARIABLE)
        raise ServerError(
            "The Prefect server refuses the password." if given else "The Prefect server asks for a password.",
            where=url,
            next_step=f"{f'correct {CLIENT_VARIABLE}' if given else f'set {CLIENT_VARIABLE}=user:password'}; the store "
            f"of `ropewalk serve` keeps the password in prefect/{PASSWORD}, of the user {USER!r}",
        ) from error
    except (OSError, InvalidVersion):
        return
    ours = Version(version("prefect"))
    if theirs.major and theirs.release[:2] < ours.release[:2]:  # one that runs from its sources calls itself 0
        raise ServerError(
            f"The Prefect server is of version {theirs}; this is {ours}, which needs one that is not older.",
            where=url,
            next_step="upgrade the server (stop it, `pip install` the same version there, start it again), or unset "
            "PREFECT_API_URL to use a local one",
        )


def _explain(error: OSError, host: str, port: int) -> ServerError:
    if error.errno == errno.EADDRINUSE:
        return ServerError(
            f"Port {port} is in use{_by_whom(port)}.",
            where=f"{host}:{port}",
            next_step="name another with --port, or end that process",
        )
    return ServerError(
        f"Nothing can listen at {host}:{port}: {error.strerror}.",
        where=f"{host}:{port}",
        next_step="name an address of this machine with --host, and a port from 1024 on",
    )


def _by_whom(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
        pids = {c.pid for c in connections if c.laddr and c.laddr.port == port and c.status == psutil.CONN_LISTEN}
        process = psutil.Process(next(filter(None, pids)))
        return f" by process {process.pid} ({' '.join(process.cmdline())[:SHOWN_COMMAND]})"
    except (psutil.Error, OSError, StopIteration):
        return ""
