"""What came of one question's attempts at a demonstration: the episode that is kept, and why others are not.

Rejection sampling (DeepDive keeps a teacher's right trajectories): the first attempt that is right and well
formed at every turn. Trials that cost money are kept in a file, so that none is paid for twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lib.rollout.episode import Episode, EpisodeStatus
from lib.store.line_log import LineLog


@dataclass
class Trial:
    """One question's attempts, in their order."""

    question_id: str
    kept: dict | None = None  # a row of data_contracts.episodes.EPISODES
    rejected: list[str] = field(default_factory=list)  # a reason for each attempt before

    @property
    def broke(self) -> bool:
        """Whether no attempt came to an end of its own."""
        return self.kept is None and all(reason.startswith(EpisodeStatus.FAILED) for reason in self.rejected)

    def add(self, episode: Episode, *, policy: str) -> bool:
        """Take one more attempt; whether it is the one to keep."""
        keep, reason = is_demonstration(episode)
        if keep:
            self.kept = episode.row(policy=policy, benchmark="train", step=0)
        else:
            self.rejected.append(reason)
        return keep


Heard = Callable[[Trial], None]


def is_demonstration(episode: Episode) -> tuple[bool, str]:
    """``(keep, reason)``."""
    if episode.status is EpisodeStatus.FAILED:
        cause = (episode.error or "").splitlines()[:1]
        return False, ": ".join([EpisodeStatus.FAILED, *cause])
    if not episode.answer:
        return False, "no answer" if episode.status is EpisodeStatus.ANSWERED else str(episode.status)
    if not episode.correct:
        return False, "wrong answer"
    return (True, "") if episode.well_formed else (False, "a turn is malformed")


class TrialLog:
    """Trials by question in a file of JSON lines; without a path they live in memory only."""

    def __init__(self, path: Path | None = None):
        self._lines = LineLog(path)
        self._known = {trial.question_id: trial for trial in (Trial(**line) for line in self._lines.read())}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, question_id: str) -> Trial | None:
        return self._known.get(question_id)

    def record(self, trial: Trial) -> None:
        self._known[trial.question_id] = trial
        self._lines.append(asdict(trial))
