import json
from collections import Counter
from pathlib import Path

import pytest

from lib.sources.sql.hardness import hardness_of

QUESTIONS = Path(__file__).parents[5] / "shared" / "data" / "sql_spider_dev" / "questions.jsonl"

# Counted by hand from the official rules.
CASES = [
    ("SELECT count(*) FROM singer", "easy"),
    ("SELECT name FROM singer WHERE age > 20", "easy"),
    ("SELECT name, age FROM singer", "medium"),
    ("SELECT name FROM singer WHERE age > 20 ORDER BY age", "medium"),
    ("SELECT name FROM singer WHERE age > 20 OR age < 10", "medium"),
    ("SELECT name FROM singer ORDER BY age DESC LIMIT 1", "medium"),
    ("SELECT T1.name FROM singer AS T1 JOIN city AS T2 ON T1.city = T2.id WHERE T2.name = 'x'", "medium"),
    ("SELECT name FROM singer WHERE id NOT IN (SELECT singer FROM concert)", "hard"),
    ("SELECT name FROM a WHERE id IN (SELECT x FROM b UNION SELECT y FROM c)", "hard"),
    ("SELECT name FROM singer WHERE age > 20 INTERSECT SELECT name FROM singer WHERE age < 30", "hard"),
    ("SELECT name, count(*) FROM singer WHERE age > 20 GROUP BY name ORDER BY count(*) DESC LIMIT 1", "extra"),
    ("SELECT count(*), max(age) FROM singer WHERE NOT name LIKE '%a%' AND age > 3", "hard"),
    ("SELECT name FROM a WHERE b > (SELECT avg(b) FROM a) AND c = 1", "extra"),
]


@pytest.mark.parametrize("sql, level", CASES, ids=[sql for sql, _ in CASES])
def test_the_level_is_that_of_the_official_rules(sql, level):
    assert hardness_of(sql) == level


@pytest.mark.skipif(not QUESTIONS.is_file(), reason="no Spider questions here")
def test_every_level_of_spider_s_own_questions_is_found():
    rows = [json.loads(line) for line in QUESTIONS.open()]
    found = Counter((row["hardness"], hardness_of(row["gold_sql"])) for row in rows)
    assert len(rows) > 500 and all(official == ours for official, ours in found)
