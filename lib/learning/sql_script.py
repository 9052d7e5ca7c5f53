"""The way to an SQL answer: look at the tables, run the query, answer with it; now and then err and mend it.

An error is a column by a wrong name or a join that is left out, which the database refuses, before or after a look at
the tables; or a value in the wrong case, which finds nothing. What follows is always a look, at the tables or at rows,
and then another query. A policy that saw a refused query followed at once by nearly the same one would learn to repeat
queries.
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


@dataclass(frozen=True)
class Mistake:
    """A query that fails, and what is called before and after it."""

    query: str
    before: list[str]
    after: list[str]


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
        mistake = _make_mistake(gold, tree, tables, chance) if errs and tables and max_calls >= 4 else None
        self._turns = [*(_describe(tables) if max_calls >= 2 else []), _run(gold)]
        if mistake:
            self._turns = [*mistake.before, _run(mistake.query), *mistake.after, _run(gold)]
        self._place = 0

    def next_turn(self, shown: str) -> str:
        if self._place == len(self._turns):
            return NOTHING if REFUSED.search(shown) else f"<answer>{self._gold}</answer>"
        self._place += 1
        return self._turns[self._place - 1]


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
    makers = [_misname, _forget_join, _change_case]
    chance.shuffle(makers)
    found = (make(gold, tree, tables, chance) for make in makers)
    return next((mistake for mistake in found if mistake and mistake.query != gold), None)


def _misname(gold: str, tree: exp.Expression, tables: list[str], chance: random.Random) -> Mistake | None:
    """A column by a name that it might have: without a letter or a word, or with its table's name before it."""
    columns = sorted({column.name for column in tree.find_all(exp.Column) if re.fullmatch(r"\w{4,}", column.name)})
    if not columns:
        return None
    name = chance.choice(columns)
    place = chance.randrange(1, len(name))
    first, _, rest = name.partition("_")
    names = [name[:place] + name[place + 1 :], f"{tables[0].rstrip('s')}_{name}", *([first] if rest else [])]
    likely = [other for other in names if other not in columns and len(other) >= 4] or names[1:2]
    wrong = re.sub(rf"\b{re.escape(name)}\b", chance.choice(likely), gold)
    return Mistake(wrong, _describe(tables) if chance.random() < 0.5 else [], _describe(tables))


def _forget_join(gold: str, tree: exp.Expression, tables: list[str], chance: random.Random) -> Mistake | None:
    """As if the first table had all columns."""
    joins = tree.args.get("joins") if isinstance(tree, exp.Select) else None
    if not joins or len(list(tree.find_all(exp.Select))) > 1:
        return None
    alone = tree.copy()
    alone.set("joins", None)
    alone.find(exp.Table).set("alias", None)
    for column in alone.find_all(exp.Column):
        column.set("table", None)
    return Mistake(alone.sql(), _describe(tables[:1]) if chance.random() < 0.5 else [], _describe(tables))


def _change_case(gold: str, tree: exp.Expression, tables: list[str], chance: random.Random) -> Mistake | None:
    """With a text in the wrong case."""
    texts = sorted(
        {item.this for item in tree.find_all(exp.Literal) if item.is_string and item.this != item.this.lower()}
    )
    if not texts:
        return None
    text = chance.choice(texts).replace("'", "''")
    wrong = gold.replace(f"'{text}'", f"'{text.lower()}'", 1)
    return Mistake(wrong, _describe(tables), [render_tool_call("sample", {"table": tables[0], "n": 3})])
