"""What each rank says of itself: one small JSON file a rank, replaced atomically when its status changes.

The supervisor reads them to tell which rank failed first, and why; a rank that vanished without
changing its record was killed.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
import traceback
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lib.errors import RopewalkError


class RankStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """An exception left the job's main function."""
    TERMINATED = "terminated"
    """Told to stop by SIGTERM, mostly because another rank died."""

    @property
    def is_final(self) -> bool:
        return self is not RankStatus.RUNNING


@dataclass(frozen=True)
class RankRecord:
    rank: int
    pid: int
    host: str
    status: RankStatus
    time: float  # seconds since the epoch, of the last change
    error_type: str = ""
    what: str = ""
    where: str = ""
    kept: str = ""
    next_step: str = ""
    traceback: str = ""

    @classmethod
    def of_this_process(cls, rank: int) -> RankRecord:
        return cls(rank, os.getpid(), socket.gethostname(), RankStatus.RUNNING, time.time())

    def ended(self, status: RankStatus) -> RankRecord:
        return dataclasses.replace(self, status=status, time=time.time())

    def failed(self, error: BaseException) -> RankRecord:
        """The record with the exception's type, text and traceback; a RopewalkError keeps its fields."""
        fields = {"error_type": type(error).__name__, "what": str(error) or repr(error)}
        if isinstance(error, RopewalkError):
            fields |= {"what": error.what, "where": error.where, "kept": error.kept, "next_step": error.next_step}
        text = "".join(traceback.format_exception(error))
        return dataclasses.replace(self.ended(RankStatus.FAILED), traceback=text, **fields)

    def write(self, folder: Path) -> None:
        path = folder / f"rank_{self.rank:05d}.json"
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps(dataclasses.asdict(self)))
        draft.replace(path)


def stack_file(folder: Path, rank: int) -> Path:
    """Where a rank's Python stacks go when native code crashes, and when SIGUSR1 asks for them."""
    return folder / f"rank_{rank:05d}.stack"


def read_records(folder: Path) -> dict[int, RankRecord]:
    """The record of every rank that has started, by rank."""
    records = [json.loads(path.read_text()) for path in sorted(folder.glob("rank_*.json"))]
    return {row["rank"]: RankRecord(**(row | {"status": RankStatus(row["status"])})) for row in records}
