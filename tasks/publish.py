"""Sends to Prefect's pages what a stage has to show: card, sortable table, curves, link to the report.

A page is worth no result: whatever goes wrong here is a warning, and the stage has finished all the same.
"""

from __future__ import annotations

import base64
import logging
import math
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prefect.artifacts import (
    create_image_artifact,
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from lib.report import address
from lib.report.stage_summary import draw_curves, read_sortable
from lib.store.manifest import Reference
from tasks.cards import Finished, write_card
from tasks.run import Outcome, Run
from tasks.stage import Stage

logger = logging.getLogger("ropewalk.cards")

PROBE_TIMEOUT_S = 2.0


def publish_stage(stage: Stage, run: Run, inputs: dict[str, Reference], reference: Reference, outcome: Outcome) -> None:
    """The card of a stage, and what belongs to it where the stage has computed something."""
    with worth_no_result(f"the card of {stage.name}"):
        is_report = address.PAGE in stage.kind.paths
        url = find_report(reference, run) if is_report else ""
        done = Finished(stage, run, inputs, reference, outcome, url)
        if outcome is Outcome.COMPUTED:
            _publish_rows(done)
            _publish_curves(done)
        if is_report:
            create_link_artifact(url, link_text="Open the report", key=key_of(stage.name, "page"))
        card = create_markdown_artifact(write_card(done), key=key_of(stage.name), description=f"{outcome}: {reference}")
        run.cards[stage.name] = card_address(card)


@contextmanager
def worth_no_result(what: str) -> Iterator[None]:
    """A boundary: a page that cannot be made or sent is told, and nothing more. Each request is made once."""
    try:
        with temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}):
            yield
    except Exception as error:
        logger.warning("%s is not in Prefect's pages: %s: %s", what, type(error).__name__, error)


def key_of(stage: str, suffix: str = "") -> str:
    """An artifact key: lowercase letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{stage} {suffix}".lower()).strip("-")


def card_address(artifact: Any) -> str:
    """Where the pages show one artifact, from their own address on."""
    return f"/v2/artifacts/artifact/{artifact}"


def find_report(reference: Reference, run: Run) -> str:
    """The page's address, from the server's own on, where that serves it; otherwise that of the file."""
    path = address.path_of(reference.digest)
    server = PREFECT_API_URL.value().rstrip("/").removesuffix("/api")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{server}{path}", timeout=PROBE_TIMEOUT_S) as response:
            headers = response.headers
    except urllib.error.HTTPError as error:  # it may be there, behind the server's password
        headers = error.headers
    except OSError:
        headers = {}
    # Other servers answer any path with their own pages.
    if headers.get(address.HEADER) == reference.digest:
        return path
    return (run.store.path(reference) / address.PAGE).as_uri()


def _publish_rows(done: Finished) -> None:
    found = read_sortable(done.folder)
    if found is None:
        return
    shown = "" if found.total <= len(found.rows) else f", the first {len(found.rows):,}"
    create_table_artifact(
        [{name: _cell(value) for name, value in row.items()} for row in found.rows],
        key=key_of(done.stage.name, found.name),
        description=f"{found.name} of {done.reference}: {found.total:,} rows{shown}",
    )


def _publish_curves(done: Finished) -> None:
    for title, svg in draw_curves(done.stage.name, done.folder):
        create_image_artifact(
            image_of(svg), key=key_of(done.stage.name, title), description=f"{title}, {done.reference}"
        )


def image_of(svg: str) -> str:
    """A data address; on white, as its ink is dark and the pages may be too."""
    on_white = svg.replace("<svg", '<svg style="background:#ffffff"', 1)
    return f"data:image/svg+xml;base64,{base64.b64encode(on_white.encode()).decode()}"


def _cell(value: Any) -> Any:
    """JSON has no infinite numbers, and a table no lists."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    return value if isinstance(value, str | int | None) else str(value)
