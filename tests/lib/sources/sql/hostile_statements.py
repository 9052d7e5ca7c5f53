"""Statements that would do harm or cost too much, and what is to come of each.

An expectation is a kind of error, `rows` for an answer, `cut` for an answer that was cut off, or several of them with a
bar between where the engine may choose. `{folder}` is the folder of the databases.
"""

from __future__ import annotations

from typing import NamedTuple


class Hostile(NamedTuple):
    dialect: str
    sql: str
    expected: str


REFUSED_BY_DUCKDB = """
ATTACH ':memory:' AS other
ATTACH '{folder}/new.duckdb' AS other
ATTACH '{folder}/shop.duckdb' AS other (READ_WRITE)
ATTACH '{folder}/shop.sqlite' AS other (TYPE sqlite)
ATTACH 'https://example.com/x.duckdb' AS other
ATTACH 'postgres:host=127.0.0.1' AS pg (TYPE postgres)
DETACH shop
USE memory
COPY orders TO '{folder}/out.csv'
COPY orders TO '{folder}/out.parquet' (FORMAT parquet)
COPY (SELECT 1) TO '/dev/stdout'
COPY orders FROM '/etc/passwd'
COPY orders TO 's3://bucket/key'
COPY FROM DATABASE shop TO other
EXPORT DATABASE '{folder}/export'
IMPORT DATABASE '{folder}/export'
INSTALL httpfs
INSTALL httpfs FROM 'http://example.com'
FORCE INSTALL spatial FROM community
UPDATE EXTENSIONS
LOAD httpfs
LOAD '{folder}/evil.duckdb_extension'
PRAGMA database_list
PRAGMA table_info('orders')
PRAGMA enable_profiling
PRAGMA threads=8
PRAGMA memory_limit='100GB'
PRAGMA temp_directory='/tmp'
PRAGMA force_checkpoint
PRAGMA import_database('/tmp')
PRAGMA add_parquet_key('a', 'b')
SET threads = 8
SET memory_limit = '100GB'
SET GLOBAL memory_limit = '100GB'
SET SESSION search_path = 'temp'
SET enable_external_access = true
SET lock_configuration = false
SET temp_directory = '/tmp'
SET allow_unsigned_extensions = true
SET TimeZone = 'Asia/Tokyo'
SET VARIABLE secret = 42
SET schema = 'information_schema'
RESET memory_limit
RESET lock_configuration
RESET VARIABLE secret
CALL pragma_version()
CALL enable_logging()
CALL dbgen(sf = 1)
CALL force_checkpoint()
PREPARE stolen AS SELECT 1
EXECUTE stolen
DEALLOCATE stolen
BEGIN
BEGIN TRANSACTION READ ONLY
COMMIT
ROLLBACK
ABORT
CHECKPOINT
FORCE CHECKPOINT shop
VACUUM
VACUUM ANALYZE orders
ANALYZE
EXPLAIN SELECT 1
EXPLAIN ANALYZE SELECT count(*) FROM range(1000000000000)
EXPLAIN ANALYZE COPY orders TO '{folder}/out.csv'
CREATE TABLE more (a INTEGER)
CREATE TEMP TABLE more AS SELECT 1
CREATE TEMPORARY VIEW orders AS SELECT 0 AS amount
CREATE OR REPLACE TABLE orders AS SELECT 1
CREATE VIEW w AS SELECT 1
CREATE SCHEMA s
CREATE SEQUENCE q
CREATE INDEX ix ON orders(amount)
CREATE TYPE mood AS ENUM ('sad')
CREATE MACRO count(x) AS 42
CREATE TEMP MACRO sum(x) AS 42
CREATE FUNCTION plus(a, b) AS a + b
CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')
CREATE PERSISTENT SECRET s (TYPE http)
DROP SECRET s
DROP TABLE orders
DROP TABLE IF EXISTS orders CASCADE
DROP VIEW large_orders
ALTER TABLE orders ADD COLUMN z INTEGER
ALTER TABLE orders RENAME TO x
COMMENT ON TABLE orders IS 'mine'
INSERT INTO orders VALUES (5000, 1, 1, 'x')
INSERT INTO orders SELECT * FROM orders
INSERT OR REPLACE INTO orders VALUES (1, 1, 1, 'x') RETURNING *
UPDATE orders SET amount = 0
DELETE FROM orders
TRUNCATE orders
MERGE INTO orders USING orders AS o ON orders.id = o.id WHEN MATCHED THEN DELETE
WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone
WITH more AS (INSERT INTO orders VALUES (5000, 1, 1, 'x') RETURNING *) SELECT * FROM more
SELECT 1; SELECT 2
SELECT 1; DROP TABLE orders
SELECT 1;/**/;DELETE FROM orders; --
/* SELECT */ DELETE FROM orders
-- harmless⏎DELETE FROM orders
  \t⏎;;  DROP TABLE orders
sElEcT 1; aTtAcH ':memory:' AS x
SELECT 1 -- ;⏎; DELETE FROM orders
SELECT 'a;b'; COMMIT
SELECT 1\x00; DROP TABLE orders
SELECT '\x00'
SELECT * FROM read_csv('/etc/passwd')
SELECT * FROM read_csv_auto('/etc/passwd', sep = ':')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_text(['/etc/passwd', '/proc/self/environ'])
SELECT * FROM read_blob('/proc/self/mem')
SELECT * FROM read_blob('/dev/zero')
SELECT * FROM read_parquet('{folder}/x.parquet')
SELECT * FROM read_json('/etc/hosts')
SELECT * FROM read_ndjson_objects('/etc/hosts')
SELECT * FROM parquet_metadata('/etc/hosts')
SELECT * FROM sniff_csv('/etc/passwd')
SELECT * FROM read_text('http://169.254.169.254/latest/meta-data')
SELECT * FROM read_csv('https://example.com/x.csv')
SELECT * FROM glob('/etc/*')
SELECT * FROM READ_TEXT/**/('/etc/passwd')
SELECT * FROM "read_text"('/etc/passwd')
SELECT (SELECT content FROM read_text('/etc/passwd'))
WITH f AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM f
SELECT * FROM read_duckdb('{folder}/shop.duckdb', table_name = 'orders')
SELECT * FROM query('SELECT * FROM orders')
SELECT * FROM query('SELECT * FROM read_' || 'text(''/etc/passwd'')')
SELECT * FROM "QUERY" /* gap */ ('SELECT 1')
SELECT * FROM query_table('orders')
SELECT * FROM query_table(['orders', '/etc/passwd'])
FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
SELECT * FROM checkpoint()
SELECT * FROM force_checkpoint()
SELECT write_log('spam')
SELECT 'spam'.write_log()
FROM enable_logging()
FROM enable_profiling()
FROM truncate_duckdb_logs()
SELECT * FROM system.main.query('SELECT 1')
SELECT * FROM (SELECT 1), LATERAL (SELECT * FROM query('SELECT 1'))
SELECT count(*) FILTER (WHERE write_log('x') IS NULL) FROM orders
SELECT list_transform([1], lambda x: write_log('x'))
SELECT * FROM duckdb_secrets()
SELECT * FROM arrow_scan(1, 2, 3)
SELECT * FROM pandas_scan(140000000000000)
SELECT * FROM python_map_function((SELECT 1), 2)
FROM create_external_resource('x')
SELECT nextval('q')
PIVOT orders ON customer_id USING sum(amount)
"""

