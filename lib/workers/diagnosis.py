"""What went wrong with a job -> one error that a user can act on."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import psutil

from lib.errors import JobError, OutOfMemoryError
from lib.store.full_disk import FREE_SPACE, WORDS, is_full
from lib.workers.job import JobSpec
from lib.workers.rank_record import RankRecord, stack_file

NUM_LINES = 12

REASONS = {
    signal.SIGKILL: "most often by the system because memory ran out",
    signal.SIGTERM: "because somebody told it to stop",
    signal.SIGINT: "because somebody interrupted it",
    signal.SIGSEGV: "a fault in native code",
    signal.SIGABRT: "native code gave up; the log says why",
    signal.SIGBUS: "most often because shared memory (/dev/shm) or a disk is full",
}


# How Python, torch on a CPU and torch on a GPU say that memory ran out.
NO_MEMORY = ("MemoryError", "OutOfMemoryError", "can't allocate memory", "Cannot allocate memory", "out of memory")
FREE_MEMORY = "free memory, or lower workers.ranks, batch_size or engine.max_concurrent"


class TroubleKind(StrEnum):
    FAILED = "failed"
    """An exception left a rank's main function."""
    VANISHED = "vanished"
    """A rank's process ended without a word."""
    LAUNCHER_ENDED = "launcher_ended"
    """The launcher ended though not every rank was done."""
    NOT_STARTED = "not_started"
    SILENT = "silent"
    """No progress for longer than the settings allow."""


@dataclass(frozen=True)
class Trouble:
    kind: TroubleKind
    rank: RankRecord | None = None
    code: int | None = None
    """Exit code, or minus the signal; None when nobody could see it."""
    num_started: int = 0
    num_oom_kills: int = 0
    """Processes that the system killed for want of memory while the job ran."""


def exit_code_of_launcher(code: int) -> int:
    """The exit code of a rank, or minus its signal, from the launcher's own exit code (0 to 255).

    DeepSpeed's launcher exits with minus the signal modulo 256, shells and our guard with 128 + signal.
    """
    if code > 192:
        return code - 256
    return 128 - code if code > 128 else code


def job_error(
    trouble: Trouble, spec: JobSpec, *, num_ranks: int, silence_s: float, peak_memory_mb: float, log_start: int
) -> JobError:
    """The error to raise, with the log's last lines, what is kept and what to do next.

    It is an OutOfMemoryError only where that is certain: a lone SIGKILL may have come from anybody.
    """
    kind = JobError
    what = _what(trouble, spec.module, num_ranks=num_ranks, silence_s=silence_s)
    record = trouble.rank if trouble.kind is TroubleKind.FAILED else None
    where = "\n    | ".join([str(spec.files.log), *_evidence(trouble, spec, num_ranks=num_ranks, log_start=log_start)])
    kept = [record.kept] if record and record.kept else []
    kept.append(_kept(spec))
    next_step = "run the same command again; the job resumes from what it saved"
    if _disk_is_full(record, spec):
        what, next_step = f"The disk is full. {what}", f"{FREE_SPACE}; the job resumes from what it saved"
    elif _may_have_run_out_of_memory(trouble):
        kind = OutOfMemoryError if trouble.kind is TroubleKind.FAILED or trouble.num_oom_kills else JobError
        what += f" The job's memory peaked at {peak_memory_mb:.0f} of {psutil.virtual_memory().total / 1e6:.0f} MB."
        next_step = f"{FREE_MEMORY}; then {next_step}"
    elif trouble.kind is TroubleKind.SILENT:
        next_step = f"raise workers.silence_timeout_s if steps take that long; then {next_step}"
    elif trouble.kind is TroubleKind.LAUNCHER_ENDED:
        next_step = f"mend what the log says; then {next_step}"
    elif record:
        where = "\n    ".join(filter(None, [record.where, where]))
        next_step = f"{record.next_step or 'mend the cause'}; then {next_step}"
    return kind(what, where=where, kept="; ".join(kept), next_step=next_step)


def _disk_is_full(record: RankRecord | None, spec: JobSpec) -> bool:
    """Some libraries do not tell it from other failures, and a rank may be unable to write its record."""
    return is_full(spec.scratch) or (record is not None and any(words in record.what for words in WORDS))


def _may_have_run_out_of_memory(trouble: Trouble) -> bool:
    if trouble.kind is TroubleKind.VANISHED:
        return trouble.code in (None, -signal.SIGKILL)
    if trouble.kind is not TroubleKind.FAILED or trouble.rank is None:
        return False
    return any(words in f"{trouble.rank.error_type}: {trouble.rank.what}" for words in NO_MEMORY)


def _what(trouble: Trouble, module: str, *, num_ranks: int, silence_s: float) -> str:
    rank = f"Rank {trouble.rank.rank} of {num_ranks} of {module}" if trouble.rank else ""
    match trouble.kind:
        case TroubleKind.FAILED:
            assert trouble.rank is not None, "a failure has a rank"
            return f"{rank} failed with {trouble.rank.error_type}: {trouble.rank.what}"
        case TroubleKind.VANISHED:
            return f"{rank} {_ending(trouble.code)}."
        case TroubleKind.LAUNCHER_ENDED:
            return f"The launcher of {module} {_ending(trouble.code)} before every rank was done."
        case TroubleKind.NOT_STARTED:
            return f"Only {trouble.num_started} of {num_ranks} ranks of {module} started in time."
        case TroubleKind.SILENT:
            return f"{module} made no progress for {silence_s:g} s and was ended."


def _ending(code: int | None) -> str:
    if code is None:
        return "ended without a word"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"was ended by signal {-code}"
    reason = f" ({REASONS[number]})" if number in REASONS else ""
    return f"was ended by {number.name}{reason}"


def _kept(spec: JobSpec) -> str:
    names = sorted(path.name for path in spec.scratch.iterdir() if path != spec.files.folder)
    if not names:
        return "the inputs of the job; it had not saved anything yet"
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{shown} in {spec.scratch}"


def _evidence(trouble: Trouble, spec: JobSpec, *, num_ranks: int, log_start: int) -> list[str]:
    """The lines that show the cause. Not the log's end where ranks that failed in consequence wrote it."""
    match trouble.kind:
        case TroubleKind.FAILED:
            assert trouble.rank is not None, "a failure has a rank"
            return trouble.rank.traceback.splitlines()[-NUM_LINES:]
        case TroubleKind.VANISHED if trouble.rank is not None and num_ranks > 1:
            return _stack(spec, trouble.rank.rank)
        case TroubleKind.SILENT:
            return [line for rank in range(min(num_ranks, 2)) for line in _stack(spec, rank)]
    return _last_lines(spec.files.log, log_start)


def _stack(spec: JobSpec, rank: int) -> list[str]:
    """Where a rank was, most recent call first, without the frames of the interpreter's start."""
    file = stack_file(spec.files.ranks, rank)
    lines = file.read_text(errors="replace").splitlines() if file.exists() else []
    shown = [line for line in lines if line.strip() and "<frozen" not in line][:NUM_LINES]
    return [f"stack of rank {rank}:", *shown] if shown else []


def _last_lines(log: Path, start: int) -> list[str]:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-NUM_LINES:]
