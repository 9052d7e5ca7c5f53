"""Chemical elements with their place in the periodic table, discovery and production."""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from pathlib import Path

from lib.sources.atlas.countries import country_id
from lib.sources.atlas.names import fold
from lib.sources.raw_graph import RawGraph

# Spellings of discoverers and dates that the package's table gets wrong or cuts short.
PEOPLE = {
    "Sir William Ramsey": "William Ramsay",
    "Sir William Ramsay": "William Ramsay",
    "Sir Humphrey Davy": "Humphry Davy",
    "Sir H. Davy": "Humphry Davy",
    "Sir William Crookes": "William Crookes",
    "Nils Langet": "Nils Abraham Langlet",
    "P.T.Cleve": "Per Teodor Cleve",
    "Per Theodor Cleve": "Per Teodor Cleve",
    "Fredrich Wöhler": "Friedrich Wöhler",
    "A.A.Bussy": "Antoine Bussy",
    "J.L. Gay-Lussac": "Joseph Louis Gay-Lussac",
    "L.J. Thénard": "Louis Jacques Thénard",
    "Joseph Priestly": "Joseph Priestley",
    "M.W. Travers": "Morris Travers",
    "M. W. Travers": "Morris Travers",
    "R. Bunsen": "Robert Bunsen",
    "G. Kirchoff": "Gustav Kirchhoff",
    "Gustov Kirchoff": "Gustav Kirchhoff",
    "A. Crawford": "Adair Crawford",
    "Charles Hatchet": "Charles Hatchett",
    "Fredrich Stromeyer": "Friedrich Stromeyer",
    "W. von Hisinger": "Wilhelm Hisinger",
    "J. Berzelius": "Jöns Berzelius",
    "C.F. Aver von Welsbach": "Carl Auer von Welsbach",
    "J.L. Soret": "Jacques-Louis Soret",
    "Smithson Tenant": "Smithson Tennant",
    "S.Tenant": "Smithson Tennant",
    "Fredrich Ernst Dorn": "Friedrich Ernst Dorn",
    "Marguerite Derey": "Marguerite Perey",
    "Fredrich Soddy": "Frederick Soddy",
    "D.R.Corson": "Dale Corson",
    "K.R.MacKenzie": "Kenneth MacKenzie",
    "E.Segré": "Emilio Segrè",
    "Émillo Segrè": "Emilio Segrè",
    "E.M. McMillan": "Edwin McMillan",
    "G.T.Seaborg": "Glenn Seaborg",
    "A.Ghiorso": "Albert Ghiorso",
    "A. Ghiorso": "Albert Ghiorso",
    "Antoine J. Balard": "Antoine Balard",
    "Heavy Ion Research Laboratory (HIRL)": "GSI Helmholtz Centre for Heavy Ion Research",
    "U of Calif": "University of California",
    "Argonne": "Argonne National Laboratory",
    "Los Alamos": "Los Alamos National Laboratory",
}
COUPLES = {
    "Pierre and Marie Curie": ["Pierre Curie", "Marie Curie"],
    "Fausto and Juan José de Elhuyar": ["Fausto de Elhuyar", "Juan José de Elhuyar"],
}
YEARS = {"Nd": 1885, "Hs": 1984, "Be": 1798}
COUNTRIES = {
    "England": "GB", "Scotland": "GB", "Great Britain": "GB", "France": "FR", "Germany": "DE", "Sweden": "SE",
    "Denmark": "DK", "Italy": "IT", "Austria": "AT", "Switzerland": "CH", "Spain": "ES", "Romania": "RO",
    "Finland": "FI", "United States": "US", "Russia": "RU", "Japan": "JP", "China": "CN", "Australia": "AU",
    "Brazil": "BR", "Chile": "CL", "Canada": "CA", "South Africa": "ZA", "India": "IN", "Turkey": "TR",
    "USA": "US", "Peru": "PE", "Mexico": "MX", "Kazakhstan": "KZ", "Ukraine": "UA", "Norway": "NO",
    "Bolivia": "BO", "Indonesia": "ID", "Guinea": "GN", "Gabon": "GA", "Poland": "PL", "Argentina": "AR",
    "DRC": "CD", "Congo DRC": "CD", "Iran": "IR", "Belgium": "BE", "Rwanda": "RW", "Vietnam": "VN",
    "Morocco": "MA", "Zimbabwe": "ZW", "Kyrgyzstan": "KG", "Tajikistan": "TJ", "Israel": "IL",
}  # fmt: skip
STRUCTURES = {
    "BCC": "body-centred cubic", "FCC": "face-centred cubic", "HEX": "hexagonal", "DIA": "diamond",
    "RHL": "rhombohedral", "ORC": "orthorhombic", "TET": "tetragonal", "CUB": "cubic", "SC": "simple cubic",
    "MCL": "monoclinic",
}  # fmt: skip


