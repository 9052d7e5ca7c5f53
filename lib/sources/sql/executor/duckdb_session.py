"""A DuckDB file opened so that a query can only read it.

The file is opened read-only, without access to other files, networks, extensions or the variables of Python, and the
configuration is locked. One statement of the kind SELECT passes, which takes in VALUES, FROM, WITH, TABLE, DESCRIBE,
SUMMARIZE and SHOW. Not passed although they only read: EXPLAIN (its plan tells of the version, not of the data),
PRAGMA and CALL (they set things as well; the functions `pragma_table_info` and so on say the same), and PIVOT
without a list of values, which makes a type first. Every query gets a connection of its own, so that no seed,
variable, temporary table or transaction reaches the next one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import duckdb

from lib.sources.sql.executor import cells
from lib.sources.sql.executor.result import ErrorKind
from lib.sources.sql.executor.session import Refusal

CONFIG = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "enable_external_file_cache": "false",
    "threads": "1",
    "async_threads": "0",
}
# In this order: each forbids the ones before it.
LOCKS = (
    "SET GLOBAL temp_directory = ''",
    "SET GLOBAL max_expression_depth = 250",
    "SET GLOBAL enable_external_access = false",
    "SET GLOBAL lock_configuration = true",
)
# Functions that run text as SQL or a pointer as data, past the checks made here; or that leave something behind
# for other queries. Functions that open files are the engine's to refuse, with external access off.
REFUSED_FUNCTIONS = frozenset(
    """query query_table json_execute_serialized_sql arrow_scan arrow_scan_dumb python_arrow_scan pandas_scan
    python_map_function checkpoint force_checkpoint write_log enable_logging disable_logging truncate_duckdb_logs
    enable_profiling disable_profiling create_external_resource destroy_external_resource register_external_resource
    deregister_external_resource register_external_resource_type setval nextval which_secret read_duckdb
    duckdb_logs duckdb_log_contexts duckdb_prepared_statements duckdb_secrets""".split()
)
_MENTIONED = re.compile(r"\b(" + "|".join(REFUSED_FUNCTIONS) + r")\b", re.IGNORECASE)
NESTED = frozenset({"list", "array", "struct", "map", "union", "variant"})
_UNKNOWN_NAME = re.compile(r"does not exist|not found|not in the catalog|Ambiguous reference")
_REFUSED = re.compile(r"read-only mode|configuration has been locked|disabled (by|through) configuration|depth")
KINDS = (
    (duckdb.InterruptException, ErrorKind.TIME),
    (duckdb.OutOfMemoryException, ErrorKind.MEMORY),
    (duckdb.ParserException, ErrorKind.SYNTAX),
    (duckdb.SyntaxException, ErrorKind.SYNTAX),
    (duckdb.PermissionException, ErrorKind.REFUSED),
    (duckdb.BinderException, ErrorKind.INVALID),
    (duckdb.CatalogException, ErrorKind.INVALID),
)


class DuckDBSession:
    """An open DuckDB file; see the module for what it lets through."""

    def __init__(self, path: str, memory_bytes: int):
        config = CONFIG | {"memory_limit": f"{memory_bytes >> 20}MiB"}
        self._database = duckdb.connect(path, read_only=True, config=config)
        for statement in LOCKS:
            self._database.execute(statement)
        self._cursor: duckdb.DuckDBPyConnection | None = None

    def execute(self, sql: str) -> list[str]:
        """Starts the query; returns the names of its columns."""
        self._cursor = cursor = self._database.cursor()
        statement = _only_statement(cursor, sql)
        if _MENTIONED.search(sql):
            _refuse_functions(cursor, sql)
        cursor.execute(statement)
        self._nested = [i for i, column in enumerate(cursor.description) if column[1].id in NESTED]
        return [column[0] for column in cursor.description]

    def fetch(self, size: int) -> list[tuple[Any, ...]]:
        """The next rows, at most `size`; none at the end."""
        rows = self._cursor.fetchmany(size)
        if not self._nested:
            return rows
        return [tuple(cells.plain(v) if i in self._nested else v for i, v in enumerate(row)) for row in rows]

    def interrupt(self) -> None:
        cursor = self._cursor
        if cursor is not None:
            cursor.interrupt()

    def finish(self) -> None:
        """Lets go of the query and of all that it left in its connection."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            cursor.close()

    def close(self) -> None:
        self._database.close()

    @staticmethod
    def kind_of(error: Exception) -> ErrorKind:
        message = str(error)
        if _REFUSED.search(message):
            return ErrorKind.REFUSED
        kind = next((kind for of, kind in KINDS if isinstance(error, of)), ErrorKind.EXECUTION)
        return ErrorKind.UNKNOWN_NAME if kind is ErrorKind.INVALID and _UNKNOWN_NAME.search(message) else kind


def _only_statement(cursor: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    statements = cursor.extract_statements(sql)
    if not statements:
        raise Refusal("There is no statement.", ErrorKind.SYNTAX)
    if len(statements) > 1:
        raise Refusal("One statement at a time is run.")
    try:
        kind = statements[0].type
    except ValueError:  # a kind that the Python package has no name for
        kind = None
    if kind == duckdb.StatementType.MULTI:
        raise Refusal("This statement makes a type first; give PIVOT its values: PIVOT ... ON column IN (...).")
    if kind != duckdb.StatementType.SELECT:
        raise Refusal(f"Only queries are run, no {kind.name if kind else 'other'} statement.")
    return statements[0]


def _refuse_functions(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuses what calls a function of the list; its name as a column, an alias or text is no call."""
    tree = json.loads(cursor.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()[0])
    if tree["error"]:
        raise Refusal(f"This statement names a function that is not run here: {_MENTIONED.search(sql)[0]}.")
    called = REFUSED_FUNCTIONS.intersection(_function_names(tree))
    if called:
        raise Refusal(f"The function {min(called)} is not run here.")


def _function_names(tree: Any) -> Iterator[str]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if isinstance(node.get("function_name"), str):
                yield node["function_name"].lower()
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
