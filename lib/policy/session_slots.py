"""Which session holds which slot of the key/value cache.

A session (an episode) keeps one slot from its first turn until it is released, so a turn's prompt finds what
the turns before have left there. A new session takes over the longest prefix that it shares with another
slot. Sessions keep their slots while they wait for tools; only where too much of a decoding pass would be padding
do those that decode move to the first slots, the longest first.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

import numpy as np

from lib.policy.engine import Finish, SampleRequest
from lib.policy.row_parts import is_worth_it, split_rows
from lib.policy.slot_cache import SlotCache, num_tiles, room_for

# Share of a pass's attention that sorting its sessions by length must spare: it costs about what a pass does.
WORTH_SORTING = 0.1
# Tokens that a session must be spared before it waits for another's prompt: questions also begin alike by chance.
WORTH_COPYING = 32


@dataclass(eq=False)
class Session:
    """An episode's slot, and the turn that it samples."""

    slot: int
    tokens: list[int] = field(default_factory=list)  # whose keys and values the slot holds
    request: SampleRequest | None = None
    uniforms: list[float] = field(default_factory=list)  # a number for each token of the turn
    sampled: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    positions: np.ndarray | None = None  # [3, prompt] of the turn's prompt, for a model that does not count tokens
    policy_version: int = 0  # that samples the turn's first token

    def start_turn(self, request: SampleRequest) -> None:
        """Go on from what the slot holds of the prompt; its last token is always left to compute."""
        self.tokens = request.prompt[: _shared_length(self.tokens, request.prompt[:-1])]
        self.request = request
        self.uniforms = np.random.default_rng(request.seed).random(request.max_new_tokens).tolist()
        self.sampled, self.logprobs, self.positions = [], [], None

    @property
    def context(self) -> list[int]:
        """The turn's prompt and what has been sampled of it; the last token is the next decoding step's."""
        return self.request.prompt + self.sampled

    @property
    def num_left(self) -> int:
        """Tokens of the context that the slot does not hold."""
        return len(self.request.prompt) + len(self.sampled) - len(self.tokens)

    @property
    def length(self) -> int:
        """Positions that the next decoding step sees."""
        return len(self.tokens) + 1

    def would_share(self, other: Session) -> bool:
        """Whether the other's prompt, once it is computed, spares this one enough to wait for it."""
        if self.num_left <= 1:
            return False
        shared = _shared_length(other.context[:-1], self.context[:-1])
        return shared - len(self.tokens) >= min(WORTH_COPYING, self.num_left - 1)

    @property
    def next_token(self) -> int:
        """What the next decoding step takes in."""
        return self.sampled[-1] if self.sampled else self.request.prompt[-1]

    def take(self, fed: list[int], sampled: list[tuple[int, float]], *, capacity: int) -> None:
        """Note what was sampled after each token that was fed, up to the first that another was guessed for.

        Args:
            fed: the next token and guesses at those that follow it.
            sampled: the token after each of them, and its log-probability.
        """
        for i, (token, logprob) in enumerate(sampled):
            self.tokens.append(fed[i])
            self.sampled.append(token)
            self.logprobs.append(logprob)
            if self.finish(capacity) or fed[i + 1 : i + 2] != [token]:
                return

    def finish(self, capacity: int) -> Finish | None:
        """Why the turn has ended; None while it goes on."""
        if self.sampled[-1] in self.request.stop_tokens:
            return Finish.STOP
        full = len(self.tokens) + 1 >= capacity
        return Finish.LENGTH if full or len(self.sampled) >= self.request.max_new_tokens else None


