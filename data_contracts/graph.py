"""A knowledge graph: facts between entities, attributes of entities, and pages about them."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, optional, required

FACTS = Contract(
    name="facts",
    version=1,
    schema=pa.schema(
        [
            required("subject_id", pa.string()),
            required("relation", pa.string()),
            required("object_id", pa.string()),
        ]
    ),
    rules=(
        Rule("ids are not empty", "subject_id <> '' AND object_id <> ''"),
        Rule("relation is not empty", "relation <> ''"),
    ),
    key=("subject_id", "relation", "object_id"),
)

ENTITIES = Contract(
    name="entities",
    version=1,
    schema=pa.schema(
        [
            required("id", pa.string()),
            required("label", pa.string()),
            required("type", pa.string()),
            required("aliases", pa.list_(pa.string())),
        ]
    ),
    rules=(Rule("id is not empty", "id <> ''"), Rule("label is not empty", "label <> ''")),
    key=("id",),
)

ATTRIBUTES = Contract(
    name="attributes",
    version=1,
    schema=pa.schema(
        [
            required("entity_id", pa.string()),
            required("name", pa.string()),
            required("kind", pa.string()),
            optional("number", pa.float64()),  # numbers, years and booleans (0 or 1)
            optional("text", pa.string()),
            optional("unit", pa.string()),
        ]
    ),
    rules=(
        Rule("kind is known", "kind IN ('number', 'year', 'boolean', 'text')"),
        Rule("a value is present", "CASE WHEN kind = 'text' THEN text IS NOT NULL ELSE number IS NOT NULL END"),
    ),
    key=("entity_id", "name"),
)

RELATIONS = Contract(
    name="relations",
    version=1,
    schema=pa.schema(
        [
            required("relation", pa.string()),
            required("phrase", pa.string()),  # how a sentence reads it: "shares a border with"
            required("inverse_phrase", pa.string()),  # the same fact from its object: "shares a border with"
            required("nouns", pa.list_(pa.string())),  # what a step along it leads to: "the capital of {x}"
            required("inverse_nouns", pa.list_(pa.string())),  # against it: "the country whose capital is {x}"
            required("questions", pa.list_(pa.string())),  # "What is the capital of {x}?"
            required("inverse_questions", pa.list_(pa.string())),
            required("keywords", pa.string()),  # what a search adds to the known entity: "capital"
            required("inverse_keywords", pa.string()),
            required("num_facts", pa.int64()),
        ]
    ),
    key=("relation",),
)

PAGES = Contract(
    name="pages",
    version=1,
    schema=pa.schema(
        [
            required("id", pa.string()),
            required("title", pa.string()),
            required("text", pa.string()),
            optional("entity_id", pa.string()),
        ]
    ),
    rules=(Rule("page has text", "text <> ''"),),
    key=("id",),
)

REJECTED_ROWS = Contract(
    name="rejected_rows",
    version=1,
    schema=pa.schema(
        [
            required("file", pa.string()),
            required("line", pa.int64()),
            required("content", pa.string()),
            required("reason", pa.string()),
        ]
    ),
)

INSPECTION = Contract(
    name="inspection",
    version=1,
    schema=pa.schema(  # a single row, so that a look at the table's head shows all of it
        [
            required("num_entities", pa.int64()),
            required("num_facts", pa.int64()),
            required("num_attributes", pa.int64()),
            required("num_relations", pa.int64()),
            required("entities_by_type", pa.map_(pa.string(), pa.int64())),  # most frequent first, "" without a type
            required("functional_relations", pa.list_(pa.string())),  # lead to one entity; "~" against the arrow
            required("degree_quantiles", pa.map_(pa.string(), pa.int64())),  # facts around an entity, in and out
            required("isolated_share", pa.float64()),  # of the entities, those with no other entity in their facts
            required("num_components", pa.int64()),  # weakly connected, each isolated entity one of them
            required("largest_component_share", pa.float64()),
            required("reach_2_hops", pa.float64()),  # mean share of the other entities within 2 hops, from a sample
            required("reach_4_hops", pa.float64()),
        ]
    ),
    rules=(
        Rule("isolated_share is a share", "isolated_share BETWEEN 0 AND 1"),
        Rule("largest_component_share is a share", "largest_component_share BETWEEN 0 AND 1"),
        Rule("more hops reach no less", "reach_2_hops BETWEEN 0 AND reach_4_hops AND reach_4_hops <= 1"),
    ),
)

GRAPH = ArtifactKind(
    name="graph",
    tables=(FACTS, ENTITIES, ATTRIBUTES, RELATIONS, PAGES, REJECTED_ROWS, INSPECTION),
    summary="facts",
)
