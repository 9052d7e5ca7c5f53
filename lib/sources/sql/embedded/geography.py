"""Countries, cities, airports, languages and currencies, all of the real world."""

from __future__ import annotations

from collections import Counter

from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T


def plan_geography(places: Places) -> DatabasePlan:
    continents = {id: number for number, id in enumerate(places.ids("continent"), start=1)}
    subregions = {id: number for number, id in enumerate(places.ids("subregion"), start=1)}
    zones = {id: number for number, id in enumerate(places.ids("time zone"), start=1)}
    tables = (
        _continents(places, continents),
        _subregions(places, subregions, continents),
        _named(places, "currencies", "currency", "Currencies in use."),
        _named(places, "languages", "language", "Languages that are official or spoken in some country."),
        _countries(places, continents, subregions),
        _country_languages(places),
        _borders(places),
        _time_zones(places, zones),
        _subdivisions(places),
        _cities(places, zones),
        _capitals(places),
        _airports(places, zones),
    )
    return DatabasePlan("world_geography", tables)


def _continents(places: Places, numbers: dict[str, int]) -> T:
    rows = [(number, places.label(id)) for id, number in numbers.items()]
    columns = (C("id", "INTEGER", "continent id"), C("name", "TEXT", "continent name"))
    return T("continents", "The continents.", columns, rows)


def _subregions(places: Places, numbers: dict[str, int], continents: dict[str, int]) -> T:
    """A subregion lies in the continent of most of its countries."""
    counts: dict[str, Counter[str]] = {id: Counter() for id in numbers}
    for country in places.ids("country"):
        subregion, continent = places.target(country, "subregion"), places.target(country, "continent")
        if subregion and continent:
            counts[subregion][continent] += 1
    rows = [(number, places.label(id), continents[counts[id].most_common(1)[0][0]]) for id, number in numbers.items()]
    columns = (
        C("id", "INTEGER", "subregion id"),
        C("name", "TEXT", "subregion name"),
        C("continent_id", "INTEGER", "continent", refers="continents.id"),
    )
    return T("subregions", "Parts of continents, such as Western Europe.", columns, rows)


def _named(places: Places, table: str, type_: str, description: str) -> T:
    rows = [(places.code(id), places.label(id)) for id in places.ids(type_)]
    columns = (
        C("code", "TEXT", f"{type_} code", description=f"Three-letter ISO code of the {type_}."),
        C("name", "TEXT", f"{type_} name"),
    )
    return T(table, description, columns, rows)


def _countries(places: Places, continents: dict[str, int], subregions: dict[str, int]) -> T:
    rows = []
    for id in places.ids("country"):
        row = (
            places.code(id),
            places.text(id, "three_letter_code"),
            places.label(id),
            continents[places.target(id, "continent")],  # type: ignore[index]
            subregions.get(places.target(id, "subregion") or ""),
            places.code(places.target(id, "currency")),
            places.number(id, "area"),
            places.whole(id, "population"),
            places.text(id, "calling_code"),
            places.text(id, "top_level_domain"),
            places.text(id, "demonym"),
        )
        rows.append(row)
    columns = (
        C("code", "TEXT", "country code", description="Two-letter ISO code of the country."),
        C("iso3", "TEXT", "three-letter code", description="Three-letter ISO code of the country."),
        C("name", "TEXT", "country name"),
        C("continent_id", "INTEGER", "continent", refers="continents.id"),
        C("subregion_id", "INTEGER", "subregion", refers="subregions.id"),
        C("currency_code", "TEXT", "currency", refers="currencies.code"),
        C("area_km2", "REAL", "area", description="Area in square kilometres."),
        C("population", "INTEGER", "population", description="Number of inhabitants."),
        C("calling_code", "TEXT", "calling code", description="Prefix of telephone numbers, with the plus."),
        C("top_level_domain", "TEXT", "internet domain", description="Internet domain of the country, with the dot."),
        C("demonym", "TEXT", "demonym", description="What its people are called."),
    )
    return T("countries", "Countries and territories of the world.", columns, rows, unique=(("iso3",),))


def _country_languages(places: Places) -> T:
    official: dict[tuple[str, str], bool] = {}
    for subject, relation, target in places.graph.facts:
        if relation in ("language_spoken", "official_language"):
            pair = (subject.removeprefix("country:"), target.removeprefix("language:"))
            official[pair] = official.get(pair, False) or relation == "official_language"
    rows = [(*pair, is_official) for pair, is_official in sorted(official.items())]
    columns = (
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("language_code", "TEXT", "language", refers="languages.code"),
        C("is_official", "BOOLEAN", "official", description="Whether the language is official in the country."),
    )
    return T("country_languages", "Languages of countries.", columns, rows, key=("country_code", "language_code"))


