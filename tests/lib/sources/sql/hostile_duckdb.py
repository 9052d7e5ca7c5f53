"""Hostile statements for DuckDB, and what is to come of each; see hostile_statements."""

from __future__ import annotations

REFUSED = """
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

OTHERS = (
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
