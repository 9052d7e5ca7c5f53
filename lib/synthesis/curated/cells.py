"""Values of a hand-made file as values of a contract's column: what a spreadsheet writes is text.

In: a value and an Arrow type. Out: the value in that type, or None where the cell is empty.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.types as types

SEPARATOR = "|"


def read_cell(value: Any, type_: pa.DataType) -> Any:
    """Raises ValueError, with words that follow "column x: ", for a value of another type."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if types.is_list(type_):
        return [_read_item(item, type_.value_type) for item in _as_list(value, type_.value_type)]
    if types.is_integer(type_):
        return _read_integer(value, type_.bit_width)
    if types.is_floating(type_):
        return _read_number(value)
    return _read_text(value)


def _read_item(item: Any, type_: pa.DataType) -> Any:
    if not types.is_struct(type_):
        return _read_text(item)
    names = [field.name for field in type_]
    if not isinstance(item, dict):
        raise ValueError(f"an entry is no object with {', '.join(names)}: {_shown(item)}")
    if unknown := [key for key in item if key not in names]:
        raise ValueError(f"an entry has an unknown key {unknown[0]!r}; known: {', '.join(names)}")
    return {name: _read_text(item[name]).strip() if item.get(name) is not None else "" for name in names}


def _as_list(value: Any, type_: pa.DataType) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return list(value)
    if not isinstance(value, str):
        raise ValueError(f"is no list: {_shown(value)}")
    text = value.strip()
    if text.startswith("["):
        try:
            return json.loads(text)
        except ValueError as error:
            raise ValueError(f"is no JSON list ({error}): {_shown(text)}") from error
    if types.is_struct(type_):
        raise ValueError(f"is no JSON list of objects: {_shown(text)}")
    return [part.strip() for part in text.split(SEPARATOR) if part.strip()]


def _read_text(value: Any) -> str:
    """Numbers too: an answer may be one."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"is no text: {_shown(value)}")
    text = str(value)
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"holds half a character: {_shown(text)}")
    return text


def _read_number(value: Any) -> float:
    try:
        number = float(value) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None:
        raise ValueError(f"is no number: {_shown(value)}")
    return number


def _read_integer(value: Any, bits: int) -> int:
    """Text without a detour over floating point, which would round a long one."""
    text = str(value).strip()
    number = int(text) if text.lstrip("+-").isdecimal() else _read_number(value)
    if number != number // 1:  # also what is no number or has no end
        raise ValueError(f"is no whole number: {_shown(value)}")
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError(f"is too large: {_shown(value)}")
    return int(number)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
