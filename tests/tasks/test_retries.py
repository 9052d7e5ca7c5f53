"""Which failures are tried again."""

from __future__ import annotations

import errno
import urllib.error

import httpx
import pytest

from lib.errors import EndpointAwayError, EndpointError, GateError, JobError, OutOfMemoryError, SourceError
from lib.settings.load import load_settings
from lib.store.manifest import Reference
from tasks.less_memory import halve_what_is_held
from tasks.retries import PAUSES, RETRIES, is_transient
from tasks.run import Run
from tasks.stage import Stage, run_stage
from tests.small_chain import KIND, write


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("gone"),
        TimeoutError("late"),
        OSError(errno.EIO, "input/output error"),
        OSError(errno.ESTALE, "stale file handle"),
        httpx.ConnectError("the server is away"),
        EndpointAwayError("no answer"),
        OutOfMemoryError("rank 0 was killed"),
    ],
    ids=repr,
)
def test_what_may_go_away_by_itself_is_tried_again(error):
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "no space"),
        FileNotFoundError(errno.ENOENT, "no file"),
        PermissionError(errno.EACCES, "no right"),
        OSError("a model of that name is unknown"),
        EndpointError("the key is wrong"),
        GateError("too few trained tokens"),
        JobError("rank 0 was ended by SIGKILL"),
        SourceError("line 3"),
        KeyError("ours"),
        MemoryError(),
    ],
    ids=repr,
)
def test_what_stays_until_somebody_mends_it_is_not(error):
    assert not is_transient(error)


def test_pauses_double():
    assert PAUSES(RETRIES) == [2, 4, 8]


def test_memory_that_ran_out_is_met_once_with_half_of_what_is_held(tmp_path):
    seen = []

    def work(work):
        seen.append(work.settings.engine.max_concurrent)
        if seen[-1] > 32:
            raise OutOfMemoryError("rank 0 was killed")
        write(work, [1])

    stage = Stage("hungry", KIND, work, "lib.seeds", settings=("engine",))
    run = Run(load_settings("laptop"), tmp_path)
    with pytest.raises(OutOfMemoryError) as caught:
        run_stage(stage, run, {})
    assert is_transient(caught.value)
    reference, _ = run_stage(stage, run, {})
    assert isinstance(reference, Reference)
    assert seen == [64, 32]
    provenance = run.store.manifest(reference).provenance
    assert provenance.notes == (
        "memory ran out at the first attempt; this one had engine.max_concurrent = 32 and "
        "workers.micro_batch_tokens = 768",
    )
    assert provenance.components["settings"]["engine.max_concurrent"] == 64
    again, outcome = run_stage(stage, Run(load_settings("laptop"), tmp_path), {})
    assert (again, outcome) == (reference, "cached")


def test_memory_that_runs_out_a_second_time_is_not_tried_again(tmp_path):
    def work(work):
        raise OutOfMemoryError("rank 0 was killed")

    stage = Stage("hungry", KIND, work, "lib.seeds", settings=("engine",))
    run = Run(load_settings("laptop"), tmp_path)
    for expected in (True, False):
        with pytest.raises(OutOfMemoryError) as caught:
            run_stage(stage, run, {})
        assert is_transient(caught.value) is expected


def test_what_is_held_is_halved_down_to_one_episode_and_few_tokens():
    settings = load_settings("laptop", ["engine.max_concurrent=1", "workers.micro_batch_tokens=64"])
    assert halve_what_is_held(settings) == settings


def test_an_unreachable_address_told_by_the_standard_library_is_not_guessed_at():
    assert not is_transient(urllib.error.URLError("unknown"))
