"""The frame around a job's main function inside each of its processes.

A job module ends with `if __name__ == "__main__": run_rank(main)`. The frame reads the spec, tells the supervisor
how the rank fares, and makes sure that the process ends with its parent. It does not import torch.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from lib.progress import ProgressFile, Silent
from lib.workers.job import Job, JobSpec
from lib.workers.process_tree import die_with_parent
from lib.workers.rank_record import RankRecord, RankStatus, stack_file

# Seconds between SIGTERM and the end of a rank that is stuck in native code, such as a collective.
LEAVE_WITHIN_S = 1.0
EXIT_TERMINATED = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """SIGTERM arrived while Python code ran."""


def run_rank(main: Callable[[Job], None]) -> None:
    """Runs `main` as one rank of the job named on the command line; any exception ends in the rank's record."""
    die_with_parent()
    _log_to_stderr()
    spec = JobSpec.from_json(_spec_path().read_text())
    rank, num_ranks = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    folder, record = spec.files.ranks, RankRecord.of_this_process(rank)
    # First of all: a rank whose record says that it runs must be able to say that it was told to end.
    has_last_word = _leave_on_sigterm(lambda: record.ended(RankStatus.TERMINATED).write(folder))
    try:
        record.write(folder)
        stacks = stack_file(folder, rank).open("w")
        faulthandler.enable(stacks, all_threads=False)
        faulthandler.register(signal.SIGUSR1, stacks, all_threads=False)
        main(_job(spec, rank, num_ranks))
    except Terminated:
        last_word, code = record.ended(RankStatus.TERMINATED), EXIT_TERMINATED
    except BaseException as error:  # the boundary of a rank: whatever escapes becomes its record
        last_word, code = record.failed(error), 1
        traceback.print_exc()
    else:
        last_word, code = record.ended(RankStatus.DONE), 0
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    has_last_word.set()
    with contextlib.suppress(OSError):  # on a full disk the exit code alone tells
        last_word.write(folder)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # Not by way of the interpreter's end, where threads of torch's process group can abort a process that is done: the
    # launcher would then end the other ranks. What this leaves, a SIGKILL leaves as well.
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def _log_to_stderr() -> None:
    """Of our own loggers what they tell besides warnings too; the job's log file takes it."""
    logging.basicConfig(format="%(name)s: %(message)s")
    logging.getLogger("ropewalk").setLevel(logging.INFO)


def _spec_path() -> Path:
    parser = argparse.ArgumentParser(description="One rank of a Ropewalk job; started by lib.workers.supervise.")
    parser.add_argument("--job", type=Path, required=True, help="the job's spec file")
    parser.add_argument("--local_rank", type=int, default=0, help="added by the DeepSpeed launcher")
    return parser.parse_args().job


def _job(spec: JobSpec, rank: int, num_ranks: int) -> Job:
    progress = ProgressFile(spec.files.progress) if rank == 0 else Silent()
    return Job(spec.settings, spec.inputs, spec.out, spec.scratch, spec.seed, rank, num_ranks, progress)


def _leave_on_sigterm(say_so: Callable[[], None]) -> threading.Event:
    """SIGTERM raises `Terminated` in Python code, and ends the process soon also when native code never returns.

    Returns the event to set when the rank has its last word, which nothing then cuts off. Python runs signal
    handlers between bytecodes only; the byte that it writes to the wake-up pipe at once reaches a thread, which
    native code that has released the interpreter lock does not hold up.
    """
    has_last_word = threading.Event()

    def raise_terminated(number: int, frame: FrameType | None) -> None:
        # Once: the launcher passes on what the guard has sent to all, and a second one would cut the last word off.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated(EXIT_TERMINATED)

    def wait_and_leave() -> None:
        while os.read(receiving, 1)[0] != signal.SIGTERM:
            continue
        time.sleep(LEAVE_WITHIN_S)
        if not has_last_word.is_set():
            say_so()
            os._exit(EXIT_TERMINATED)

    receiving, sending = os.pipe()
    os.set_blocking(sending, False)
    signal.signal(signal.SIGTERM, raise_terminated)
    signal.set_wakeup_fd(sending, warn_on_full_buffer=False)
    threading.Thread(target=wait_and_leave, daemon=True, name="leave-on-sigterm").start()
    return has_last_word