OTHERS_OF_DUCKDB = (
    ("SELECT * FROM '/etc/passwd'", "unknown name"),
    ("FROM '{folder}/x.csv'", "refused"),
    ("SELECT * FROM glob('*')", "refused|execution"),
    ("FROM 'https://example.com/x.parquet'", "refused"),
    ('SELECT * FROM "/proc/self/environ"', "unknown name"),
    ("SELECT getenv('HOME')", "unknown name"),
    ("SELECT * FROM limits", "unknown name"),
    ("SELECT * FROM columns", "unknown name"),
    ("SELECT load_extension('x')", "unknown name"),
    ("SELECT * FROM postgres_query('a', 'b')", "unknown name"),
    ("SELECT ﬁle FROM orders", "unknown name"),
    ("SELECT\u00a01", "rows"),
    ("SELECT\u200b1", "rows"),
    ("SELECT 1\u037e DROP TABLE orders", "syntax"),
    ("ＳＥＬＥＣＴ 1", "syntax"),
    ("DELETE\u2028FROM orders", "syntax"),
    ("SELECT '\ud800'", "syntax|refused|execution"),
    ("", "syntax"),
    (";", "syntax"),
    ("-- nothing", "syntax"),
    ("/* open", "syntax"),
    ("SELECT 'open", "syntax"),
    ("SELECT * FROM edit('x')", "unknown name"),
    ("SELECT getvariable('secret')", "rows"),
    ("SELECT current_setting('lock_configuration')", "rows"),
    ("SELECT setseed(0.5)", "rows"),
    ("SELECT * FROM sqlite_master", "rows"),
    ("SELECT ?", "execution|invalid"),
    ("SELECT $name", "execution|invalid"),
    ("SELECT sleep_ms(20000)", "time|rows"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r", "time"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r", "time|cut"),
    ("WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r", "time|memory"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT a.n + 1 FROM r a, r b) SELECT count(*) FROM r", "time|memory"),
    ("SELECT count(*) FROM orders a, orders b, orders c, orders d", "time"),
    ("SELECT sum(a.amount * b.amount) FROM orders a, orders b, orders c, orders d WHERE a.id < b.id", "time"),
    ("SELECT * FROM orders a, orders b, orders c", "cut"),
    ("SELECT a.id FROM orders a, orders b, orders c ORDER BY hash(a.id, b.id, c.id)", "time|memory"),
    ("SELECT count(DISTINCT hash(a.id, b.id, c.id)) FROM orders a, orders b, orders c", "time|memory"),
    ("SELECT count(*) FROM range(1000000000000)", "time"),
    ("FROM range(1000000000000)", "cut"),
    ("SELECT * FROM generate_series(1, 9223372036854775807)", "cut"),
    ("SELECT max(x) FROM generate_series(1, 1000000000000) t(x)", "time"),
    ("SELECT range(100000000000)", "memory|execution"),
    ("SELECT len(range(1000000000))", "memory|time"),
    ("SELECT list_sum(generate_series(1, 1000000000))", "memory|time"),
    ("SELECT unnest(range(100000000))", "cut|memory|time"),
    ("SELECT list(a.id || b.day || c.day) FROM orders a, orders b, orders c", "time|memory"),
    ("SELECT string_agg(a.day || b.day || c.day, ',') FROM orders a, orders b, orders c", "time|memory"),
    ("SELECT histogram(hash(a.id, b.id, c.id)) FROM orders a, orders b, orders c", "time|memory"),
    ("SELECT repeat('x', 10000000000)", "memory|execution"),
    ("SELECT repeat('x', 3000000)", "bytes"),
    ("SELECT repeat(day, 100000) FROM orders", "cut|time|memory"),
    ("SELECT length(repeat(repeat('x', 30000), 30000))", "memory|rows"),
    ("SELECT rpad('x', 2000000000, 'y')", "memory|execution|time"),
    ("SELECT lpad('x', 2000000000, 'y') || rpad('x', 2000000000, 'y')", "memory|execution|time"),
    ("SELECT * FROM repeat('x', 1000000000000)", "cut"),
    ("SELECT regexp_matches(repeat('a', 100000), '(a*)*(a*)*(a*)*b')", "rows|time"),
    ("SELECT regexp_matches('a', '((a{1,1000}){1,1000}){1,1000}')", "execution|invalid"),
    ("SELECT repeat('a', 1000000) LIKE repeat('%a', 5000) || 'b'", "rows|time"),
    ("SELECT levenshtein(repeat('a', 200000), repeat('b', 200000))", "time|memory"),
    ("SELECT factorial(100000)", "execution"),
    ("SELECT power(10, 400)", "rows|execution"),
    ("SELECT list_sort(list_transform(range(30000000), lambda x: hash(x)))[1]", "time|memory"),
    ("SELECT count(*) FROM orders a JOIN orders b ON a.amount <> b.amount JOIN orders c ON b.day <> c.day", "time"),
    ("SELECT array_agg(t) FROM (SELECT a, b, c FROM orders a, orders b, orders c) t", "time|memory"),
    ("SELECT row_number() OVER (ORDER BY a.day, b.day) FROM orders a, orders b, orders c LIMIT 1", "time|memory"),
    ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "syntax|refused|execution"),
    ("SELECT " + "-" * 1 + " -" * 20000 + "1", "syntax|refused|execution|rows"),
    ("SELECT " + "+".join(["1"] * 30000), "refused|syntax|execution|rows|time"),
    ("SELECT " + "[" * 3000 + "]" * 3000, "refused|syntax|execution"),
    ("SELECT " + "CASE WHEN true THEN " * 3000 + "1" + " END" * 3000, "refused|syntax|execution"),
    (" UNION ALL ".join(["SELECT 1"] * 4000), "refused|syntax|execution|time|rows"),
    ("SELECT * FROM " + "(SELECT * FROM " * 3000 + "orders" + ")" * 3000, "refused|syntax|execution"),
    (
        "WITH "
        + ", ".join(f"c{i} AS (SELECT * FROM {f'c{i - 1} a, c{i - 1} b' if i else 'orders'})" for i in range(12))
        + " SELECT count(*) FROM c11",
        "time|memory|refused|invalid",
    ),
    ("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(5000)), "rows"),
    ("SELECT '" + "x" * 90_000 + "'", "rows"),
    ("SELECT '" + "x" * 200_000 + "'", "refused"),
    ("SELECT 1 " + " " * 200_000, "refused"),
)

