"""How a report is found at a server that shows it beside its own pages."""

from __future__ import annotations

PAGE = "report.html"
HEADER = "Ropewalk-Report"  # holds the digest of the report that is sent; other servers answer any path


def path_of(digest: str) -> str:
    return f"/reports/{digest}"
