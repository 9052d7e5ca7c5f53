"""What a contract says of a hand-made table, told by the place of each row."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from data_contracts.contract import Contract, Mode
from lib.synthesis.curated.faults import Fault, Place

LONGEST_VALUE = 80  # characters of a value that are shown


def unknown_columns(contract: Contract, names: Iterable[str], place: Place) -> list[Fault]:
    """Columns that the contract does not have, each with the nearest that it has."""
    known = contract.schema.names
    faults = []
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            faults.append(Fault(place, name, f"is not known; {hint}"))
    return faults


def broken_rules(contract: Contract, table: pa.Table, places: Sequence[Place]) -> list[Fault]:
    """Rows that break a rule, each with its place and the columns of the rule."""
    numbered = table.append_column("place", pa.array(range(table.num_rows), pa.int64()))
    _, broken = _with_place(contract).check(numbered, mode=Mode.QUARANTINE)
    conditions = {rule.name: rule.condition for rule in contract.rules}
    faults = []
    for row in broken.to_pylist():
        rule = row["broken_rule"]
        words = re.findall(r"\w+", conditions.get(rule, rule))
        columns = [word for word in dict.fromkeys(words) if word in contract.schema.names]
        shown = ", ".join(f"{name} is {str(row[name])[:LONGEST_VALUE]!r}" for name in columns)
        faults.append(Fault(places[row["place"]], " and ".join(columns), f"breaks the rule {rule!r}: {shown}"))
    return faults


def _with_place(contract: Contract) -> Contract:
    schema = pa.schema([*contract.schema, pa.field("place", pa.int64())])
    return Contract(contract.name, contract.version, schema, contract.rules, contract.key)
