"""Airports with an IATA code."""

from __future__ import annotations

from collections import defaultdict

import airportsdata

from lib.sources.atlas.cities import time_zone_id
from lib.sources.atlas.countries import country_id
from lib.sources.atlas.names import fold, plain_spelling
from lib.sources.raw_graph import RawGraph

# An airport serves the city of its record when a city of that name lies this near, in degrees.
CITY_DISTANCE = 0.75


def add_airports(graph: RawGraph) -> None:
    """Each with its country, time zone and elevation; city and subdivision where names meet."""
    cities, divisions = _index_cities(graph), _index_divisions(graph)
    for code, row in airportsdata.load("IATA").items():
        if country_id(row["country"]) not in graph.entities or not row["name"].strip():
            continue
        subject = f"airport:{code}"
        label = row["name"].strip()
        graph.add_entity(subject, label, "airport", [plain_spelling(label)])
        graph.add_attribute(subject, "iata_code", code, kind="text")
        graph.add_attribute(subject, "icao_code", row["icao"], kind="text")
        graph.add_attribute(subject, "elevation", row["elevation"], kind="number", unit="feet")
        graph.add_attribute(subject, "latitude", row["lat"], kind="number", unit="degrees")
        graph.add_attribute(subject, "longitude", row["lon"], kind="number", unit="degrees")
        graph.add_fact(subject, "country", country_id(row["country"]))
        if row["tz"]:
            graph.add_fact(subject, "time_zone", time_zone_id(row["tz"]))
        for city, latitude, longitude in cities.get((row["country"], fold(row["city"])), ()):
            if max(abs(latitude - row["lat"]), abs(longitude - row["lon"])) <= CITY_DISTANCE:
                graph.add_fact(subject, "city_served", city)
                break
        if division := divisions.get((row["country"], fold(row["subd"]))):
            graph.add_fact(subject, "subdivision", division)


def _index_cities(graph: RawGraph) -> dict[tuple[str, str], list[tuple[str, float, float]]]:
    countries = {s: o.removeprefix("country:") for s, r, o in graph.facts if r == "country" and s.startswith("city:")}
    index = defaultdict(list)
    for city, country in countries.items():
        place = tuple(graph.attributes[(city, name)]["number"] for name in ("latitude", "longitude"))
        index[(country, fold(graph.entities[city]["label"]))].append((city, *place))
    return index


def _index_divisions(graph: RawGraph) -> dict[tuple[str, str], str]:
    """Folded name -> id, for names that a country uses once."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for subject, relation, country in graph.facts:
        if relation == "country" and subject.startswith("subdivision:"):
            found[(country.removeprefix("country:"), fold(graph.entities[subject]["label"]))].append(subject)
    return {key: ids[0] for key, ids in found.items() if len(ids) == 1}
