"""Requests and replies on the socket between the pool and a worker: a length of four bytes, then a JSON array.

The parent trusts no reply: it bounds the length and reads JSON only (see `cells`).
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator

from lib.sources.sql.executor import cells
from lib.sources.sql.executor.limits import Limits
from lib.sources.sql.executor.result import DatabaseFile, ErrorKind, QueryError, Result

LENGTH = struct.Struct("<I")
# Room in a reply for the names of columns, the message and the braces, beside the rows.
HEAD_BYTES = 1 << 20

# The parent asks a worker to drop what it was given and has not begun; the worker says that it has.
FORGET = b"[]"


class BadFrameError(ValueError):
    """Bytes that are no reply of a sound worker."""


def frame(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


def take_frames(buffer: bytearray, greatest: int) -> Iterator[bytes]:
    """The complete frames at the buffer's beginning, each taken off it; refuses one longer than `greatest`."""
    while len(buffer) >= LENGTH.size:
        (length,) = LENGTH.unpack_from(buffer)
        if length > greatest:
            raise BadFrameError(f"a frame of {length} bytes where {greatest} are the most")
        if len(buffer) < LENGTH.size + length:
            return
        body = bytes(buffer[LENGTH.size : LENGTH.size + length])
        del buffer[: LENGTH.size + length]
        yield body


def write_request(database: DatabaseFile, sql: str, limits: Limits) -> bytes:
    bounds = (limits.seconds, limits.rows, limits.counted_rows, limits.num_bytes)  # astuple() copies deeply
    return frame(json.dumps([*database, sql, *bounds]).encode())


def read_request(body: bytes) -> tuple[DatabaseFile, str, Limits]:
    dialect, path, sql, *limits = json.loads(body)
    return DatabaseFile(dialect, path), sql, Limits(*limits)


def write_reply(result: Result, rows: bytes = b"", *, leaving: bool = False) -> bytes:
    """A result whose rows are JSON already; `leaving` says that the worker ends itself after this reply."""
    error = (result.error.kind, result.error.message) if result.error else None
    head = [result.columns, error, result.num_rows, result.truncated, result.seconds, leaving]
    text = json.dumps(head).encode()
    if len(text) > HEAD_BYTES:
        kind = result.error.kind if result.error else ErrorKind.BYTES
        message = "the names of the columns or the message are too long"
        text, rows = json.dumps([[], [kind, message], None, False, result.seconds, leaving]).encode(), b""
    return frame(b"[%b,[%b]]" % (text[1:-1], rows))


def read_reply(body: bytes) -> tuple[Result, bool]:
    """The result, and whether the worker leaves; raises BadFrameError for anything that is no reply."""
    try:
        columns, error, num_rows, truncated, seconds, leaving, rows = cells.load(body)
        result = Result(
            columns=tuple(map(str, columns)),
            rows=tuple(map(tuple, rows)),
            num_rows=None if num_rows is None else int(num_rows),
            truncated=bool(truncated),
            seconds=float(seconds),
            error=QueryError(ErrorKind(error[0]), str(error[1])) if error else None,
        )
    except (ValueError, TypeError, LookupError) as error:
        raise BadFrameError(f"not a reply: {error}") from error
    return result, bool(leaving)
