"""Which questions a policy is tried on.

In: the questions of a run. Out: some of one split, chosen by the seed alone: the same ones for every
policy, and the first k of a larger choice are the choice of k. Domains take turns.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lib.errors import SynthesisError
from lib.seeds import derive_seed


def choose_questions(path: Path, *, split: str, count: int, seed: int, domain: str | None = None) -> pa.Table:
    """At most ``count`` rows of a split, in an order that depends on (seed, question id) only.

    Args:
        domain: only its questions.

    Raises SynthesisError where the split is empty.
    """
    table = pq.read_table(path)
    table = table.filter(pc.equal(table["split"], split))
    if domain is not None:
        table = table.filter(pc.equal(table["domain"], domain))
    if table.num_rows == 0:
        raise SynthesisError(
            f"The {split} split holds no question, so no policy can be judged on it.",
            where=str(path),
            next_step="make more questions (synthesis.num_questions) or a larger share for the split",
        )
    ids, domains = table["id"].to_pylist(), table["domain"].to_pylist()
    order = sorted(range(len(ids)), key=lambda row: (derive_seed(seed, "choose", split, ids[row]), ids[row]))
    by_domain = [[row for row in order if domains[row] == name] for name in sorted(set(domains))]
    turns = [row for turn in zip_longest(*by_domain) for row in turn if row is not None]
    return table.take(turns[:count])
