"""Which session is computed when: turns join and leave between passes, and no session waits for another's turn to end.

In: turns to sample, and names of sessions that have left, as they come. Out: turns that have ended. Each call of
`advance` is one pass of the model at the most, so that whoever calls can serve others in between. One thread may
submit and release while another computes.

The order of work depends only on the order of requests, so equal requests give equal tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import torch

from lib.policy.engine import Completion, SampleRequest
from lib.policy.image_inputs import ImageInputs
from lib.policy.model_runner import ModelRunner, prefill_batches
from lib.policy.session_slots import Session, SessionSlots
from lib.policy.slot_cache import SlotCache

# A prompt is computed when this share of the live sessions waits for it: each pass has a fixed
# cost, so a few at once are cheaper than one by one.
PREFILL_SHARE = 0.125
END = object()


class Batcher:
    """Continuous batching over the slots of one model; arguments as those of TransformersEngine."""

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        max_concurrent: int,
        max_tokens: int,
        dtype: torch.dtype,
        images: ImageInputs | None,
    ):
        self._cache = SlotCache(num_slots=max_concurrent, capacity=max_tokens)
        self._runner = ModelRunner(model, self._cache, dtype=dtype, images=images)
        self._slots = SessionSlots(self._cache)
        self._capacity = max_tokens
        self._news: deque[SampleRequest | str] = deque()  # turns, and names of sessions that have left
        self._queue: list[SampleRequest] = []  # need a slot
        self._waiting: list[Session] = []  # have a slot, need their prompt computed
        self._prefill: Iterator[None] | None = None  # passes over prompts that are under way
        self._num_updates = 0  # of the weights
        self.policy_version = 0
        self.num_prompt_tokens = 0  # computed in prefill passes
        self.num_passes = 0  # of decoding

    @property
    def has_work(self) -> bool:
        """Whether a pass could be computed now; turns that need a slot wait for somebody to leave."""
        can_admit = any(self._slots.has_room(request.session) for request in self._queue)
        return bool(self._news or self._waiting or self._slots.decoding or can_admit)

    @property
    def padding(self) -> float:
        """Share of the work of attention so far that was padding; see lib.policy.row_parts."""
        return 1.0 - self._runner.needed / max(1, self._runner.work)

    def submit(self, request: SampleRequest) -> None:
        """A turn to sample."""
        self._news.append(request)

    def release(self, session: str) -> None:
        """The session has left, or gives its turn up."""
        self._news.append(session)

    def advance(self) -> list[tuple[str, Completion]]:
        """Take in what has come, and compute one pass. Returns the sessions whose turn it has ended, with the turn."""
        self._take_in_news()
        if self._prefill is None:
            self._admit()
            num_waiting, num_decoding = len(self._waiting), len(self._slots.decoding)
            if num_waiting and (not num_decoding or num_waiting >= PREFILL_SHARE * (num_waiting + num_decoding)):
                self._prefill = self._compute_prompts()
        if self._prefill is not None:
            if next(self._prefill, END) is not END:
                return []
            self._prefill = None
        return self._decode() if self._slots.decoding else []

    def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], *, version: int, probe: Sequence[int]
    ) -> list[list[float]]:
        """See TrainedEngine. What slots hold of turns that have begun is computed again."""
        self._take_in_news()
        self._runner.load_weights(weights)
        self._num_updates += 1
        self._waiting = [*self._slots.forget(), *self._waiting]
        probed = self._runner.logprobs([probe]) if probe else []  # while no slot holds anything
        self._cache.clear()
        if not self._slots:
            # Which slot a session gets must not depend on what was sampled before: a resumed run starts afresh.
            self._slots.sort_free()
        self.policy_version = version
        for session in self._waiting:
            if not session.sampled:
                session.policy_version = version
        return probed

    def abandon(self) -> None:
        """Give up all turns; the sessions keep their slots until they leave."""
        self._take_in_news()
        self._slots.decoding = []
        self._queue, self._waiting, self._prefill = [], [], None

    def _take_in_news(self) -> None:
        """In order: a session may come again under the name of one that has left."""
        while self._news:
            item = self._news.popleft()
            if isinstance(item, str):
                self._queue = [request for request in self._queue if request.session != item]
                held = self._slots.release(item)
                if held in self._waiting:
                    self._waiting.remove(held)
            else:
                self._queue.append(item)

    def _admit(self) -> None:
        """Give turns their slot; what has none yet keeps its place in the queue."""
        left = []
        for request in self._queue:
            session = self._slots.find_or_admit(request.session)
            if session is None:
                left.append(request)
                continue
            session.start_turn(request)
            session.policy_version = self.policy_version
            self._slots.copy_shared_prefix(session)
            self._waiting.append(session)
        self._queue = left

    def _compute_prompts(self) -> Iterator[None]:
        """In rounds, pass by pass; a prompt that begins like another of its round copies that one first.

        Between passes sessions may leave and weights may change.
        """
        while self._waiting:
            weights = self._num_updates
            leading: list[Session] = []
            following: list[Session] = []
            for session in self._waiting:
                begins_alike = any(session.would_share(other) for other in leading)
                (following if begins_alike else leading).append(session)
            held_already = [session for session in leading if session.num_left <= 1]
            for batch in [held_already, *prefill_batches(leading)]:
                self._compute([session for session in batch if session in self._waiting])
                yield
                if self._num_updates != weights:
                    break  # what was computed before counts no more, and is waiting again
            else:
                for session in following:
                    if session in self._waiting:
                        self._slots.copy_shared_prefix(session)

    def _compute(self, batch: list[Session]) -> None:
        """One pass over prompts, whose sessions decode from then on."""
        missing = [session for session in batch if session.num_left > 1]
        if missing:
            self.num_prompt_tokens += sum(session.num_left - 1 for session in missing)
            self._runner.prefill(missing)
        for session in batch:
            self._waiting.remove(session)
            self._slots.join_decoding(session)

    def _decode(self) -> list[tuple[str, Completion]]:
        """One token or more for every decoding session."""
        self._slots.tidy()
        batch, ended = list(self._slots.decoding), []
        self._runner.decode(batch)
        self.num_passes += 1
        for session in batch:
            if finish := session.finish(self._capacity):
                self._slots.leave_decoding(session)
                completion = Completion(session.sampled, session.logprobs, finish, session.policy_version)
                ended.append((session.request.session, completion))
        return ended
