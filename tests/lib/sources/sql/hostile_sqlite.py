"""Hostile statements for SQLite, and what is to come of each; see hostile_statements."""

from __future__ import annotations

REFUSED = """
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

OTHERS = (
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
