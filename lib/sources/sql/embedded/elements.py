"""Chemical elements with their isotopes, energies, discovery and production, all of the real world."""

from __future__ import annotations

import re
import sqlite3

from lib.sources.atlas.elements import COUNTRIES, elements_file
from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import ColumnPlan as C
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.plan import TablePlan as T

SECONDS = {
    "ysec": 1e-24, "zsec": 1e-21, "asec": 1e-18, "psec": 1e-12, "nsec": 1e-9, "usec": 1e-6, "msec": 1e-3, "sec": 1.0,
    "minute": 60.0, "hour": 3600.0, "day": 86400.0,
}  # fmt: skip
YEAR = 365.2422 * 86400
YEARS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18, "Z": 1e21, "Y": 1e24}
SECONDS |= {f"{prefix}year": number * YEAR for prefix, number in YEARS.items()}
DECAYS = {
    "B-": "beta minus decay", "B+": "beta plus decay", "A": "alpha decay", "EC": "electron capture",
    "n": "neutron emission", "B-n": "beta minus decay with a neutron", "2n": "emission of two neutrons", 
    "B+p": "beta plus decay with a proton", "SF": "spontaneous fission", "p": "proton emission",
    "2p": "emission of two protons", "2B-": "double beta minus decay",
    "2B+": "double beta plus decay", "IT": "isomeric transition", "B-2n": "beta minus decay with two neutrons",
}  # fmt: skip
NUMBER = C("atomic_number", "INTEGER", "element", refers="elements.atomic_number")


def plan_elements(places: Places) -> DatabasePlan:
    with sqlite3.connect(f"file:{elements_file()}?mode=ro", uri=True) as source:
        source.row_factory = sqlite3.Row
        read = _Reader(source)
        tables = (
            _series(read),
            _groups(read),
            _countries(places),
            _crystal_structures(places),
            _discoverers(places),
            _elements(read, places),
            _element_discoverers(places),
            _producers(read, places),
            _isotopes(read),
            _decay_kinds(read),
            _isotope_decays(read),
            _ionization_energies(read),
            _oxidation_states(read),
            _ionic_radii(read),
        )
    return DatabasePlan("chemical_elements", tables)


class _Reader:
    def __init__(self, source: sqlite3.Connection):
        self._source = source

    def __call__(self, query: str) -> list[sqlite3.Row]:
        return self._source.execute(query).fetchall()


def _series(read: _Reader) -> T:
    rows = [tuple(row) for row in read("SELECT id, name FROM series ORDER BY id")]
    columns = (C("id", "INTEGER", "series id"), C("name", "TEXT", "series name"))
    return T("series", "Families of elements, such as noble gases.", columns, rows)


def _groups(read: _Reader) -> T:
    rows = [(row["group_id"], row["symbol"], row["name"] or None) for row in read("SELECT * FROM groups ORDER BY 1")]
    columns = (
        C("number", "INTEGER", "group number"),
        C("symbol", "TEXT", "group symbol", description="Older name of the group, such as IIA."),
        C("name", "TEXT", "group name", description="Name of the group where it has one."),
    )
    return T("element_groups", "Columns of the periodic table.", columns, rows)


def _countries(places: Places) -> T:
    codes = {*COUNTRIES.values()}
    rows = sorted((code, name) for code, name in places.countries if code in codes)
    columns = (C("code", "TEXT", "country code"), C("name", "TEXT", "country name"))
    return T("countries", "Countries in which elements are discovered or produced.", columns, rows)


def _crystal_structures(places: Places) -> T:
    rows = [(places.code(id), places.label(id)) for id in places.ids("crystal structure")]
    columns = (C("id", "TEXT", "crystal structure id"), C("name", "TEXT", "crystal structure name"))
    return T("crystal_structures", "How atoms of a solid element are arranged.", columns, rows)


def _number_discoverers(places: Places) -> dict[str, int]:
    return {id: number for number, id in enumerate(places.ids("discoverer"), start=1)}


def _discoverers(places: Places) -> T:
    rows = [(number, places.label(id)) for id, number in _number_discoverers(places).items()]
    columns = (C("id", "INTEGER", "discoverer id"), C("name", "TEXT", "discoverer name"))
    return T("discoverers", "People and laboratories who discovered elements.", columns, rows)


