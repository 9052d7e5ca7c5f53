"""The databases that ship with the project, made from the packages of the atlas.

Two tell of the real world; the others are made up within it by fixed seeds. No two share a schema, so that a model
can be tested on databases of which it has seen nothing. `lib/sources/atlas/atlas.py` lists the packages with the
licences of their data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lib.errors import SourceError
from lib.seeds import derive_seed
from lib.sources.atlas.atlas import read_atlas
from lib.sources.sql.embedded.aviation import plan_aviation
from lib.sources.sql.embedded.draws import Draws
from lib.sources.sql.embedded.elements import plan_elements
from lib.sources.sql.embedded.geography import plan_geography
from lib.sources.sql.embedded.hospital import plan_hospital
from lib.sources.sql.embedded.league import plan_league
from lib.sources.sql.embedded.library import plan_library
from lib.sources.sql.embedded.places import Places
from lib.sources.sql.embedded.plan import DatabasePlan
from lib.sources.sql.embedded.shop import plan_shop
from lib.sources.sql.embedded.university import plan_university
from lib.sources.sql.embedded.write import write_database
from lib.sources.sql.schema import Dialect

PLANS: dict[str, Callable[[Places], DatabasePlan]] = {
    "world_geography": plan_geography,
    "chemical_elements": plan_elements,
    "aviation": lambda places: plan_aviation(places, _draws("aviation")),
    "football_league": lambda places: plan_league(places, _draws("football_league")),
    "online_shop": lambda places: plan_shop(places, _draws("online_shop")),
    "university": lambda places: plan_university(places, _draws("university")),
    "public_library": lambda places: plan_library(places, _draws("public_library")),
    "hospital": lambda places: plan_hospital(places, _draws("hospital")),
}


def build_embedded(
    folder: Path, *, dialect: Dialect = Dialect.SQLITE, ids: Sequence[str] = tuple(PLANS)
) -> dict[str, Path]:
    """Write the databases and their descriptions, and return the file of each.

    Raises SourceError for an id that is none of ``PLANS``.
    """
    return {plan.id: write_database(plan, folder, dialect) for plan in plan_embedded(ids)}


def plan_embedded(ids: Sequence[str] = tuple(PLANS)) -> Iterator[DatabasePlan]:
    if unknown := [id for id in ids if id not in PLANS]:
        raise SourceError(
            f"There is no embedded database {unknown[0]!r}.", next_step=f"Choose among {', '.join(PLANS)}."
        )
    places = Places(read_atlas())
    for id in ids:
        yield PLANS[id](places)


def _draws(id: str) -> Draws:
    return Draws(derive_seed("embedded database", id))
