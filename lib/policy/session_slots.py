"""Which session holds which slot of the key/value cache.

A session (an episode) keeps one slot from its first turn until it is released, so a turn's prompt finds what
the turns before have left there. A new session takes over the longest prefix that it shares with another
slot. Sessions that decode hold the first slots, in order, so that a decoding pass reads one block.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lib.policy.engine import Finish, SampleRequest
from lib.policy.slot_cache import SlotCache

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
        self.decoding: list[Session] = []  # hold the first slots, in order

    def __bool__(self) -> bool:
        """Whether any session holds a slot."""
        return bool(self._sessions)

    @property
    def has_free(self) -> bool:
        """Whether a session could be admitted."""
        return bool(self._free)

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
        """Move the session's slot behind those that decode."""
        self._move(session, len(self.decoding))
        self.decoding.append(session)

    def leave_decoding(self, session: Session) -> None:
        """The last of those that decode takes the session's place."""
        last = self.decoding[-1]
        if last is not session:
            place = session.slot
            self._move(last, place)
            self.decoding[self.decoding.index(session)] = last
        self.decoding.pop()

    def release(self, name: str) -> Session | None:
        """Free the slot of the session of that name; None when there is no such session."""
        session = self._sessions.get(name)
        if session is None:
            return None
        # Before it is forgotten: another may take its place among those that decode.
        if session in self.decoding:
            self.leave_decoding(session)
        del self._sessions[name]
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

    def _move(self, session: Session, slot: int) -> None:
        if session.slot == slot:
            return
        holder = next((other for other in self._sessions.values() if other.slot == slot), None)
        if holder is None:
            self._free[self._free.index(slot)] = session.slot
            self._cache.copy(source=session.slot, target=slot, length=len(session.tokens))
        else:
            self._cache.swap(session.slot, slot, max(len(session.tokens), len(holder.tokens)))
            holder.slot = session.slot
        session.slot = slot


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
