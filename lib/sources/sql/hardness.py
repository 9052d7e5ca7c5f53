"""How hard a query is, by Spider's levels (Yu et al., 2018, `evaluation.py`), counted on sqlglot's trees.

Three counts decide. Components: WHERE, GROUP BY, ORDER BY, LIMIT, every table beyond the first, every OR, every LIKE.
Nesting: queries inside conditions, and a set operation. Others: more than one aggregate, column, condition, grouping.
The official quirks are kept, or levels could not be compared: a set operation is counted by its left side, a NOT
counts as an aggregate, and so does every connective of a HAVING.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import sqlglot
from sqlglot import exp

Hardness = Literal["easy", "medium", "hard", "extra"]
LEVELS: tuple[Hardness, ...] = ("easy", "medium", "hard", "extra")


def hardness_of(sql: str | exp.Expression, dialect: str = "sqlite") -> Hardness:
    """The level of one query. Raises sqlglot.errors.SqlglotError for text that is none."""
    tree = sqlglot.parse_one(sql, read=dialect) if isinstance(sql, str) else sql
    select, has_set_operation = _leftmost(tree)
    components, others = _components(select), _others(select)
    nesting = sum(_num_queries(part) for part in _conditions(select)) + has_set_operation
    return _level(components, nesting, others)


def _level(components: int, nesting: int, others: int) -> Hardness:
    if components <= 1 and others == 0 and nesting == 0:
        return "easy"
    if nesting == 0 and ((others <= 2 and components <= 1) or (components <= 2 and others < 2)):
        return "medium"
    if nesting == 0 and ((others > 2 and components <= 2) or (components == 3 and others <= 2)):
        return "hard"
    if components <= 1 and others == 0 and nesting <= 1:
        return "hard"
    return "extra"


def _leftmost(tree: exp.Expression) -> tuple[exp.Select, bool]:
    """The first SELECT of a set operation, and whether there is one."""
    found = tree
    while not isinstance(found, exp.Select):
        found = found.this
        if found is None:
            raise sqlglot.errors.ParseError(f"no query: {tree.sql()}")
    return found, isinstance(tree, exp.SetOperation)


def _components(select: exp.Select) -> int:
    clauses = sum(select.args.get(name) is not None for name in ("where", "group", "order", "limit"))
    units = _conditions(select)
    likes = sum(_without_not(unit).key in ("like", "ilike") for unit in units)
    return clauses + len(select.args.get("joins") or []) + _connectives(select, exp.Or) + likes


def _others(select: exp.Select) -> int:
    group = select.args.get("group")
    where, having = _units(select, "where"), _units(select, "having")
    order = select.args["order"].expressions if select.args.get("order") else []
    aggregates = (
        sum(_starts_with_aggregate(item) for item in select.expressions)
        + sum(isinstance(unit, exp.Not) for unit in where + having)
        + max(0, len(having) - 1)
        + sum(len(list(item.find_all(exp.AggFunc))) for item in order)
    )
    groups = len(group.expressions) if group else 0
    return (aggregates > 1) + (len(select.expressions) > 1) + (len(where) > 1) + (groups > 1)


def _starts_with_aggregate(item: exp.Expression) -> bool:
    return isinstance(item.unalias(), exp.AggFunc)


def _conditions(select: exp.Select) -> list[exp.Expression]:
    """All of ON, WHERE and HAVING, without their connectives."""
    on = [unit for join in select.args.get("joins") or [] for unit in _flatten(join.args.get("on"))]
    return on + _units(select, "where") + _units(select, "having")


def _units(select: exp.Select, clause: str) -> list[exp.Expression]:
    found = select.args.get(clause)
    return list(_flatten(found.this)) if found else []


def _flatten(condition: exp.Expression | None) -> Iterator[exp.Expression]:
    if isinstance(condition, exp.And | exp.Or):
        yield from _flatten(condition.left)
        yield from _flatten(condition.right)
    elif isinstance(condition, exp.Paren):
        yield from _flatten(condition.this)
    elif condition is not None:
        yield condition


def _connectives(select: exp.Select, kind: type[exp.Expression]) -> int:
    """ORs that join conditions of this query itself, not of those inside it."""

    def count(condition: exp.Expression | None) -> int:
        if isinstance(condition, exp.And | exp.Or):
            return isinstance(condition, kind) + count(condition.left) + count(condition.right)
        return count(condition.this) if isinstance(condition, exp.Paren) else 0

    clauses = [join.args.get("on") for join in select.args.get("joins") or []]
    clauses += [select.args[name].this for name in ("where", "having") if select.args.get(name)]
    return sum(map(count, clauses))


def _without_not(unit: exp.Expression) -> exp.Expression:
    return unit.this if isinstance(unit, exp.Not) else unit


def _num_queries(unit: exp.Expression) -> int:
    """Queries among the operands of a condition, without those inside them."""
    return sum(query.find_ancestor(exp.Query) in (None, unit.parent_select) for query in unit.find_all(exp.Query))