class SessionSlots:
    """Gives slots to sessions, moves sessions between slots, and shares what slots hold."""

    def __init__(self, cache: SlotCache):
        self._cache = cache
        self._free = list(range(cache.num_slots))[::-1]
        self._sessions: dict[str, Session] = {}
        self.decoding: list[Session] = []  # in the order of their slots

    def __bool__(self) -> bool:
        """Whether any session holds a slot."""
        return bool(self._sessions)

    def has_room(self, name: str) -> bool:
        """Whether a session of that name has a slot, or could get one."""
        return bool(self._free) or name in self._sessions

    def find_or_admit(self, name: str) -> Session | None:
        """The session of that name, a new one if there is none; None when no slot is free."""
        session = self._sessions.get(name)
        if session is None and self._free:
            session = self._sessions[name] = Session(slot=self._free.pop())
        return session

    def copy_shared_prefix(self, session: Session) -> None:
        """Copy the longest beginning of the session's context that another slot holds, if longer than its own."""
        wanted = session.context[:-1]
        best, best_length = None, 0
        for other in self._sessions.values():
            length = _shared_length(other.tokens, wanted) if other is not session else 0
            if length > max(best_length, len(session.tokens)):
                best, best_length = other, length
        if best is not None:
            self._cache.copy(source=best.slot, target=session.slot, length=best_length)
            session.tokens = wanted[:best_length]

    def join_decoding(self, session: Session) -> None:
        """The session takes part in the passes that follow."""
        insort(self.decoding, session, key=attrgetter("slot"))

    def leave_decoding(self, session: Session) -> None:
        """The session keeps its slot."""
        self.decoding.remove(session)

    def tidy(self) -> None:
        """Sort those that decode by length where that spares much of a pass."""
        if not self._is_untidy():
            return
        wanted = sorted((num_tiles(session.length) for session in self.decoding), reverse=True)
        holders = {session.slot: session for session in self._sessions.values()}
        left: dict[int, list[Session]] = {}  # by how many tiles they read, the last slot at the end
        for session in self.decoding:
            left.setdefault(num_tiles(session.length), []).append(session)
        for place, tiles in enumerate(wanted):
            same = left[tiles]
            holder = holders.get(place)
            if holder in same:
                same.remove(holder)
                continue
            session = same.pop()
            holders[session.slot] = holder
            holders[place] = session
            self._move(session, place, holder)
        self.decoding.sort(key=attrgetter("slot"))

    def _is_untidy(self) -> bool:
        widths, lengths = rows_of(self.decoding, [session.slot for session in self.decoding])
        in_order = np.sort(lengths[widths > 0])[::-1]
        now, sorted_ = (
            sum(part.work for part in split_rows(*rows))
            for rows in ((widths, lengths), (np.ones_like(in_order), in_order))
        )
        return is_worth_it(now, sorted_, share=WORTH_SORTING)

    def release(self, name: str) -> Session | None:
        """Free the slot of the session of that name; None when there is no such session."""
        session = self._sessions.pop(name, None)
        if session is None:
            return None
        if session in self.decoding:
            self.leave_decoding(session)
        session.tokens = []
        self._free.append(session.slot)
        return session

    def forget(self) -> list[Session]:
        """Nothing that slots hold counts any more; returns the sessions in the middle of a turn, to be computed again.

        They keep their slots and what they have sampled.
        """
        begun, self.decoding = self.decoding, []
        for session in self._sessions.values():
            session.tokens = []
        return begun

    def sort_free(self) -> None:
        """Forget in which order slots were freed."""
        self._free.sort(reverse=True)

    def _move(self, session: Session, slot: int, holder: Session | None) -> None:
        if holder is None:
            self._free[self._free.index(slot)] = session.slot
            self._cache.copy(source=session.slot, target=slot, length=len(session.tokens))
        else:
            self._cache.swap(session.slot, slot, max(len(session.tokens), len(holder.tokens)))
            holder.slot = session.slot
        session.slot = slot


def rows_of(
    sessions: Sequence[Session], rows: Sequence[int], num_new: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """New tokens of the rows that sessions have in a pass, one each unless given, and positions of the tiles they see.

    Rows between them, and before them, have none.
    """
    num_new = [1] * len(sessions) if num_new is None else num_new
    widths, lengths = np.zeros((2, max(rows, default=-1) + 1), dtype=np.int64)
    for session, row, new in zip(sessions, rows, num_new, strict=True):
        widths[row], lengths[row] = new, room_for(len(session.tokens) + new)
    return widths, lengths


def _shared_length(held: list[int], wanted: list[int]) -> int:
    """Length of the common prefix, by bisection: comparing slices is fast, comparing token by token is not."""
    low, high = 0, min(len(held), len(wanted))
    while low < high:
        middle = (low + high + 1) // 2
        if held[low:middle] == wanted[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
