"""Where the knowledge graph comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lib.settings.section import Section


class AtlasSource(Section):
    """The graph that ships with the project, assembled from data packages."""

    type: Literal["atlas"] = "atlas"


class TriplesSource(Section):
    """A graph in files: TSV, CSV, Parquet or JSON Lines, also gzipped."""

    type: Literal["triples"]
    triples: Path
    """File of (head, relation, tail); further columns are ignored."""
    entities: Path | None = None
    """File of (id, label, type, aliases, attributes...); labels default to ids."""
    relations: Path | None = None
    """File of (relation, phrase, inverse_phrase); phrases default to the relation's words."""
    pages: Path | None = None
    """File of (id, title, text, entity_id); default: one page an entity, written from its facts."""


class RdfSource(Section):
    """A graph in N-Triples or Turtle."""

    type: Literal["rdf"]
    path: Path
    """File ending in .nt, .ttl, .rdf or .xml, also gzipped."""
    language: str = "en"
    """Preferred language tag of labels."""


SourceSettings = Annotated[AtlasSource | TriplesSource | RdfSource, Field(discriminator="type")]
