"""Requests to a Prefect server without Prefect, which takes seconds to import."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from flows.operating.server_access import CLIENT_VARIABLE

TIMEOUT_S = 10.0
NOT_FOUND, UNKNOWN_RUN = 404, b"Flow run not found"  # other services have pages that they do not find, too


class OddAnswerError(ConnectionError):
    """Something answers, and not as Prefect's API does: a proxy's page, another service, another version."""


class FoundRun(BaseModel):
    """What is read of a flow run or a task run."""

    id: str
    run_count: int  # which attempt it is at
    state_type: str | None
    flow_run_run_count: int | None = None  # of a task run: in which attempt at its flow run it began


def read_flow_run(url: str, flow_run: str) -> FoundRun | None:
    """None where the server says that it does not know the run. Raises OSError."""
    try:
        answer = ask(url, f"flow_runs/{flow_run}")
    except urllib.error.HTTPError as error:
        if error.code == NOT_FOUND and UNKNOWN_RUN in error.read():
            return None
        raise
    return read_as(FoundRun, answer, url)


def find_runs(url: str, kind: str, **filters: Any) -> list[FoundRun]:
    """Runs of the kind `flow_runs` or `task_runs`, at most as many as the server gives at once. Raises OSError."""
    return read_as(list[FoundRun], ask(url, f"{kind}/filter", filters), url)


def set_state(url: str, kind: str, run: str, state: str, message: str, *, force: bool) -> None:
    """Propose a state by its type, such as CRASHED; forced, no rule of the server stands against it. Raises OSError."""
    body = {"state": {"type": state, "name": state.title(), "message": message}, "force": force}
    ask(url, f"{kind}/{run}/set_state", body)


def ask(url: str, path: str, body: Any = None, *, method: str | None = None, timeout_s: float = TIMEOUT_S) -> Any:
    """GET, or POST of a body, below the API's address. Raises OSError; proxies are not asked."""
    headers = {"Content-Type": "application/json"}
    if password := os.environ.get(CLIENT_VARIABLE):
        headers["Authorization"] = f"Basic {base64.b64encode(password.encode()).decode()}"
    data = None if body is None else json.dumps(body).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        request = urllib.request.Request(f"{url.rstrip('/')}/{path}", data, headers, method=method)
        with opener.open(request, timeout=timeout_s) as response:
            text = response.read()
        return json.loads(text) if text else None
    except (HTTPException, ValueError) as error:
        raise _odd(url, error) from error


def read_as(model: Any, answer: Any, url: str) -> Any:
    """An answer of the server as pydantic reads it; raises OddAnswerError for one of another shape."""
    try:
        return TypeAdapter(model).validate_python(answer)
    except ValidationError as error:
        raise _odd(url, error) from error


def _odd(url: str, error: Exception) -> OddAnswerError:
    return OddAnswerError(f"{url} does not answer as Prefect's API does: {error}")
