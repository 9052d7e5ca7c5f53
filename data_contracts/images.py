"""Images that questions are asked about, and statements that people wrote about some of them."""

from __future__ import annotations

import pyarrow as pa

from data_contracts.contract import ArtifactKind, Contract, Rule, optional, required
from data_contracts.graph import REJECTED_ROWS

ATTRIBUTE = pa.struct(
    [
        ("name", pa.string()),
        ("text", pa.string()),  # as it is written in questions and answers
        ("number", pa.float64()),  # null where it is none
    ]
)

PART = pa.struct(
    [
        ("image_id", pa.string()),  # what was placed there
        ("label", pa.string()),
        ("colour", pa.string()),
        ("box", pa.list_(pa.int32(), 4)),  # left, top, right, bottom in pixels
    ]
)

# Images of a row group; one is read with all of its group.
ROW_GROUP = 64

IMAGES = Contract(
    name="images",
    version=1,
    schema=pa.schema(
        [
            required("id", pa.string()),  # collection/name
            required("collection", pa.string()),
            required("benchmark", pa.string()),  # "" for those that questions are made about
            required("labels", pa.list_(pa.string())),  # all names of the picture, for equal files have several
            required("attributes", pa.list_(ATTRIBUTE)),  # what all of its names agree on
            required("parts", pa.list_(PART)),  # of a composed scene, what stands where
            required("split", pa.string()),
            required("look", pa.string()),  # equal for pictures that look alike, which share a split
            required("digest", pa.string()),  # SHA-256 of size and pixels
            required("width", pa.int32()),
            required("height", pa.int32()),
            required("remarks", pa.list_(pa.string())),  # what was changed on the way in
            required("content", pa.binary()),  # a PNG or JPEG file
        ]
    ),
    rules=(
        Rule("an image has pixels", "width > 0 AND height > 0 AND octet_length(content) > 0"),
        Rule("split is known", "split IN ('train', 'validation', 'test')"),
        Rule(
            "parts lie inside",
            "len(list_filter(parts, lambda p: p.box[1] < 0 OR p.box[2] < 0 OR p.box[3] > width OR p.box[4] > height)) "
            "= 0",
        ),
    ),
    key=("id",),
)

IMAGE_STATEMENTS = Contract(
    name="image_statements",
    version=1,
    schema=pa.schema(
        [
            required("id", pa.string()),
            required("benchmark", pa.string()),
            required("statement", pa.string()),
            required("images", pa.list_(pa.string())),
            required("holds", pa.bool_()),
            optional("level", pa.string()),
        ]
    ),
    rules=(Rule("statement is not empty", "trim(statement) <> ''"), Rule("there is an image", "len(images) > 0")),
    key=("benchmark", "id"),
)

IMAGE_SET = ArtifactKind(name="images", tables=(IMAGES, IMAGE_STATEMENTS, REJECTED_ROWS), summary="images")
