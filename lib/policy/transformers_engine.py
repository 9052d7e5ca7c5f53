"""Samples with a transformers model, many episodes side by side, on a CPU or a GPU.

Every session owns a slot of the key/value cache for the whole episode: a turn's prompt extends
what the slot already holds, and only the new tokens are computed. What a prompt shares with
another slot is copied from there (questions share the system prompt, samples of a group their
whole prompt), also when both arrive at once: then one of them is computed first.
A decoding pass samples one token for every session and checks guesses at the next ones (lib/policy/drafts.py).
Between decoding steps the engine gives way to the event loop, so that episodes that have ended a
turn call their tools and come back while the others decode.

The order of work depends only on the order of requests, so equal requests give equal tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch

from lib.errors import PolicyError
from lib.policy.engine import Completion, SampleRequest
from lib.policy.image_encoder import ImageEncoder
from lib.policy.image_inputs import ImageInputs
from lib.policy.model_runner import ModelRunner, prefill_batches
from lib.policy.session_slots import Session, SessionSlots
from lib.policy.slot_cache import SlotCache

# Turns given to other coroutines between steps: enough for an episode whose turn has ended to call
# a local tool by way of the desk, whether its result is known or not, and to hand in its next turn.
YIELDS = 24
# A prompt is computed when this share of the live sessions waits for it: each pass has a fixed
# cost, so a few at once are cheaper than one by one.
PREFILL_SHARE = 0.125


class TransformersEngine:
    """See lib.policy.engine.Engine.

    Args:
        model: a causal language model in float32 with the attention of lib.policy.attention; the engine
            takes it over, and it cannot be trained afterwards.
        max_concurrent: slots; further sessions wait.
        max_tokens: longest conversation that a slot holds.
        dtype: precision of matrix products and of the cache.
        encoder: what images become, for a model that takes them.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        *,
        max_concurrent: int,
        max_tokens: int,
        dtype: torch.dtype = torch.bfloat16,
        encoder: ImageEncoder | None = None,
    ):
        self._cache = SlotCache(num_slots=max_concurrent, capacity=max_tokens)
        self._images = ImageInputs(model, encoder) if encoder else None
        self._runner = ModelRunner(model, self._cache, dtype=dtype, images=self._images)
        self._slots = SessionSlots(self._cache)
        self._capacity = max_tokens
        self._arrivals: list[tuple[SampleRequest, asyncio.Future[Completion]]] = []
        self._waiting: list[Session] = []  # have a slot, need their prompt computed
        self._driver: asyncio.Task[None] | None = None
        self._num_updates = 0  # of the weights
        self.policy_version = 0
        self.num_prompt_tokens = 0  # computed in prefill passes
        self.num_passes = 0  # of decoding

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], *, version: int, probe: Sequence[int] = ()
    ) -> list[list[float]]:
        """See TrainedEngine. What slots hold of turns that have begun is computed again."""
        # No step in between gives way to the event loop, so that no pass sees half of it.
        self._runner.load_weights(weights)
        self._num_updates += 1
        self._waiting = [*self._slots.forget(), *self._waiting]
        probed = [self._runner.logprobs(probe)] if probe else []  # while no slot holds anything
        if not self._slots:
            self._cache.clear()
            # Which slot a session gets must not depend on what was sampled before: a resumed run starts afresh.
            self._slots.sort_free()
        self.policy_version = version
        for session in self._waiting:
            if not session.sampled:
                session.policy_version = version
        return probed

    async def sample(self, request: SampleRequest) -> Completion:
        if len(request.prompt) >= self._capacity:
            raise PolicyError(
                f"a conversation of {len(request.prompt)} tokens does not fit the engine's {self._capacity}",
                next_step="raise engine.max_tokens or lower environment.max_turns",
            )
        if request.images and self._images:
            request = replace(request, prompt=self._images.patches.encode(request.prompt, request.images))
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._arrivals.append((request, future))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        return await future

    def release(self, session: str) -> None:
        held = self._slots.release(session)
        if held in self._waiting:
            self._waiting.remove(held)

    async def _drive(self) -> None:
        """Work until nothing is left to do; the next request starts it again."""
        try:
            while True:
                await _give_way()
                self._admit()
                num_waiting, num_decoding = len(self._waiting), len(self._slots.decoding)
                if not num_waiting and not num_decoding:
                    if self._arrivals:
                        continue
                    return
                if num_waiting and (not num_decoding or num_waiting >= PREFILL_SHARE * (num_waiting + num_decoding)):
                    await self._prefill()
                if self._slots.decoding:
                    self._decode()
        except Exception as error:  # boundary: every waiting episode learns of the engine's failure
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        futures = [future for _, future in self._arrivals] + self._slots.abandon()
        self._arrivals, self._waiting = [], []
        for future in futures:
            if not future.done():
                future.set_exception(error)

    def _admit(self) -> None:
        """Give arrivals their slot; what has none yet keeps its place in the queue."""
        left = []
        for request, future in self._arrivals:
            if future.cancelled():
                continue
            session = self._slots.find_or_admit(request.session)
            if session is None:
                left.append((request, future))
                continue
            session.start_turn(request, future)
            session.policy_version = self.policy_version
            self._slots.copy_shared_prefix(session)
            self._waiting.append(session)
        self._arrivals = left

    async def _prefill(self) -> None:
        """Compute waiting prompts in rounds; one that begins like another of its round copies that one first.

        Gives way between passes, in which sessions may leave and weights may change.
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
                present = [session for session in batch if session in self._waiting]
                self._compute(present)
                await _give_way()
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

    def _decode(self) -> None:
        """One token or more for every decoding session."""
        batch = list(self._slots.decoding)
        self._runner.decode(batch)
        self.num_passes += 1
        # Only now, since a session that leaves exchanges slots with one that must know its own length.
        for session in batch:
            if finish := session.finish(self._capacity):
                self._slots.leave_decoding(session)
                completion = Completion(session.sampled, session.logprobs, finish, session.policy_version)
                if not session.future.done():
                    session.future.set_result(completion)


async def _give_way() -> None:
    for _ in range(YIELDS):
        await asyncio.sleep(0)
