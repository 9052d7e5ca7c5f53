"""Values of database cells as JSON and back.

JSON is all that the parent reads from a worker: reading it runs nothing, whatever a worker sends that a query took
over. What JSON has no word for travels as an object with one key, the name of its type; a struct is such an object
too, so that no value can be mistaken for another.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import Any


def dump_rows(rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Rows as the inside of a JSON array, in UTF-8."""
    return _ENCODER.encode(rows)[1:-1].encode("utf-8", "replace")


def plain(value: Any) -> Any:
    """A nested value with its structs and maps tagged; `dump_rows` would write those as bare objects."""
    if isinstance(value, dict):
        return {"struct": [[plain(key), plain(item)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def load(text: bytes) -> Any:
    """JSON with its tagged values made again; raises ValueError for whatever is no such thing."""
    try:
        return _DECODER.decode(text.decode())
    except (ArithmeticError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a value of a cell: {error}") from error


def _tagged(value: Any) -> dict[str, Any]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, dt.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, dt.date):
        return {"date": value.isoformat()}
    if isinstance(value, dt.time):
        return {"time": value.isoformat()}
    if isinstance(value, dt.timedelta):
        return {"interval": [value.days, value.seconds, value.microseconds]}
    if isinstance(value, uuid.UUID):
        return {"uuid": value.hex}
    return {"text": str(value)}


def _struct(pairs: list[list[Any]]) -> Any:
    try:
        return {key: value for key, value in pairs}
    except TypeError:  # a map whose keys are lists
        return [(key, value) for key, value in pairs]


_ENCODER = json.JSONEncoder(default=_tagged, ensure_ascii=False, separators=(",", ":"))

UNTAG = {
    "bytes": base64.b64decode,
    "decimal": Decimal,
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "interval": lambda parts: dt.timedelta(*parts),
    "uuid": uuid.UUID,
    "text": str,
    "struct": _struct,
}


def _untagged(item: dict[str, Any]) -> Any:
    ((tag, value),) = item.items()
    return UNTAG[tag](value)


_DECODER = json.JSONDecoder(object_hook=_untagged)
