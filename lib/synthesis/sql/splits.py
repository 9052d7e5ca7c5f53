"""Which databases the questions of a split are about: no database is in two, so that held-out ones are new."""

from __future__ import annotations

from collections.abc import Sequence

from lib.errors import SynthesisError
from lib.seeds import derive_seed

LEAST = 3  # one a split


def split_databases(ids: Sequence[str], *, validation_share: float, test_share: float, seed: int) -> dict[str, str]:
    """Split by id; every split has at least one. Raises SynthesisError for fewer databases than splits."""
    if len(ids) < LEAST:
        raise SynthesisError(
            f"No question for one of the splits: there {'is' if len(ids) == 1 else 'are'} {len(ids)} "
            f"database{'s' * (len(ids) != 1)}, and each split needs one of its own.",
            where="sections [databases] and [synthesis.sql] of the settings",
            kept="the databases",
            next_step="Give at least three databases, or split the questions of each instead: "
            "`ropewalk run --set synthesis.sql.split_by=question`.",
        )
    order = sorted(ids, key=lambda id: derive_seed(seed, "database splits", id))
    test = max(1, round(len(ids) * test_share))
    validation = min(max(1, round(len(ids) * validation_share)), len(ids) - 1 - min(test, len(ids) - 2))
    test = min(test, len(ids) - 2)
    return {
        id: "test" if place < test else "validation" if place < test + validation else "train"
        for place, id in enumerate(order)
    }