def _elements(read: _Reader, places: Places) -> T:
    rows = []
    query = (
        "SELECT e.*, p.melting_point, p.boiling_point FROM elements e LEFT JOIN phasetransitions p"
        " ON p.id = (SELECT min(id) FROM phasetransitions q"
        " WHERE q.atomic_number = e.atomic_number) ORDER BY e.atomic_number"
    )
    for row in read(query):
        id = f"element:{row['symbol']}"
        rows.append(
            (row["atomic_number"], row["symbol"], row["name"], row["group_id"], row["period"], row["series_id"])
            + (row["block"], row["atomic_weight"], row["density"])
            + (_round(row["melting_point"]), _round(row["boiling_point"]))
            + (row["en_pauling"], row["price_per_kg"], places.code(places.target(id, "crystal_structure")))
            + (places.whole(id, "year_of_discovery"), places.code(places.target(id, "discovery_country")))
            + (bool(row["is_radioactive"]),)
        )
    columns = (
        C("atomic_number", "INTEGER", "atomic number", description="Number of protons."),
        C("symbol", "TEXT", "symbol"),
        C("name", "TEXT", "element name"),
        C("group_number", "INTEGER", "group", refers="element_groups.number"),
        C("period", "INTEGER", "period", description="Row of the periodic table."),
        C("series_id", "INTEGER", "series", refers="series.id"),
        C("block", "TEXT", "block", values="s, p, d or f, the shell that is being filled"),
        C("atomic_weight", "REAL", "atomic weight", description="In unified atomic mass units."),
        C("density", "REAL", "density", description="In grams per cubic centimetre."),
        C("melting_point", "REAL", "melting point", description="In kelvins."),
        C("boiling_point", "REAL", "boiling point", description="In kelvins."),
        C("electronegativity", "REAL", "electronegativity", description="On Pauling's scale."),
        C("price_per_kg", "REAL", "price per kilogram", description="In US dollars."),
        C("crystal_structure_id", "TEXT", "crystal structure", refers="crystal_structures.id"),
        C("discovery_year", "INTEGER", "year of discovery"),
        C("discovery_country", "TEXT", "country of discovery", refers="countries.code"),
        C("is_radioactive", "BOOLEAN", "radioactive"),
    )
    return T("elements", "The chemical elements.", columns, rows, unique=(("symbol",), ("name",)))


def _round(kelvins: float | None) -> float | None:
    """The package adds 273.15 to degrees, which leaves digits that nobody measured."""
    return None if kelvins is None else round(kelvins, 3)


def _atomic_numbers(places: Places) -> dict[str, int]:
    return {id: places.whole(id, "atomic_number") for id in places.ids("chemical element")}  # type: ignore[misc]


def _element_discoverers(places: Places) -> T:
    numbers, people = _atomic_numbers(places), _number_discoverers(places)
    rows = sorted((numbers[s], people[o]) for s, r, o in places.graph.facts if r == "discoverer")
    columns = (NUMBER, C("discoverer_id", "INTEGER", "discoverer", refers="discoverers.id"))
    about = "Who discovered which element."
    return T("element_discoverers", about, columns, rows, key=("atomic_number", "discoverer_id"))


def _producers(read: _Reader, places: Places) -> T:
    known = {code for code, _ in places.countries}
    rows = []
    for number, text in read("SELECT atomic_number, top_3_producers FROM elements ORDER BY 1"):
        for rank, name in re.findall(r"(\d)\)\s*([^0-9;,]+)", text or ""):
            if (code := COUNTRIES.get(name.strip())) in known:
                rows.append((number, int(rank), code))
    columns = (
        NUMBER,
        C("rank", "INTEGER", "rank", description="1 for the largest producer, up to 3."),
        C("country_code", "TEXT", "country", refers="countries.code"),
    )
    return T("producers", "Countries that produce most of an element.", columns, rows, key=("atomic_number", "rank"))