REFUSED_BY_SQLITE = """
ATTACH ':memory:' AS other
ATTACH '{folder}/new.sqlite' AS other
ATTACH 'file:{folder}/shop.sqlite?mode=rwc' AS other
DETACH main
VACUUM
VACUUM INTO '{folder}/copy.sqlite'
PRAGMA writable_schema = ON
PRAGMA journal_mode = DELETE
PRAGMA query_only = OFF
PRAGMA hard_heap_limit = 0
PRAGMA soft_heap_limit = 1
PRAGMA temp_store_directory = '/tmp'
PRAGMA database_list
PRAGMA user_version = 7
PRAGMA foreign_keys = OFF
PRAGMA case_sensitive_like = ON
PRAGMA cache_size = 1000000000
PRAGMA mmap_size = 1000000000000
PRAGMA threads = 8
PRAGMA page_size = 512
PRAGMA integrity_check
PRAGMA optimize
PRAGMA wal_checkpoint
PRAGMA trusted_schema = ON
PRAGMA encoding = 'UTF-16'
PRAGMA recursive_triggers = ON
SELECT * FROM pragma_database_list
SELECT * FROM pragma_integrity_check
SELECT * FROM sqlite_stmt
SELECT sql FROM "SQLite_STMT"
SELECT * FROM main.sqlite_stmt
SELECT * FROM pragma_hard_heap_limit(1)
PRAGMA main.journal_mode(off)
BEGIN
BEGIN EXCLUSIVE
COMMIT
SAVEPOINT a
RELEASE a
ANALYZE
REINDEX
CREATE TABLE more (a)
CREATE TEMP TABLE more AS SELECT 1
CREATE TEMP VIEW orders AS SELECT 0 AS amount
CREATE TEMP TRIGGER tr INSERT ON orders BEGIN SELECT 1; END
CREATE VIRTUAL TABLE f USING fts5(x)
CREATE VIRTUAL TABLE temp.f USING fts3(tokenize=simple)
CREATE VIEW w AS SELECT 1
CREATE INDEX ix ON orders(amount)
DROP TABLE orders
DROP VIEW large_orders
ALTER TABLE orders ADD COLUMN z
ALTER TABLE orders RENAME TO x
INSERT INTO orders VALUES (5000, 1, 1, 'x')
INSERT OR REPLACE INTO orders VALUES (1, 1, 1, 'x') RETURNING *
REPLACE INTO orders VALUES (1, 1, 1, 'x')
WITH x AS (SELECT 1) INSERT INTO orders SELECT 1, 1, 1, 1
WITH x AS (SELECT 1) DELETE FROM orders
UPDATE orders SET amount = 0
UPDATE sqlite_master SET sql = 'x'
DELETE FROM orders
DELETE FROM sqlite_master
INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2, 'x')
EXPLAIN DELETE FROM orders
SELECT load_extension('{folder}/evil.so')
SELECT load_extension('evil', 'entry')
SELECT fts3_tokenizer('simple')
SELECT fts3_tokenizer('simple', x'4141414142424242')
SELECT "LOAD_EXTENSION"('evil')
SELECT sqlite_log(1, 'spam')
SELECT 1; SELECT 2
SELECT 1; DROP TABLE orders
SELECT 1;/**/DELETE FROM orders
-- harmless⏎DELETE FROM orders
/* SELECT */ DELETE FROM orders
  \t⏎ DROP TABLE orders
SELECT 1\x00; DROP TABLE orders
SELECT '\x00'
"""

