"""The way to an SQL answer: look at the tables, run the query, answer with it; now and then make a mistake and mend it.

A mistake is a misspelt column, which the database refuses, or a value in the wrong case, which finds nothing. It is
followed by what an analyst does then: look at the table's rows, and run the right query.
"""

from __future__ import annotations

import random
import re

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from lib.learning.oracle import NOTHING
from lib.policy.tool_calls import render_tool_call

DIALECTS = ("sqlite", "duckdb")
MOST_LOOKS = 3  # tables that are described; of a query over more, the first ones
ERROR, EMPTY = "Error:", "(no rows)"


class SqlScript:
    """See lib.learning.oracle.Script.

    Args:
        gold: the query that answers the question.
        mistake_share: how often a mistake comes first, where one can be made.
        max_calls: tool calls that the episode may make.
    """

    def __init__(self, gold: str, *, mistake_share: float, max_calls: int, seed: int):
        self._gold, chance = gold, random.Random(seed)
        tree = _parse(gold)
        tables = _tables_of(tree) if tree else []
        # The opening lists the tables: those to look at come one after another, then perhaps a mistake.
        self._looks = [render_tool_call("describe", {"table": name}) for name in tables[:MOST_LOOKS]]
        wrong = _make_mistake(gold, tree, chance) if tree and chance.random() < mistake_share else ""
        self._mistake = wrong
        self._table = tables[0] if tables else ""
        room = max(0, max_calls - 1 - 2 * bool(wrong))
        self._looks = self._looks[:room]
        self._max_calls = max_calls
        self._turns = [*self._looks, *([_run(wrong)] if wrong and max_calls >= 2 else []), _run(gold)]
        self._place = 0

    def next_turn(self, shown: str) -> str:
        said = self._turns[self._place - 1] if self._place else ""
        if said == _run(self._gold):
            return NOTHING if ERROR in shown else f"<answer>{self._gold}</answer>"
        has_room = self._table and len(self._turns) < self._max_calls
        if has_room and self._mistake and said == _run(self._mistake) and EMPTY in shown:
            self._turns.insert(self._place, render_tool_call("sample", {"table": self._table, "n": 3}))
        self._place += 1
        return self._turns[self._place - 1]


def _run(query: str) -> str:
    return render_tool_call("run_sql", {"query": query})


def _tables_of(tree: exp.Expression) -> list[str]:
    """Names of tables, each once; not those that the query gives to its own parts."""
    own = {part.alias.casefold() for part in tree.find_all(exp.CTE)}
    names = dict.fromkeys(table.name for table in tree.find_all(exp.Table))
    return [name for name in names if name and name.casefold() not in own]


def _parse(sql: str) -> exp.Expression | None:
    for dialect in DIALECTS:
        try:
            return parse_one(sql, read=dialect)
        except SqlglotError:
            continue
    return None


def _make_mistake(gold: str, tree: exp.Expression, chance: random.Random) -> str:
    """The query with one fault in it; empty where none can be made."""
    makers = [_misspell, _change_case]
    chance.shuffle(makers)
    return next((wrong for make in makers if (wrong := make(gold, tree, chance)) and wrong != gold), "")


def _misspell(gold: str, tree: exp.Expression, chance: random.Random) -> str:
    """Without one letter of a column's name, in one place."""
    names = sorted({column.name for column in tree.find_all(exp.Column) if re.fullmatch(r"\w{4,}", column.name)})
    if not names:
        return ""
    name = chance.choice(names)
    place = chance.randrange(1, len(name))
    return re.sub(rf"\b{re.escape(name)}\b", name[:place] + name[place + 1 :], gold, count=1)


def _change_case(gold: str, tree: exp.Expression, chance: random.Random) -> str:
    """With a text in the wrong case."""
    texts = sorted(
        {item.this for item in tree.find_all(exp.Literal) if item.is_string and item.this != item.this.lower()}
    )
    if not texts:
        return ""
    text = chance.choice(texts).replace("'", "''")
    return gold.replace(f"'{text}'", f"'{text.lower()}'", 1)
