"""Time zones, and the countries in which their cities and airports keep them."""

from __future__ import annotations

from collections import Counter

from lib.sources.raw_graph import RawGraph


def add_time_zones(graph: RawGraph) -> None:
    """Entities for every zone that a place keeps; ``zone_country`` where all its places share a country."""
    country_of = {s: o for s, r, o in graph.facts if r == "country"}
    places = [(zone, place) for place, relation, zone in graph.facts if relation == "time_zone"]
    countries: dict[str, Counter[str]] = {}
    for zone, place in places:
        countries.setdefault(zone, Counter())[country_of[place]] += 1
    for zone, counts in countries.items():
        graph.add_entity(zone, zone.removeprefix("time_zone:"), "time zone")
        for country in counts:
            graph.add_fact(zone, "zone_country", country)
