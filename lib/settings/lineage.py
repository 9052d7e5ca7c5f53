"""Whom a run tells what it was made from, beside the store itself."""

from __future__ import annotations

from pydantic import Field

from lib.settings.section import Section


class LineageSettings(Section):
    """OpenLineage events, for other catalogues; nothing is sent unless a destination is named."""

    openlineage: str | None = None
    """A file to append events to, one JSON line each, or the http(s) address of a receiver; needs the extra `lineage`.
    Without a path, the address is completed by `/api/v1/lineage`. A key is taken from OPENLINEAGE_API_KEY."""
    namespace: str = Field("ropewalk", min_length=1)
    """Under which the receiver files jobs and datasets."""
