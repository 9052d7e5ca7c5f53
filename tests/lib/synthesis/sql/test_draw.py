"""What is drawn runs, is told in full, and is the same for equal seeds."""

from __future__ import annotations

from random import Random

import pytest

from lib.sources.sql.executor.result import DatabaseFile
from lib.sources.sql.schema import Column, Kind
from lib.synthesis.sql.draw import SHAPES, Drawer
from lib.synthesis.sql.eligible import functions_of
from lib.synthesis.sql.request import Combination, Compare, Contains, HasChildren
from lib.synthesis.sql.telling import tell
from lib.synthesis.sql.to_sql import write_sql

DRAWN = 60


def draw_all(database, seed=0):
    """Requests of every shape."""
    drawer = Drawer(database, Random(seed))
    return {shape: [item for item in (drawer.draw(shape) for _ in range(DRAWN)) if item] for shape in SHAPES}


def halves(asked):
    return (asked.left, asked.right) if isinstance(asked, Combination) else (asked,)


def conditions_of(asked):
    for half in halves(asked):
        for condition in half.conditions:
            yield condition
            if isinstance(condition, HasChildren):
                yield from condition.conditions


def test_equal_seeds_give_equal_requests(university):
    first, second, other = (draw_all(university["sqlite"], seed) for seed in (1, 1, 2))
    assert first == second != other


@pytest.mark.parametrize("dialect", ["sqlite", "duckdb"])
def test_every_shape_comes_and_every_query_runs(university, pool, dialect):
    drawn = draw_all(university[dialect])
    assert {shape for shape, items in drawn.items() if items} == set(SHAPES)
    queries = [write_sql(item, dialect) for items in drawn.values() for item in items]
    results = pool.run_many([(DatabaseFile(dialect, str(university[dialect].path)), sql) for sql in queries])
    assert [(sql, result.error) for sql, result in zip(queries, results, strict=True) if result.error] == []


def test_the_words_say_every_value_that_is_compared(university):
    for items in draw_all(university["sqlite"]).values():
        for asked in items:
            text = tell(asked, Random(1))
            assert text[0].isupper() and text[-1] in ".?"
            for condition in conditions_of(asked):
                if isinstance(condition, Compare) and isinstance(condition.value, str):
                    assert condition.value in text
                if isinstance(condition, Contains):
                    assert f'"{condition.text}"' in text


def test_words_vary_and_the_query_stays(university):
    drawn = draw_all(university["sqlite"])["columns"]
    asked = drawn[0]
    assert len({tell(asked, Random(seed)) for seed in range(30)}) > 3


def test_without_parts_takes_each_part_out_once(university):
    for items in draw_all(university["sqlite"]).values():
        for asked in items:
            whole = write_sql(asked, "sqlite")
            without = [write_sql(part, "sqlite") for _, part in asked.without_parts()]
            assert whole not in without


@pytest.mark.parametrize(
    ("name", "kind", "functions"),
    [
        ("salary", Kind.INTEGER, "sum avg min max"),
        ("founded_year", Kind.INTEGER, "avg min max"),
        ("StudentAge", Kind.INTEGER, "avg min max"),
        ("late_fees", Kind.REAL, "sum avg min max"),
        ("latitude", Kind.REAL, "avg min max"),
        ("born_on", Kind.DATE, "min max"),
    ],
)
def test_only_amounts_add_up(name, kind, functions):
    assert functions_of(Column(name, kind=kind, distinct=9)) == tuple(functions.split())
