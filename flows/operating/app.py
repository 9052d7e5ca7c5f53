"""Prefect's server with the reports of the store beside its pages, so that one click from a run opens its report.

Its pages reach nothing but this server: left to themselves they ask a host of analytics, whatever the settings say.

uvicorn calls `create_app` in the server's process; the store's place is in ROPEWALK_STORE_SERVED.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import random
import re
import time
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.operating.server import SERVED_STORE
from flows.operating.server_access import SERVER_VARIABLE
from lib.report import address

LOOPBACK = ("localhost", "127.0.0.1", "::1")
OF_ITSELF = ("prefect-in-memory", "ephemeral-prefect")  # by which Prefect's server asks itself, without a network
CSP = "Content-Security-Policy"
# A report is a page of its own: it may run its own scripts and reach neither the network nor Prefect's API.
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)
# Prefect's pages draw graphs with code that they compile and with workers that they make.
PAGE_POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:"
API = "/api/"
AWAY = 503  # what Prefect answers when another request holds SQLite's database; nothing was written then
AGAIN_S = 20.0  # for so long a request is tried again
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 0.4  # doubled with each try, up to the longest


def create_app() -> FastAPI:
    """The server, with `/reports/DIGEST` before everything else."""
    from prefect.server.api.server import create_app as create_prefect_app

    app = create_prefect_app()
    app.router.routes.insert(0, Route(address.path_of("{digest}"), _send_report))
    app.add_middleware(KeepsToItself)
    app.add_middleware(TriesAgain)
    if not os.environ.get(SERVER_VARIABLE):
        # Without a password only this machine is asked to trust: not a page elsewhere whose name leads here.
        app.add_middleware(
            TrustedHostMiddleware, allowed_hosts=[*LOOPBACK, *OF_ITSELF, os.environ["PREFECT_SERVER_API_HOST"]]
        )
    return app


class KeepsToItself:
    """Lets a browser load for a page, and send from it, only what this server has."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault(CSP, PAGE_POLICY)
            await send(message)

        await self._app(scope, receive, send_with_policy)


class TriesAgain:
    """Repeats a request to the API that met a database in use, as Prefect's client does and a browser's page does not.

    Otherwise the button that starts a run does nothing, now and then, on a busy machine.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API):
            return await self._app(scope, receive, send)
        body, give_up, wait_s = await _whole_body(receive), time.monotonic() + AGAIN_S, FIRST_WAIT_S
        while time.monotonic() < give_up:
            if not await self._is_away(scope, _repeated(body, receive), send):
                return None
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.5))
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        return await self._app(scope, _repeated(body, receive), send)

    async def _is_away(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether the database was in use; any other answer has been sent."""
        away = False

        async def unless_away(message: Message) -> None:
            nonlocal away
            away = away or message.get("status") == AWAY
            if not away:
                await send(message)

        try:
            await self._app(dict(scope), receive, unless_away)
        except Exception:  # boundary: Prefect answers, then raises what it has answered for
            if not away:
                raise
        return away


async def _whole_body(receive: Receive) -> list[Message]:
    """The messages of a request, up to the last of its body or to its end."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())
    return messages


def _repeated(body: list[Message], receive: Receive) -> Receive:
    left = iter(body)

    async def receive_again() -> Message:
        return next(left, None) or await receive()

    return receive_again


def _send_report(request: Request) -> Response:
    digest = request.path_params["digest"]
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        return PlainTextResponse("There is no such report.", 404)
    headers = {address.HEADER: digest, CSP: REPORT_POLICY}
    if not _may_read(request):
        return PlainTextResponse("Password?", 401, headers | {"WWW-Authenticate": 'Basic realm="Ropewalk"'})
    page = Path(os.environ[SERVED_STORE]) / "artifacts" / "report" / digest / address.PAGE
    if not page.is_file():
        return PlainTextResponse("This report is no longer in the store.", 404)
    return FileResponse(page, headers=headers, media_type="text/html; charset=utf-8")


def _may_read(request: Request) -> bool:
    """Where the server asks for a password, the reports do too."""
    password = os.environ.get(SERVER_VARIABLE)
    if not password:
        return True
    wanted = f"Basic {base64.b64encode(password.encode()).decode()}"
    return hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted.encode())
