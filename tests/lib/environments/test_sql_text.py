"""What a policy reads of a result, and what is read of its answer."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from lib.environments.sql import SqlEnvironment, tell_result
from lib.settings.environment import EnvironmentSettings
from lib.sources.sql.executor.result import ErrorKind, Result, failed
from lib.sources.sql.fence import without_fence


def tell(*cells):
    result = Result(columns=tuple("abcdefgh"[: len(cells)]), rows=(cells,), num_rows=1)
    return tell_result(result, cell_characters=12).split("\n")[1]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (None, "NULL"),
        (b"x" * 2000, "<2,000 bytes>"),
        (b"", "<0 bytes>"),
        (0.1 + 0.2, "0.3"),
        (2.0, "2"),
        (float("nan"), "nan"),
        (Decimal("2.50"), "2.50"),
        (10**15, "100000000000..."),
        (True, "True"),
        (dt.date(2024, 1, 2), "2024-01-02"),
        ("x\n  y\t", "x y"),
        ("twelve signs", "twelve signs"),
        ("thirteen signs", "thirteen sig..."),
        ("東京" * 7, "東京" * 6 + "..."),
    ],
)
def test_a_cell_is_told_shortly_in_one_line(cell, told):
    assert tell(cell) == told


def test_cells_stand_in_the_order_of_the_columns():
    assert tell("x", None, 3) == "x | NULL | 3"


def test_the_name_of_a_column_is_as_short_as_a_cell():
    result = Result(columns=("count(*) + count(*)",), rows=((1,),), num_rows=1)
    assert tell_result(result, cell_characters=10) == "count(*) +...\n1"


def test_rows_that_are_too_many_to_count_are_told_as_many():
    result = Result(columns=("n",), rows=((1,),), num_rows=None, truncated=True)
    assert tell_result(result, cell_characters=10) == "n\n1\n... and many more rows"


def test_an_error_is_told_in_its_own_words():
    told = tell_result(failed(ErrorKind.UNKNOWN_NAME, "no such column: shoe"), cell_characters=10)
    assert told == "Error: no such column: shoe"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so <answer> SELECT 1 </answer>", "SELECT 1"),
        ("<answer>SELECT 1</answer> no: <answer>SELECT 2</answer>", "SELECT 2"),
        ("<answer>\n```sql\nSELECT 1\nFROM t\n```\n</answer>", "SELECT 1\nFROM t"),
        ("<answer>SELECT a < b FROM t</answer>", "SELECT a < b FROM t"),
        ("SELECT 1", None),
        ("<answer>SELECT 1", None),
        ("<answer></answer>", ""),
    ],
)
def test_the_answer_is_the_last_one_in_the_tag_without_its_fence(text, answer):
    environment = SqlEnvironment(None, None, EnvironmentSettings())
    assert environment.parse_answer(text) == answer


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "```\nSELECT 1\n```",
        "```sql\nSELECT 1```",
        "```SELECT 1```",
        "```sqlite\n SELECT 1 \n```",
        "```sql SELECT 1```",
    ],
)
def test_a_fence_in_any_form_is_taken_off_and_nothing_else(text):
    assert without_fence(text) == "SELECT 1"
