"""Countries, cities and airports of the atlas as plain rows, for the databases that are laid in the real world."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from lib.sources.raw_graph import RawGraph


@dataclass(frozen=True)
class City:
    id: int
    name: str
    country: str
    population: int
    latitude: float
    longitude: float


@dataclass(frozen=True)
class Airport:
    code: str
    name: str
    city: City
    elevation: int
    latitude: float
    longitude: float


class Places:
    """Looks things up in the atlas. Everything comes in a fixed order."""

    def __init__(self, graph: RawGraph):
        self.graph = graph
        self._objects: dict[tuple[str, str], str] = {}
        for subject, relation, target in graph.facts:
            self._objects.setdefault((subject, relation), target)

    def ids(self, type_: str) -> list[str]:
        """Ids of the entities of a type, sorted by what follows the colon."""
        return sorted(entity for entity, row in self.graph.entities.items() if row["type"] == type_)

    def label(self, entity: str) -> str:
        return self.graph.entities[entity]["label"]

    def target(self, entity: str, relation: str) -> str | None:
        return self._objects.get((entity, relation))

    def code(self, entity: str | None) -> str | None:
        """``country:FR`` -> FR."""
        return entity.split(":", 1)[1] if entity else None

    def number(self, entity: str, name: str) -> float | None:
        row = self.graph.attributes.get((entity, name))
        return row["number"] if row else None

    def whole(self, entity: str, name: str) -> int | None:
        number = self.number(entity, name)
        return None if number is None else round(number)

    def text(self, entity: str, name: str) -> str | None:
        row = self.graph.attributes.get((entity, name))
        return row["text"] if row else None

    @cached_property
    def countries(self) -> list[tuple[str, str]]:
        """(code, name), the most populous first."""
        ids = sorted(self.ids("country"), key=lambda id: (-(self.number(id, "population") or 0), id))
        return [(id.removeprefix("country:"), self.label(id)) for id in ids]

    @cached_property
    def cities(self) -> list[City]:
        """The most populous first."""
        found = []
        for id in self.ids("city"):
            country = self.code(self.target(id, "country"))
            place = (self.number(id, "latitude"), self.number(id, "longitude"))
            population = self.whole(id, "population")
            found.append(City(int(id.removeprefix("city:")), self.label(id), country, population, *place))  # type: ignore[arg-type]
        return sorted(found, key=lambda city: (-city.population, city.id))

    @cached_property
    def airports(self) -> list[Airport]:
        """One airport for each city that has one, in the order of the cities."""
        by_city: dict[str, list[str]] = {}
        for id in self.ids("airport"):
            if city := self.target(id, "city_served"):
                by_city.setdefault(city, []).append(id)
        found = []
        for city in self.cities:
            if ids := by_city.get(f"city:{city.id}"):
                # Of several, the international one is the one that everybody means.
                id = min(ids, key=lambda id: ("International" not in self.label(id), id))
                place = (self.number(id, "latitude"), self.number(id, "longitude"))
                elevation = self.whole(id, "elevation")
                found.append(Airport(id.removeprefix("airport:"), self.label(id), city, elevation, *place))  # type: ignore[arg-type]
        return found


def distance_km(one: Airport, other: Airport) -> int:
    """Along the great circle."""
    a, b = math.radians(one.latitude), math.radians(other.latitude)
    turn = math.radians(other.longitude - one.longitude)
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)
    return round(6371 * math.acos(max(-1.0, min(1.0, cosine))))