def add_elements(graph: RawGraph) -> None:
    """All 118 elements."""
    with sqlite3.connect(f"file:{elements_file()}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        series = {row["id"]: row["name"] for row in database.execute("SELECT id, name FROM series")}
        for row in database.execute("SELECT * FROM elements ORDER BY atomic_number"):
            _add_element(graph, dict(row), series)


def elements_file() -> Path:
    """The package's SQLite file, found without importing the package (which takes a second)."""
    spec = importlib.util.find_spec("mendeleev")
    assert spec and spec.origin, "the package mendeleev is a pinned requirement of the atlas"
    return Path(spec.origin).parent / "elements.db"


def _add_element(graph: RawGraph, row: dict, series: dict[int, str]) -> None:
    subject = f"element:{row['symbol']}"
    graph.add_entity(subject, row["name"], "chemical element")
    _add_numbers(graph, subject, row)
    _add_class(graph, subject, "period", "period of elements", f"Period {row['period']}")
    if row["group_id"]:
        _add_class(graph, subject, "group", "group of elements", f"Group {row['group_id']}")
    _add_class(graph, subject, "series", "series of elements", series[row["series_id"]])
    if structure := STRUCTURES.get(row["lattice_structure"] or ""):
        _add_class(graph, subject, "crystal_structure", "crystal structure", structure)
    for person in _split_people(row["discoverers"] or ""):
        _add_class(graph, subject, "discoverer", "discoverer", person)
    for place in re.split(r"/", row["discovery_location"] or ""):
        if code := COUNTRIES.get(place.strip()):
            graph.add_fact(subject, "discovery_country", country_id(code))
    for relation, column in (("top_producer", "top_3_producers"), ("top_reserve_holder", "top_3_reserve_holders")):
        first = re.match(r"\s*1\)\s*([^0-9;,]+)", row[column] or "")
        if first and (code := COUNTRIES.get(first.group(1).strip())):
            graph.add_fact(subject, relation, country_id(code))


def _add_numbers(graph: RawGraph, subject: str, row: dict) -> None:
    graph.add_attribute(subject, "symbol", row["symbol"], kind="text")
    graph.add_attribute(subject, "atomic_number", row["atomic_number"], kind="number")
    graph.add_attribute(subject, "atomic_weight", row["atomic_weight"], kind="number", unit="u")
    graph.add_attribute(subject, "density", row["density"], kind="number", unit="g/cm³")
    graph.add_attribute(subject, "cas_number", row["cas"], kind="text")
    year = YEARS.get(row["symbol"], row["discovery_year"])
    graph.add_attribute(subject, "year_of_discovery", year, kind="year")
    graph.add_attribute(subject, "radioactive", row["is_radioactive"], kind="boolean")


def _add_class(graph: RawGraph, subject: str, relation: str, type_: str, label: str) -> None:
    class_id = f"{type_.split()[0]}:{fold(label).replace(' ', '_')}"
    graph.add_entity(class_id, label, type_)
    graph.add_fact(subject, relation, class_id)


def _split_people(text: str) -> list[str]:
    if not text or text.startswith("Known to"):
        return []
    people: list[str] = []
    for name in re.split(r"[,;/]", text):
        name = name.strip()
        if name and name != "et al":
            people += COUPLES.get(name, [PEOPLE.get(name, name)])
    return people