def _isotopes(read: _Reader) -> T:
    rows = []
    for row in read("SELECT * FROM isotopes ORDER BY atomic_number, mass_number"):
        seconds = None
        if row["half_life"] is not None and row["half_life_unit"]:
            seconds = float(f"{row['half_life'] * SECONDS[row['half_life_unit']]:.6g}")
        rows.append(
            (row["id"], row["atomic_number"], row["mass_number"], row["mass"], row["abundance"])
            + (bool(row["is_radioactive"]), seconds, row["spin"], row["discovery_year"])
        )
    columns = (
        C("id", "INTEGER", "isotope id"),
        NUMBER,
        C("mass_number", "INTEGER", "mass number", description="Number of protons and neutrons."),
        C("mass", "REAL", "mass", description="In unified atomic mass units."),
        C("abundance", "REAL", "abundance", description="Natural share of the element's atoms in percent."),
        C("is_radioactive", "BOOLEAN", "radioactive"),
        C("half_life_seconds", "REAL", "half-life", description="In seconds."),
        C("spin", "TEXT", "spin", description="Of the nucleus, such as 3/2."),
        C("discovery_year", "INTEGER", "year of discovery"),
    )
    about = "Isotopes of the elements."
    return T("isotopes", about, columns, rows, unique=(("atomic_number", "mass_number"),))


def _decay_kinds(read: _Reader) -> T:
    codes = [row[0] for row in read("SELECT DISTINCT mode FROM isotopedecaymodes ORDER BY 1")]
    columns = (
        C("code", "TEXT", "decay code", description="Such as B- for beta minus decay."),
        C("name", "TEXT", "decay name", description="Name of the more frequent decays."),
    )
    return T("decay_kinds", "Ways in which nuclei decay.", columns, [(code, DECAYS.get(code)) for code in codes])


def _isotope_decays(read: _Reader) -> T:
    query = "SELECT isotope_id, mode, max(intensity) FROM isotopedecaymodes GROUP BY 1, 2 ORDER BY 1, 2"
    columns = (
        C("isotope_id", "INTEGER", "isotope", refers="isotopes.id"),
        C("decay_code", "TEXT", "decay", refers="decay_kinds.code"),
        C("intensity", "REAL", "intensity", description="Share of decays that go this way, in percent."),
    )
    rows = [tuple(row) for row in read(query)]
    return T("isotope_decays", "How each isotope decays.", columns, rows, key=("isotope_id", "decay_code"))


def _ionization_energies(read: _Reader) -> T:
    query = "SELECT atomic_number, ion_charge, species_name, ionization_energy FROM ionizationenergies ORDER BY 1, 2"
    columns = (
        NUMBER,
        C("ion_charge", "INTEGER", "ion charge", description="Electrons that are gone already."),
        C("species", "TEXT", "species", description="Name of the ion, such as C II."),
        C(
            "energy_ev",
            "REAL",
            "ionization energy",
            description="Energy that removes the next electron, in electronvolts.",
        ),
    )
    rows = [tuple(row) for row in read(query)]
    about = "Energies that remove electrons one after another."
    return T("ionization_energies", about, columns, rows, key=("atomic_number", "ion_charge"))


def _oxidation_states(read: _Reader) -> T:
    query = "SELECT atomic_number, oxidation_state, category = 'main' FROM oxidationstates ORDER BY 1, 2"
    columns = (
        NUMBER,
        C("oxidation_state", "INTEGER", "oxidation state"),
        C("is_main", "BOOLEAN", "main state", description="Whether the state is one of the common ones."),
    )
    rows = [(number, state, bool(is_main)) for number, state, is_main in read(query)]
    about = "Oxidation states in which elements are found."
    return T("oxidation_states", about, columns, rows, key=("atomic_number", "oxidation_state"))


def _ionic_radii(read: _Reader) -> T:
    query = "SELECT id, atomic_number, charge, coordination, spin, ionic_radius FROM ionicradii ORDER BY id"
    columns = (
        C("id", "INTEGER", "ionic radius id"),
        NUMBER,
        C("charge", "INTEGER", "charge"),
        C("coordination", "TEXT", "coordination", description="Number of neighbours in Roman numerals."),
        C("spin", "TEXT", "spin state", values="HS: high spin; LS: low spin"),
        C("radius_pm", "REAL", "ionic radius", description="In picometres."),
    )
    rows = [(*row[:4], row[4] or None, round(row[5], 3)) for row in map(tuple, read(query))]
    return T("ionic_radii", "Radii of ions.", columns, rows)
