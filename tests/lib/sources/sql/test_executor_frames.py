import datetime as dt
import json
import math
import pickle
from decimal import Decimal

import pytest

from lib.sources.sql.executor import cells
from lib.sources.sql.executor.frames import BadFrameError, frame, read_reply, take_frames, write_reply
from lib.sources.sql.executor.result import ErrorKind, Result, failed

HEAD = '["a"],null,1,false,0.1,false'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"[1, 2]",
        b"\xff\xfe",
        pickle.dumps(Result()),
        b"[" * 100_000,
        b"9" * 10_000,
        f"[{HEAD},7]".encode(),
        f"[{HEAD},[7]]".encode(),
        f'[{HEAD},[[{{"decimal":"x"}}]]]'.encode(),
        f'[{HEAD},[[{{"unknown":1}}]]]'.encode(),
        f'[{HEAD},[[{{"date":1,"time":2}}]]]'.encode(),
        f'[{HEAD},[[{{"interval":[1e308,0,0]}}]]]'.encode(),
        f'[{HEAD},[[{{"struct":7}}]]]'.encode(),
        b'[[],["no kind","x"],null,false,0,false,[]]',
    ],
)
def test_nonsense_from_a_worker_is_refused_and_never_run(body):
    with pytest.raises(BadFrameError):
        read_reply(body)


def test_a_frame_that_is_too_long_is_refused_before_it_comes():
    with pytest.raises(BadFrameError):
        list(take_frames(bytearray(b"\xff\xff\xff\x7f"), greatest=1000))


def test_frames_are_taken_whole_however_they_arrive():
    sent, buffer, taken = frame(b"one") + frame(b"") + frame(b"three"), bytearray(), []
    for byte in sent:
        buffer.append(byte)
        taken += take_frames(buffer, greatest=100)
    assert taken == [b"one", b"", b"three"] and not buffer


def test_values_come_back_as_they_were():
    row = (
        1, -1.5, "Ωß\n\0", None, True, b"\0\xff", Decimal("1.10"), dt.date(2024, 1, 2), dt.timedelta(-1, 3),
        dt.datetime(2024, 1, 2, tzinfo=dt.UTC), math.inf, 2**120, "{}", {"decimal": "no tag"}, [{"x": [None]}],
    )  # fmt: skip
    body = write_reply(Result(("a",), num_rows=1), cells.dump_rows([tuple(cells.plain(value) for value in row)]))[4:]
    assert read_reply(body)[0].rows == (row,)


def test_an_error_and_a_leave_come_back_as_they_were():
    result = failed(ErrorKind.MEMORY, "no room", 0.5)
    assert read_reply(write_reply(result, leaving=True)[4:]) == (result, True)


def test_names_of_columns_that_are_too_long_are_an_error():
    result, _ = read_reply(write_reply(Result(("x" * (2 << 20),)), b"[1]")[4:])
    assert result.error.kind is ErrorKind.BYTES and result.rows == ()
    assert json.dumps(result.columns) == "[]"