OTHERS_OF_SQLITE = (
    ("SELECT readfile('/etc/passwd')", "unknown name"),
    ("SELECT writefile('{folder}/x', 'y')", "unknown name"),
    ("SELECT edit('x', 'vi')", "unknown name"),
    ("SELECT system('id')", "unknown name"),
    ("SELECT * FROM fsdir('/etc')", "unknown name"),
    ("SELECT * FROM sqlite_dbpage", "unknown name"),
    ("SELECT * FROM '/etc/passwd'", "unknown name"),
    (".shell id", "syntax"),
    (".read /etc/passwd", "syntax"),
    ("PREPARE x AS SELECT 1", "syntax"),
    ("SET a = 1", "syntax"),
    ("COPY orders TO 'x'", "syntax"),
    ("", "syntax"),
    (";", "syntax"),
    ("-- nothing", "syntax"),
    ("/* open", "syntax"),
    ("SELECT 'open", "syntax"),
    ("SELECT\u00a01", "unknown name|syntax"),
    ("ＳＥＬＥＣＴ 1", "syntax"),
    ("SELECT 1\u037e DROP TABLE orders", "syntax"),
    ("SELECT '\ud800'", "syntax"),
    ("SELECT ?", "execution|invalid"),
    ("SELECT count(*) FROM sqlite_master", "rows"),
    ("SELECT name FROM pragma_table_info('orders')", "rows"),
    ("PRAGMA table_info(orders)", "rows"),
    ("EXPLAIN QUERY PLAN SELECT * FROM orders", "rows"),
    ("SELECT value FROM json_each('[1, 2]')", "rows"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r", "time"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r", "cut"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION SELECT n + 1 FROM r) SELECT max(n) FROM r", "time|memory"),
    ("WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT s || s FROM r) SELECT max(length(s)) FROM r", "memory"),
    ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r ORDER BY 1) SELECT sum(n) FROM r", "time"),
    ("SELECT count(*) FROM orders a, orders b, orders c, orders d", "time"),
    ("SELECT * FROM orders a, orders b, orders c", "cut"),
    ("SELECT a.id FROM orders a, orders b, orders c ORDER BY a.day, b.day, c.day", "time|memory"),
    ("SELECT DISTINCT a.id, b.id, c.id FROM orders a, orders b, orders c ORDER BY 3", "time|memory|cut"),
    ("SELECT count(DISTINCT a.id || b.id || c.id) FROM orders a, orders b, orders c", "time|memory"),
    ("SELECT group_concat(a.day || b.day || c.day) FROM orders a, orders b, orders c", "time|memory"),
    ("SELECT json_group_array(a.day) FROM orders a, orders b, orders c", "time|memory"),
    ("SELECT randomblob(1000000000)", "memory"),
    ("SELECT zeroblob(2000000000)", "memory"),
    ("SELECT hex(zeroblob(12000000))", "memory"),
    ("SELECT printf('%1000000000d', 1)", "memory|rows"),
    ("SELECT printf('%.*c', 1000000000, 'x')", "memory|time"),
    ("SELECT replace(hex(zeroblob(4000000)), '0', hex(zeroblob(4000000)))", "memory"),
    ("SELECT length(replace(hex(zeroblob(3000)), '0', hex(zeroblob(1000))))", "rows"),
    ("SELECT zeroblob(3000000)", "bytes"),
    ("SELECT hex(randomblob(50000)) FROM orders", "cut"),
    ("SELECT hex(zeroblob(500000)) LIKE '" + "%0" * 400 + "1'", "time|rows"),
    ("SELECT hex(zeroblob(500000)) GLOB '" + "*0" * 400 + "1'", "time|rows"),
    ("SELECT 'x' LIKE '" + "%" * 40_000 + "'", "refused|execution|memory"),
    ("SELECT instr(hex(zeroblob(4000000)), hex(zeroblob(2000000)) || '1')", "time"),
    ("SELECT sum(length(randomblob(1000000))) FROM orders a, orders b", "time"),
    ("SELECT * FROM orders WHERE day REGEXP '(a+)+b'", "unknown name"),
    ("SELECT json('" + "[" * 3000 + "]" * 3000 + "')", "execution|rows"),
    ("SELECT " + "(" * 5000 + "1" + ")" * 5000, "refused"),
    ("SELECT " + "+".join(["1"] * 30000), "refused"),
    ("SELECT " + "CASE WHEN 1 THEN " * 3000 + "1" + " END" * 3000, "refused"),
    (" UNION ALL ".join(["SELECT 1"] * 4000), "refused"),
    ("SELECT * FROM " + "(SELECT * FROM " * 3000 + "orders" + ")" * 3000, "refused|execution"),
    ("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(1900)), "rows"),
    ("SELECT " + ", ".join(f"{i} AS c{i}" for i in range(5000)), "refused"),
    ("SELECT * FROM " + ", ".join(f"orders o{i}" for i in range(64)), "cut"),
    ("SELECT * FROM " + ", ".join(f"orders o{i}" for i in range(100)), "invalid|refused|execution"),
    ("SELECT abs(-9223372036854775808)", "execution"),
    ("SELECT '" + "x" * 90_000 + "'", "rows"),
    ("SELECT '" + "x" * 200_000 + "'", "refused"),
    ("WITH a AS (SELECT * FROM b), b AS (SELECT * FROM a) SELECT * FROM a", "invalid|unknown name|execution"),
)


def _lines(table: str) -> list[str]:
    """One statement a line; the sign ⏎ stands for a line break inside a statement."""
    return [line.replace("⏎", "\n") for line in table.split("\n") if line.strip()]


def hostile_statements(folder: str) -> list[Hostile]:
    """All of them, for databases in the given folder."""
    rows = [Hostile("duckdb", sql, "refused") for sql in _lines(REFUSED_BY_DUCKDB)]
    rows += [Hostile("duckdb", *row) for row in OTHERS_OF_DUCKDB]
    rows += [Hostile("sqlite", sql, "refused") for sql in _lines(REFUSED_BY_SQLITE)]
    rows += [Hostile("sqlite", *row) for row in OTHERS_OF_SQLITE]
    return [row._replace(sql=row.sql.replace("{folder}", folder)) for row in rows]
