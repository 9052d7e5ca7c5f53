"""Each part of a request becomes the clause that means it, in both dialects."""

from __future__ import annotations

import pytest

from lib.sources.sql.executor.result import DatabaseFile
from lib.synthesis.sql.request import (
    BestOfEach,
    Between,
    Combination,
    Compare,
    ComparedWithMean,
    Contains,
    HasChildren,
    Having,
    InYear,
    IsMissing,
    Measure,
    Order,
    Path,
    Place,
    Request,
)
from lib.synthesis.sql.to_sql import write_sql

COUNT = Measure("count")


@pytest.fixture(scope="module")
def parts(shops):
    """Tables and columns by short names."""
    shop = shops["sqlite"]
    (key,) = shop.keys_from("orders")
    customers, orders = shop.table("customers"), shop.table("orders")

    def place(name: str) -> Place:
        table, column = name.split(".")
        if table == "above":
            return Place(Path((key,)), customers, customers.column(column))
        found = shop.table(table)
        return Place(Path(), found, found.column(column))

    return place, customers, orders, key


def requests(parts):
    place, customers, orders, key = parts
    amount, name, city = place("orders.amount"), place("customers.name"), place("customers.city")
    oslo = Compare(city, "=", "Oslo")
    return {
        "SELECT name FROM customers WHERE city = 'Oslo'": Request(customers, (name,), conditions=(oslo,)),
        "SELECT DISTINCT city FROM customers": Request(customers, (city,), distinct=True),
        "SELECT name FROM customers WHERE city = 'Oslo' OR LOWER(name) LIKE '%r 1%'": Request(
            customers, (name,), conditions=(oslo, Contains(name, "R 1", "anywhere")), connective="or"
        ),
        "SELECT COUNT(*) FROM orders WHERE amount BETWEEN 3 AND 4.5 AND NOT day IS NULL": Request(
            orders,
            measures=(COUNT,),
            conditions=(Between(amount, 3, 4.5), IsMissing(place("orders.day"), negated=True)),
        ),
        "SELECT COUNT(*) FROM orders WHERE day >= '2024-01-01' AND day < '2025-01-01'": Request(
            orders, measures=(COUNT,), conditions=(InYear(place("orders.day"), 2024),)
        ),
        "SELECT T2.city, AVG(T1.amount) FROM orders AS T1 JOIN customers AS T2 ON T1.customer_id = T2.id "
        "GROUP BY T2.city HAVING COUNT(*) > 3": Request(
            orders,
            groups=(place("above.city"),),
            measures=(Measure("avg", amount),),
            having=Having(COUNT, ">", 3),
        ),
        "SELECT COUNT(DISTINCT city) FROM customers": Request(
            customers, measures=(Measure("count", city, distinct=True),)
        ),
        "SELECT T1.name FROM customers AS T1 WHERE EXISTS(SELECT 1 FROM orders AS T2 WHERE T2.amount > 990 "
        "AND T2.customer_id = T1.id)": Request(
            customers, (name,), conditions=(HasChildren(key, orders, (Compare(amount, ">", 990),)),)
        ),
        "SELECT T1.name FROM customers AS T1 WHERE NOT T1.id IN (SELECT T2.customer_id FROM orders AS T2 "
        "WHERE NOT T2.customer_id IS NULL)": Request(
            customers, (name,), conditions=(HasChildren(key, orders, negated=True, as_in=True),)
        ),
        "SELECT T1.amount FROM orders AS T1 WHERE T1.amount > (SELECT AVG(T2.amount) FROM orders AS T2 "
        "WHERE T2.day = T1.day)": Request(
            orders, (amount,), conditions=(ComparedWithMean(amount, ">", place("orders.day")),)
        ),
        "SELECT city FROM customers WHERE city = 'Oslo' EXCEPT "
        "SELECT city FROM customers WHERE name = 'x'": Combination(
            "except",
            Request(customers, (city,), conditions=(oslo,)),
            Request(customers, (city,), conditions=(Compare(name, "=", "x"),)),
        ),
        "SELECT column_1, column_2 FROM (SELECT day AS column_1, amount AS column_2, RANK() OVER (PARTITION BY day "
        "ORDER BY amount DESC) AS place FROM orders) AS ranked WHERE place = 1": Request(
            orders,
            (place("orders.day"), amount),
            best=BestOfEach(place("orders.day"), Order(amount, "desc")),
        ),
    }


def test_every_part_becomes_its_clause(parts):
    for sql, asked in requests(parts).items():
        assert write_sql(asked, "sqlite") == sql


def test_an_order_with_a_limit_puts_the_extreme_first(parts, shops, pool):
    place, _, orders, _ = parts
    amount = place("orders.amount")
    for direction, expected in (("desc", 999.0), ("asc", 0.0)):
        asked = Request(orders, (amount,), order=Order(amount, direction), limit=1)
        for dialect, shop in shops.items():
            assert pool.run(DatabaseFile(dialect, str(shop.path)), write_sql(asked, dialect)).rows == ((expected,),)


def test_both_dialects_give_the_same_rows(parts, shops, pool):
    for asked in requests(parts).values():
        queries = [
            (DatabaseFile(dialect, str(shop.path)), write_sql(asked, dialect)) for dialect, shop in shops.items()
        ]
        results = pool.run_many(queries)
        assert all(result.ok for result in results), [result.error for result in results]
        assert sorted(results[0].rows, key=str) == sorted(results[1].rows, key=str)
