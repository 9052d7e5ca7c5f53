"""The rules by which results are compared, each against a table of cases and against its definition in brute force."""

import datetime as dt
import itertools
import random
import time
from collections import Counter
from decimal import Decimal

import pytest

from lib.sources.sql.executor.result import ErrorKind, Result, failed
from lib.sources.sql.results import spider
from lib.sources.sql.results.compare import RULES, same_result

NAN = float("nan")
# gold rows, predicted rows, whether gold orders, then what each rule says: spider, bird, tolerant.
CASES = {
    "equal": ([(1, "a"), (2, "b")], [(1, "a"), (2, "b")], False, (True, True, True)),
    "rows in another order": ([(1, "a"), (2, "b")], [(2, "b"), (1, "a")], False, (True, True, True)),
    "rows in another order where gold orders": ([(1,), (2,)], [(2,), (1,)], True, (False, True, False)),
    "columns in another order": ([(1, "a"), (2, "b")], [("a", 1), ("b", 2)], False, (True, False, True)),
    "columns in another order, ordered": ([(1, "a"), (2, "b")], [("a", 1), ("b", 2)], True, (True, False, True)),
    "columns and rows in another order": ([(1, "a"), (2, "b")], [("b", 2), ("a", 1)], False, (True, False, True)),
    "values swapped in one row": ([(1, 2), (3, 4)], [(2, 1), (3, 4)], False, (False, False, False)),
    "a row twice": ([(1,), (1,), (2,)], [(1,), (2,)], False, (False, True, False)),
    "other rows twice": ([(1,), (1,), (2,)], [(1,), (2,), (2,)], False, (False, True, False)),
    "a row missing": ([(1,), (2,)], [(1,)], False, (False, False, False)),
    "a column more": ([(1,), (2,)], [(1, 1), (2, 2)], False, (False, False, False)),
    "both empty": ([], [], False, (True, True, True)),
    "one empty": ([(1,)], [], False, (False, False, False)),
    "a row of NULL is no empty result": ([(None,)], [], False, (False, False, False)),
    "NULL": ([(None, 1)], [(None, 1)], False, (True, True, True)),
    "NULL is not nought": ([(None,)], [(0,)], False, (False, False, False)),
    "NULL is not empty text": ([(None,)], [("",)], False, (False, False, False)),
    "a whole number and its fraction": ([(1,), (2,)], [(1.0,), (2.0,)], False, (True, True, True)),
    "a number and its text": ([(1,)], [("1",)], False, (False, False, False)),
    "truth and one": ([(True,)], [(1,)], False, (True, True, True)),
    "sums in another order": ([(0.1 + 0.2,)], [(0.3,)], False, (False, False, True)),
    "an average nearly whole": ([(3,)], [(2.9999999999,)], False, (False, False, True)),
    "rounded to two digits": ([(0.3333333,)], [(0.33,)], False, (False, False, False)),
    "large whole numbers side by side": ([(1_000_000,)], [(1_000_001,)], False, (False, False, False)),
    "large fractions side by side": ([(1_000_000.5,)], [(1_000_000.6,)], False, (False, False, True)),
    "a decimal": ([(Decimal("1.10"),)], [(1.1,)], False, (False, False, True)),
    "the sign of nought": ([(0.0,)], [(-0.0,)], False, (True, True, True)),
    "minus one and minus two": ([(-1, 5), (-2, 6)], [(5, -2), (6, -1)], False, (False, False, False)),
    "text in another case": ([("Oslo",)], [("oslo",)], False, (False, False, False)),
    "NaN": ([(float("nan"), 1)], [(NAN, 1)], False, (False, False, True)),
    "infinity": ([(float("inf"),)], [(float("inf"),)], False, (True, True, True)),
    "bytes": ([(b"a",)], [(b"a",)], False, (True, True, True)),
    "a date and its text": ([(dt.date(2024, 1, 2),)], [("2024-01-02",)], False, (False, False, False)),
    "lists": ([([1, 2],)], [([1, 2.0000000001],)], False, (False, False, True)),
    "structs": ([({"a": 1},)], [({"a": 1},)], False, (True, True, True)),
    "equal columns": ([(1, 1, 2), (1, 1, 3)], [(2, 1, 1), (3, 1, 1)], False, (True, False, True)),
    "bags of columns agree and rows do not": (
        [(1, 1, "x"), (1, 2, "y"), (2, 1, "z"), (2, 2, "w")],
        [(1, 2, "x"), (1, 2, "y"), (2, 1, "z"), (2, 1, "w")],
        False,
        (False, False, False),
    ),
    # By text and type, "10/" comes before 10 and after 10.0; the evaluator's first look then refuses equal rows.
    "a whole number and its fraction beside text": ([(10, "10/")], [(10.0, "10/")], False, (False, True, True)),
}


