"""Harder ways to say the same: values in another case or spacing than the database has, the gold query as it was."""

from __future__ import annotations

import re
from random import Random

QUOTED = re.compile(r'"([^"]+)"')


def soil_values(prompt: str, sql: str, random: Random) -> str:
    """The prompt with each of its quoted text values distorted that stand in the query; else as it was."""

    def soil(found: re.Match[str]) -> str:
        value = found[1]
        if "'" + value.replace("'", "''") + "'" not in sql:
            return found[0]
        ways = [value.lower(), value.upper(), value.swapcase(), value.replace(" ", "  "), value.replace(" ", "-")]
        ways = sorted({way for way in ways if way != value})
        return f'"{random.choice(ways)}"' if ways else found[0]

    return QUOTED.sub(soil, prompt)
