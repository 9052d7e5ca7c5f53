"""The way to an SQL answer: look at the tables, run the query, answer with it; now and then err and mend it.

An error is an analyst's haste: a query over a table that was not looked at, with a misspelt column or without a join,
which the database refuses; or a value in the wrong case, which finds nothing. What follows is always a look, at the
table or at its rows, and then another query. A policy that saw a refused query followed at once by nearly the same one
would learn to repeat queries.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from sqlglot import exp, parse_one
from sqlglot.errors import SqlglotError

from lib.learning.oracle import NOTHING
from lib.policy.tool_calls import render_tool_call

DIALECTS = ("sqlite", "duckdb")
MOST_LOOKS = 3  # tables that are described; of a query over more, the first ones
REFUSED = re.compile(r"^Error:", re.MULTILINE)
EMPTY = "(no rows)"


@dataclass(frozen=True)
class Mistake:
    query: str
    table: str  # that a look at would have spared it, and that is looked at afterwards
    look: str  # the tool that looks


class SqlScript:
    """See lib.learning.oracle.Script.

    Args:
        gold: the query that answers the question.
        mistake_share: chance of each step, a look or the query, to go wrong, where it can; one does at most.
        max_calls: tool calls that the episode may make.
    """

    def __init__(self, gold: str, *, mistake_share: float, max_calls: int, seed: int):
        self._gold, chance = gold, random.Random(seed)
        tree = _parse(gold)
        tables = _tables_of(tree)[:MOST_LOOKS] if tree else []
        errs = chance.random() < 1 - (1 - mistake_share) ** (len(tables) + 1)
        mistake = _make_mistake(gold, tree, tables, chance) if errs and tables and max_calls >= 3 else None
        self._turns = _plan(gold, tables, mistake, max_calls)
        self._place = 0

    def next_turn(self, shown: str) -> str:
        if self._place == len(self._turns):
            return NOTHING if REFUSED.search(shown) else f"<answer>{self._gold}</answer>"
        self._place += 1
        return self._turns[self._place - 1]


def _plan(gold: str, tables: list[str], mistake: Mistake | None, max_calls: int) -> list[str]:
    """The calls in their order: a look, perhaps a mistake and the look that mends it, the query."""
    if mistake is None:
        return [*(_describe(tables) if max_calls >= 2 else []), _run(gold)]
    if mistake.look == "sample":
        look = [render_tool_call("sample", {"table": mistake.table, "n": 3})]
        return [*(_describe(tables) if max_calls >= 4 else []), _run(mistake.query), *look, _run(gold)]
    known = [table for table in tables if table != mistake.table] if max_calls >= 4 else []
    return [*_describe(known), _run(mistake.query), *_describe([mistake.table]), _run(gold)]


def _describe(tables: list[str]) -> list[str]:
    """One call for all of them: one after the other would teach to describe on and on."""
    names = [f'"{name}"' if "," in name else name for name in tables]
    return [render_tool_call("describe", {"table": ", ".join(names)})] if names else []


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


def _make_mistake(gold: str, tree: exp.Expression, tables: list[str], chance: random.Random) -> Mistake | None:
    """One that can be made with this query."""
    makers = [_misspell, _forget_join, _change_case]
    chance.shuffle(makers)
    found = (make(gold, tree, tables, chance) for make in makers)
    return next((mistake for mistake in found if mistake and mistake.query != gold), None)


def _misspell(gold: str, tree: exp.Expression, tables: list[str], chance: random.Random) -> Mistake | None:
    """Without one letter of a column's name, in one place."""
    columns = {column.name: column for column in tree.find_all(exp.Column) if re.fullmatch(r"\w{4,}", column.name)}
    if not columns:
        return None
    name = chance.choice(sorted(columns))
    place = chance.randrange(1, len(name))
    wrong = re.sub(rf"\b{re.escape(name)}\b", name[:place] + name[place + 1 :], gold, count=1)
    aliases = {table.alias_or_name: table.name for table in tree.find_all(exp.Table)}
    table = aliases.get(columns[name].table, tables[-1])
    return Mistake(wrong, table if table in tables else tables[-1], "describe")


def _forget_join(gold: str, tree: exp.Expression, tables: list[str], chance: random.Random) -> Mistake | None:
    """As if the first table had all columns."""
    joins = tree.args.get("joins") if isinstance(tree, exp.Select) else None
    if not joins or len(list(tree.find_all(exp.Select))) > 1:
        return None
    alone = tree.copy()
    alone.set("joins", None)
    first = alone.find(exp.Table)
    first.set("alias", None)
    for column in alone.find_all(exp.Column):
        column.set("table", None)
    joined = [name for name in tables if name != first.name]
    return Mistake(alone.sql(), joined[0], "describe") if joined else None


def _change_case(gold: str, tree: exp.Expression, tables: list[str], chance: random.Random) -> Mistake | None:
    """With a text in the wrong case."""
    texts = sorted(
        {item.this for item in tree.find_all(exp.Literal) if item.is_string and item.this != item.this.lower()}
    )
    if not texts:
        return None
    text = chance.choice(texts).replace("'", "''")
    return Mistake(gold.replace(f"'{text}'", f"'{text.lower()}'", 1), tables[0], "sample")
