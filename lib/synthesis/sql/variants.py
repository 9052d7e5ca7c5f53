"""Harder ways to say the same: values otherwise than the database has them, the gold query as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random

QUOTED = re.compile(r'"([^"]+)"')


def soil_values(prompt: str, sql: str, random: Random, synonyms: Mapping[str, Sequence[str]]) -> str:
    """The prompt with each of its quoted text values that stand in the query in another case or spacing, or by
    another name; else as it was.
    """

    def soil(found: re.Match[str]) -> str:
        value = found[1]
        if "'" + value.replace("'", "''") + "'" not in sql:
            return found[0]
        ways = [value.lower(), value.upper(), value.swapcase(), value.replace(" ", "  "), value.replace(" ", "-")]
        ways = sorted({way for way in ways if way != value})
        # A name of its own is as likely as all other ways together.
        kinds = [kind for kind in (ways, synonyms.get(value, ())) if kind]
        return f'"{random.choice(random.choice(kinds))}"' if kinds else found[0]

    return QUOTED.sub(soil, prompt)
