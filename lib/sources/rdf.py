"""A graph in RDF: N-Triples line by line, so that a broken line is set aside; other forms as a whole.

In: the settings of the source. Out: a RawGraph. Statements between resources are facts, literals are
attributes; labels, further names and types are taken from the usual vocabularies.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import rdflib
from rdflib.namespace import DC, DCTERMS, FOAF, RDF, RDFS, SKOS
from rdflib.plugins.parsers.ntriples import W3CNTriplesParser

from lib.errors import SourceError
from lib.settings.source import RdfSource
from lib.sources.files import printable
from lib.sources.raw_graph import BLANK, RawGraph
from lib.sources.values import add_value

FORMATS = {".ttl": "turtle", ".rdf": "xml", ".xml": "xml", ".nt": "nt"}
SCHEMA_NAME = rdflib.URIRef("http://schema.org/name")
LABELS = (SKOS.prefLabel, RDFS.label, SCHEMA_NAME, FOAF.name, DCTERMS.title, DC.title)
ALIASES = (SKOS.altLabel,)

Statement = tuple[rdflib.term.Node, rdflib.term.Node, rdflib.term.Node]


def read_rdf(settings: RdfSource) -> RawGraph:
    """Raises SourceError for a missing file, an unknown suffix and Turtle or XML that does not parse."""
    graph = RawGraph()
    suffixes = [part.lower() for part in settings.path.suffixes if part.lower() != ".gz"]
    form = FORMATS.get(suffixes[-1] if suffixes else "")
    if form is None:
        raise SourceError(
            "The RDF format is not known by the file's name.",
            where=str(settings.path),
            next_step=f"Give a file that ends in {', '.join(FORMATS)}, also with .gz.",
        )
    try:
        data = (
            gzip.decompress(settings.path.read_bytes()) if settings.path.suffix == ".gz" else settings.path.read_bytes()
        )
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"The file cannot be read: {error}",
            where=str(settings.path),
            next_step="Check the path, and that the file is whole.",
        ) from error
    statements = _parse_lines(graph, settings.path, data) if form == "nt" else _parse_whole(settings.path, data, form)
    _add_statements(graph, list(statements), settings.language)
    return graph


class _Sink:
    """Collects what the parser finds on one line."""

    def __init__(self) -> None:
        self.found: list[Statement] = []

    def triple(self, subject: rdflib.term.Node, predicate: rdflib.term.Node, target: rdflib.term.Node) -> None:
        self.found.append((subject, predicate, target))


class _OwnNames(dict):
    """Blank nodes by the names that the file gives them; rdflib would draw new ones each time."""

    def get(self, name: str, default: object = None) -> rdflib.BNode:
        return rdflib.BNode(name)


def _parse_lines(graph: RawGraph, path: Path, data: bytes) -> Iterator[Statement]:
    names = _OwnNames()
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        sink = _Sink()
        try:
            W3CNTriplesParser(sink, bnode_context=names).parsestring(line.decode("utf-8"))
        except (ValueError, rdflib.exceptions.ParserError) as error:
            content = printable(line.decode("utf-8", "surrogateescape"))
            reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else f"not N-Triples: {str(error)[:200]}"
            graph.reject(str(path), number, content, reason)
            continue
        yield from sink.found


def _parse_whole(path: Path, data: bytes, form: str) -> Iterator[Statement]:
    parsed = rdflib.Graph(store="SimpleMemory")  # keeps the order of the file, unlike the default
    try:
        parsed.parse(data=data, format=form)
    except Exception as error:  # the boundary to rdflib, whose parsers raise types of their own and of SAX
        raise SourceError(
            f"The file is not {form}: {error}",
            where=str(path),
            next_step="Mend the place named above, or give N-Triples, of which only the broken lines are set aside.",
        ) from error
    yield from sorted(_number_blank_nodes(parsed))


def _number_blank_nodes(statements: Iterable[Statement]) -> Iterator[Statement]:
    """The statements with blank nodes named by the order in which they appear: rdflib's names differ each time."""
    names: dict[rdflib.BNode, rdflib.BNode] = {}
    for statement in statements:
        for node in statement:
            if isinstance(node, rdflib.BNode):
                names.setdefault(node, rdflib.BNode(f"b{len(names)}"))
        yield tuple(names.get(node, node) for node in statement)  # type: ignore[misc, arg-type]


def _add_statements(graph: RawGraph, statements: list[Statement], language: str) -> None:
    labels: dict[str, tuple[int, str]] = {}
    aliases: dict[str, list[str]] = {}
    types: dict[str, str] = {}
    mentioned: dict[str, None] = {}
    for subject, predicate, target in statements:
        entity = _name(subject)
        mentioned[entity] = None
        if predicate in LABELS and isinstance(target, rdflib.Literal):
            rank = (target.language != language) * 10 + (target.language is not None) * 5 + LABELS.index(predicate)
            if entity not in labels or rank < labels[entity][0]:
                labels[entity] = (rank, str(target))
        elif predicate in ALIASES:
            aliases.setdefault(entity, []).append(str(target))
        elif predicate == RDF.type:
            types.setdefault(entity, _name(target))
        elif not isinstance(target, rdflib.Literal):
            mentioned[_name(target)] = None
            graph.add_fact(entity, str(predicate), _name(target))
    for entity in mentioned:
        label = labels.get(entity, (0, ""))[1].strip() or local_name(entity)
        type_ = types.get(entity, "")
        type_label = labels.get(type_, (0, local_name(type_).replace("_", " ").lower()))[1] if type_ else ""
        graph.add_entity(entity, label, type_label, aliases.get(entity))
    for subject, predicate, target in statements:
        if isinstance(target, rdflib.Literal) and predicate not in LABELS and predicate not in ALIASES:
            _add_literal(graph, _name(subject), str(predicate), target)


def _add_literal(graph: RawGraph, entity: str, predicate: str, literal: rdflib.Literal) -> None:
    """The first value of an attribute counts."""
    name = local_name(predicate)
    if (entity, name) in graph.attributes:
        return
    value = literal.toPython()
    add_value(graph, entity, name, value if isinstance(value, (bool, int, float, Decimal, date)) else str(literal))


def _name(node: rdflib.term.Node) -> str:
    return f"{BLANK}{node}" if isinstance(node, rdflib.BNode) else str(node)


def local_name(iri: str) -> str:
    """What stands after the last ``#`` or ``/``, percent signs decoded."""
    return unquote(iri.rstrip("/#").replace("#", "/").rsplit("/", 1)[-1]) or iri
