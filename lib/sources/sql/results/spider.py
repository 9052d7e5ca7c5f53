"""The rule of Spider's test-suite evaluation (Zhong et al. 2020, test-suite-sql-eval, `exec_eval.py`).

Two results are the same when some order of the columns makes them the same bag of rows, or the same sequence if the
gold statement says ORDER BY anywhere. Values are the same when Python says so: 1 is 1.0, '1' is neither, NULL is
NULL. Two empty results are the same whatever their columns. Before it runs, a statement loses its DISTINCTs unless they
are to be kept; so both sides are run as `statement_to_run` gives them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lib.sources.sql.results.columns import Row, same_under_some_order

# Quoted text and names and comments, which hold no keywords; a keyword is found outside of them only.
_QUOTED = r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/"
_DISTINCT = re.compile(rf"({_QUOTED})|\bdistinct\b", re.IGNORECASE | re.DOTALL)
_CURRENT_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)


def statement_to_run(sql: str, *, keep_distinct: bool = False) -> str:
    """The statement as the evaluator runs it: tokenised comparisons joined, DISTINCT removed, the year 2020."""
    for apart, joined in (("> =", ">="), ("< =", "<="), ("! =", "!=")):
        sql = sql.replace(apart, joined)
    if not keep_distinct:
        sql = _DISTINCT.sub(lambda match: match[1] or "", sql)
    return _CURRENT_YEAR.sub("2020", sql)


def order_matters(gold_sql: str) -> bool:
    """Whether the evaluator looks at the order of rows: the words stand anywhere in the gold statement."""
    return "order by" in gold_sql.lower()


def same_result(gold: Sequence[Row], predicted: Sequence[Row], *, ordered: bool) -> bool:
    """Whether the evaluator calls the prediction right on this database."""
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) != len(predicted[0]):
        return False
    if not _same_unordered_rows(gold, predicted, ordered=ordered):
        return False
    return same_under_some_order(gold, predicted, ordered=ordered)


def _same_unordered_rows(gold: Sequence[Row], predicted: Sequence[Row], *, ordered: bool) -> bool:
    """The evaluator's first look: rows with their values sorted by text and type.

    It is no more than a saving for values of equal types. Where 1 meets 1.0 beside other numbers, the two sort
    differently and the evaluator says no; so it is kept as it is.
    """
    first, second = ([_sorted_row(row) for row in rows] for rows in (gold, predicted))
    return first == second if ordered else set(first) == set(second)


def _sorted_row(row: Row) -> Row:
    return tuple(sorted(row, key=lambda value: str(value) + str(type(value))))
