"""States, provinces, counties and other subdivisions of countries."""

from __future__ import annotations

import pycountry

from lib.sources.atlas.countries import country_id
from lib.sources.atlas.names import plain_spelling
from lib.sources.raw_graph import RawGraph


def subdivision_id(code: str) -> str:
    return f"subdivision:{code}"


def add_subdivisions(graph: RawGraph) -> None:
    """ISO 3166-2, with the larger subdivision where one contains another."""
    for item in pycountry.subdivisions:
        if country_id(item.country_code) not in graph.entities:
            continue
        subject = subdivision_id(item.code)
        label = item.name.split(" [")[0].strip()
        graph.add_entity(subject, label, "subdivision", [plain_spelling(label)])
        graph.add_attribute(subject, "subdivision_code", item.code, kind="text")
        graph.add_attribute(subject, "kind_of_subdivision", item.type.lower(), kind="text")
        graph.add_fact(subject, "country", country_id(item.country_code))
        if item.parent_code:
            graph.add_fact(subject, "parent_subdivision", subdivision_id(item.parent_code))