@pytest.mark.parametrize(("gold", "predicted", "ordered", "verdicts"), CASES.values(), ids=CASES)
def test_each_rule_judges_as_the_table_says(gold, predicted, ordered, verdicts):
    gold, predicted = Result(rows=tuple(gold)), Result(rows=tuple(predicted))
    for rule, verdict in zip(("spider", "bird", "tolerant"), verdicts, strict=True):
        assert same_result(gold, predicted, rule, ordered=ordered) is verdict, rule


def brute_force(gold, predicted, ordered):
    """Spider's definition, every order of the columns tried."""
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) != len(predicted[0]):
        return False
    for order in itertools.permutations(range(len(gold[0]))):
        moved = [tuple(row[i] for i in order) for row in predicted]
        if moved == gold if ordered else Counter(moved) == Counter(gold):
            return True
    return False


@pytest.mark.parametrize("rule", ["spider", "tolerant"])
def test_the_search_for_an_order_of_columns_finds_one_when_there_is_one(rule):
    chance = random.Random(0)
    verdicts = Counter()
    for _ in range(4000):
        width, height, values = chance.randint(1, 5), chance.randint(0, 5), chance.choice([2, 3])
        gold = [tuple(chance.randrange(values) for _ in range(width)) for _ in range(height)]
        order = chance.sample(range(width), width)
        predicted = [tuple(row[i] for i in order) for row in gold]
        if chance.random() < 0.5:
            chance.shuffle(predicted)
        if predicted and chance.random() < 0.5:
            row = list(predicted[0])
            row[chance.randrange(width)] = chance.randrange(values)
            predicted[0] = tuple(row)
        ordered = chance.random() < 0.5
        verdict = RULES[rule](gold, predicted, ordered=ordered)
        assert verdict is brute_force(gold, predicted, ordered), (gold, predicted, ordered)
        verdicts[verdict] += 1
    assert min(verdicts.values()) > 500


@pytest.mark.parametrize("rule", ["spider", "bird", "tolerant"])
def test_large_and_wide_results_are_compared_in_seconds(rule):
    chance = random.Random(1)
    gold = [tuple(chance.randrange(50) for _ in range(12)) for _ in range(20_000)]
    predicted = [row[::-1] for row in chance.sample(gold, len(gold))]
    many_equal_columns = [(i % 2,) * 15 + (i,) for i in range(5000)]
    started = time.perf_counter()
    assert RULES[rule](gold, predicted, ordered=False) is (rule != "bird")
    assert RULES[rule](many_equal_columns, [row[::-1] for row in many_equal_columns], ordered=False) is (rule != "bird")
    assert time.perf_counter() - started < 20


def test_dense_numbers_are_not_all_one_number():
    gold = [(i / 10_000_000,) for i in range(10_000)]
    shifted = [(i / 10_000_000,) for i in range(1, 10_001)]
    assert not RULES["tolerant"](gold, shifted, ordered=False)
    assert RULES["tolerant"](gold, gold[::-1], ordered=False)


@pytest.mark.parametrize(
    ("sql", "run"),
    [
        ("SELECT DISTINCT a FROM t", "SELECT  a FROM t"),
        ("SELECT count(distinct a), 'distinct' FROM t", "SELECT count( a), 'distinct' FROM t"),
        ('SELECT "distinct", `distinct` FROM t -- distinct', 'SELECT "distinct", `distinct` FROM t -- distinct'),
        ("SELECT 'it''s distinct' FROM t", "SELECT 'it''s distinct' FROM t"),
        ("SELECT indistinct FROM t WHERE a > = 1 AND b ! = 2", "SELECT indistinct FROM t WHERE a >= 1 AND b != 2"),
        ("SELECT year(curdate()) - born FROM t", "SELECT 2020- born FROM t"),
    ],
)
def test_spider_runs_statements_without_distinct(sql, run):
    assert spider.statement_to_run(sql) == run


def test_spider_keeps_distinct_where_it_is_told_to():
    assert spider.statement_to_run("SELECT DISTINCT a FROM t", keep_distinct=True) == "SELECT DISTINCT a FROM t"


def test_spider_reads_an_order_anywhere_in_the_gold_statement():
    assert spider.order_matters("SELECT a FROM t ORDER BY a")
    assert spider.order_matters("SELECT a FROM (SELECT a FROM t Order By a LIMIT 3)")
    assert not spider.order_matters("SELECT a FROM t")


def test_a_prediction_that_failed_or_is_cut_off_is_wrong():
    gold = Result(rows=((1,),))
    assert not same_result(gold, failed(ErrorKind.TIME, "late"))
    assert not same_result(gold, Result(rows=((1,),), truncated=True))


def test_nothing_is_judged_against_a_gold_result_that_failed_or_is_cut_off():
    for gold in (failed(ErrorKind.SYNTAX, "no"), Result(rows=((1,),), truncated=True)):
        with pytest.raises(ValueError):
            same_result(gold, Result(rows=((1,),)))
