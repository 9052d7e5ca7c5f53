"""JSON that the rest of the program can hold: Python's reader lets more through than text and stacks can bear."""

from __future__ import annotations

import json
import re
from typing import Any

_HALF_PAIR = re.compile("[\ud800-\udfff]")


def load_json(text: str, *, mend_halves: bool = False) -> Any:
    """The value of a JSON text.

    Raises ValueError, in words, for what is no JSON, for numbers of thousands of digits, thousands of brackets in
    each other, and half of a surrogate pair, which JSON can spell (``"\\ud83d"``) and UTF-8 cannot.

    Args:
        mend_halves: put U+FFFD in the place of each half of a pair instead.
    """
    try:
        value = json.loads(text)
        written = json.dumps(value, ensure_ascii=False)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise ValueError("JSON whose brackets lie too deep in each other") from error
    except ValueError as error:
        raise ValueError("JSON with a number of too many digits") from error
    if not _HALF_PAIR.search(written):
        return value
    if mend_halves:
        return json.loads(_HALF_PAIR.sub("\ufffd", written))
    raise ValueError("JSON with half of a surrogate pair, which is no text")
