"""Names as people write them, and a folded form in which spellings meet."""

from __future__ import annotations

import unicodedata

# Labels that the packages spell in capitals, without accents or with an official tail.
COUNTRY_LABELS = {
    "AX": "Åland Islands",
    "BL": "Saint Barthélemy",
    "BQ": "Caribbean Netherlands",
    "CW": "Curaçao",
    "NL": "Netherlands",
    "RE": "Réunion",
    "VA": "Vatican City",
}


def fold(name: str) -> str:
    """Lower case without accents, apostrophes or dashes: ``Nuku‘alofa`` -> ``nukualofa``."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(c for c in plain.casefold() if c.isalnum() or c == " ").replace("  ", " ").strip()


def plain_spelling(name: str) -> str:
    """The name without accents, for an alias; equal to the name where there are none."""
    return "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