def _borders(places: Places) -> T:
    pairs = [
        (s.removeprefix("country:"), o.removeprefix("country:")) for s, r, o in places.graph.facts if r == "borders"
    ]
    columns = (
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("neighbour_code", "TEXT", "neighbouring country", refers="countries.code"),
    )
    rows = sorted({*pairs, *((second, first) for first, second in pairs)})
    about = "Land borders; each stands twice, once from either side."
    return T("borders", about, columns, rows, key=("country_code", "neighbour_code"))


def _time_zones(places: Places, numbers: dict[str, int]) -> T:
    rows = [(number, places.label(id), places.label(id).split("/")[0]) for id, number in numbers.items()]
    columns = (
        C("id", "INTEGER", "time zone id"),
        C("name", "TEXT", "time zone name", description="Name in the IANA database, such as Europe/Paris."),
        C("area", "TEXT", "area of the time zone", description="First part of the name, such as Europe."),
    )
    return T("time_zones", "Time zones that cities and airports keep.", columns, rows)


def _subdivisions(places: Places) -> T:
    """Those that contain others come first."""
    rows = []
    for id in places.ids("subdivision"):
        codes = (places.code(places.target(id, relation)) for relation in ("country", "parent_subdivision"))
        rows.append((places.code(id), places.label(id), places.text(id, "kind_of_subdivision"), *codes))
    parents = {row[0]: row[4] for row in rows}
    rows.sort(key=lambda row: (_depth(row[0], parents), row[0]))
    columns = (
        C("code", "TEXT", "subdivision code", description="ISO 3166-2 code."),
        C("name", "TEXT", "subdivision name"),
        C("kind", "TEXT", "kind of subdivision", description="Such as province, state or district."),
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("parent_code", "TEXT", "larger subdivision", refers="subdivisions.code"),
    )
    return T("subdivisions", "States, provinces and other parts of countries.", columns, rows)


def _depth(code: str, parents: dict[str, str | None]) -> int:
    parent = parents.get(code)
    return 0 if parent is None else 1 + _depth(parent, parents)


def _cities(places: Places, zones: dict[str, int]) -> T:
    rows = []
    for city in sorted(places.cities, key=lambda city: city.id):
        id = f"city:{city.id}"
        division = places.code(places.target(id, "subdivision"))
        place = (city.population, city.latitude, city.longitude, zones[places.target(id, "time_zone")])  # type: ignore[index]
        rows.append((city.id, city.name, city.country, division, *place))
    columns = (
        C("id", "INTEGER", "city id"),
        C("name", "TEXT", "city name"),
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("subdivision_code", "TEXT", "subdivision", refers="subdivisions.code"),
        C("population", "INTEGER", "population", description="Number of inhabitants."),
        C("latitude", "REAL", "latitude", description="Degrees north of the equator."),
        C("longitude", "REAL", "longitude", description="Degrees east of Greenwich."),
        C("time_zone_id", "INTEGER", "time zone", refers="time_zones.id"),
    )
    return T("cities", "Cities with at least 100,000 people, and all capitals.", columns, rows)


def _capitals(places: Places) -> T:
    rows = []
    for country in places.ids("country"):
        if capital := places.target(country, "capital"):
            rows.append((places.code(country), int(capital.removeprefix("city:"))))
    columns = (
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("city_id", "INTEGER", "capital city", refers="cities.id"),
    )
    return T("capitals", "The capital of each country that has one.", columns, rows)


def _airports(places: Places, zones: dict[str, int]) -> T:
    rows = []
    for id in places.ids("airport"):
        city = places.code(places.target(id, "city_served"))
        row = (
            places.code(id),
            places.text(id, "icao_code"),
            places.label(id),
            int(city) if city else None,
            places.code(places.target(id, "country")),
            places.whole(id, "elevation"),
            places.number(id, "latitude"),
            places.number(id, "longitude"),
            zones.get(places.target(id, "time_zone") or ""),
        )
        if city:
            rows.append(row)
    columns = (
        C("iata_code", "TEXT", "airport code", description="Three-letter IATA code."),
        C("icao_code", "TEXT", "ICAO code", description="Four-letter ICAO code."),
        C("name", "TEXT", "airport name"),
        C("city_id", "INTEGER", "city served", refers="cities.id"),
        C("country_code", "TEXT", "country", refers="countries.code"),
        C("elevation_feet", "INTEGER", "elevation", description="Height above the sea in feet."),
        C("latitude", "REAL", "latitude", description="Degrees north of the equator."),
        C("longitude", "REAL", "longitude", description="Degrees east of Greenwich."),
        C("time_zone_id", "INTEGER", "time zone", refers="time_zones.id"),
    )
    return T("airports", "Airports that serve one of the cities.", columns, rows)
