"""Samples with a transformers model, many episodes side by side, on a CPU or a GPU.

Every session owns a slot of the key/value cache for the whole episode: a turn's prompt extends
what the slot already holds, and only the new tokens are computed. A new session copies the
longest prefix that it shares with another slot (the samples of a group share their whole prompt).
Between decoding steps the engine gives way to the event loop, so that episodes that have ended a
turn call their tools and come back while the others decode.

The order of work depends only on the order of requests, so equal requests give equal tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch

from lib.errors import PolicyError
from lib.policy.engine import Completion, Finish, SampleRequest
from lib.policy.inference_copy import InferenceCopy
from lib.policy.sampling import sample_tokens
from lib.policy.slot_cache import Region, SlotCache

# Turns given to other coroutines between steps: enough for an episode whose turn has ended to call
# a local tool through a timeout and to hand in its next turn.
YIELDS = 8
# A prompt is computed when this share of the live sessions waits for it: each pass has a fixed
# cost, so a few at once are cheaper than one by one.
PREFILL_SHARE = 0.125
# Tokens of one prefill pass, padding included; bounds its memory.
PREFILL_TOKENS = 8192


@dataclass(eq=False)
class _Session:
    slot: int
    tokens: list[int] = field(default_factory=list)  # whose keys and values the slot holds
    request: SampleRequest | None = None
    future: asyncio.Future[Completion] | None = None
    random: np.random.Generator | None = None
    sampled: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class TransformersEngine:
    """See lib.policy.engine.Engine.

    Args:
        model: a causal language model in float32 with the attention of lib.policy.attention; the engine
            takes it over, and it cannot be trained afterwards.
        max_concurrent: slots; further sessions wait.
        max_tokens: longest conversation that a slot holds.
        dtype: precision of matrix products and of the cache.
    """

    def __init__(
        self, model: torch.nn.Module, *, max_concurrent: int, max_tokens: int, dtype: torch.dtype = torch.bfloat16
    ):
        self._copy = InferenceCopy(model, dtype=dtype)
        self._device = next(model.parameters()).device
        self._cache = SlotCache(num_slots=max_concurrent, capacity=max_tokens)
        self._capacity = max_tokens
        self._free = list(range(max_concurrent))[::-1]
        self._sessions: dict[str, _Session] = {}
        self._arrivals: list[tuple[SampleRequest, asyncio.Future[Completion]]] = []
        self._waiting: list[_Session] = []  # have a slot, need their prompt computed
        self._decoding: list[_Session] = []  # occupy the first slots, in order
        self._driver: asyncio.Task[None] | None = None
        self.policy_version = 0
        self.num_prompt_tokens = 0  # computed in prefill passes
        self.num_sampled_tokens = 0

    def update_weights(self, weights: Iterable[tuple[str, torch.Tensor]], *, version: int) -> None:
        """Take over a trained model's weights, tied ones under both names; nothing may be in flight."""
        assert not self._sessions and not self._arrivals, "weights change only between rollouts"
        self._copy.load_weights(weights)
        # Which slot a session gets must not depend on what was sampled before: a resumed run starts afresh.
        self._free.sort(reverse=True)
        self.policy_version = version

    async def sample(self, request: SampleRequest) -> Completion:
        if len(request.prompt) >= self._capacity:
            raise PolicyError(
                f"a conversation of {len(request.prompt)} tokens does not fit the engine's {self._capacity}",
                next_step="raise engine.max_tokens or lower environment.max_turns",
            )
        future: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._arrivals.append((request, future))
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        return await future

    def release(self, session: str) -> None:
        held = self._sessions.pop(session, None)
        if held is None:
            return
        if held in self._decoding:
            self._leave_decoding(held)
        if held in self._waiting:
            self._waiting.remove(held)
        held.tokens = []
        self._free.append(held.slot)

    async def _drive(self) -> None:
        try:
            while True:
                for _ in range(YIELDS):
                    await asyncio.sleep(0)
                self._admit()
                if not self._waiting and not self._decoding:
                    if self._arrivals:
                        continue
                    return
                live = len(self._waiting) + len(self._decoding)
                if self._waiting and (not self._decoding or len(self._waiting) >= PREFILL_SHARE * live):
                    self._prefill()
                if self._decoding:
                    self._decode()
        except Exception as error:  # boundary: every waiting episode learns of the engine's failure
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        futures = [future for _, future in self._arrivals]
        futures += [session.future for session in self._sessions.values() if session.future]
        self._arrivals, self._waiting, self._decoding = [], [], []
        for future in futures:
            if not future.done():
                future.set_exception(error)

    def _admit(self) -> None:
        """Give arrivals their slot; what has none yet keeps its place in the queue."""
        left = []
        for request, future in self._arrivals:
            if future.cancelled():
                continue
            session = self._sessions.get(request.session)
            if session is None and not self._free:
                left.append((request, future))
                continue
            if session is None:
                session = _Session(slot=self._free.pop())
                self._sessions[request.session] = session
                self._copy_shared_prefix(session, request.prompt)
            kept = _shared_length(session.tokens, request.prompt[:-1])
            session.tokens = request.prompt[:kept]
            session.request, session.future = request, future
            session.random = np.random.default_rng(request.seed)
            session.sampled, session.logprobs = [], []
            self._waiting.append(session)
        self._arrivals = left

    def _copy_shared_prefix(self, session: _Session, prompt: list[int]) -> None:
        best, best_length = None, 0
        for other in self._sessions.values():
            length = _shared_length(other.tokens, prompt[:-1]) if other is not session else 0
            if length > max(best_length, len(session.tokens)):
                best, best_length = other, length
        if best is not None:
            self._cache.copy(source=best.slot, target=session.slot, length=best_length)
            session.tokens = prompt[:best_length]

    def _prefill(self) -> None:
        """Compute waiting prompts but for their last token, which the next decoding step takes."""
        waiting, self._waiting = self._waiting, []
        fresh: list[_Session] = []
        for session in waiting:
            # A session with the same prompt as one of this pass waits for it and copies afterwards.
            twin = any(_same_prompt(session, other) for other in fresh if not session.tokens)
            (self._waiting if twin else fresh).append(session)
        pending = [s for s in fresh if len(s.tokens) < len(s.request.prompt) - 1]
        pending.sort(key=lambda s: (len(s.request.prompt) - len(s.tokens), s.slot))
        while pending:
            batch = [pending.pop(0)]
            while pending:
                width = len(pending[0].request.prompt) - len(pending[0].tokens)
                if width * (len(batch) + 1) > PREFILL_TOKENS:
                    break
                batch.append(pending.pop(0))
            self._extend(batch)
        for session in fresh:
            self._join_decoding(session)
        twins, self._waiting = self._waiting, []
        for session in twins:
            self._copy_shared_prefix(session, session.request.prompt)
            if len(session.tokens) < len(session.request.prompt) - 1:
                self._waiting.append(session)
            else:
                self._join_decoding(session)

    @torch.no_grad()
    def _extend(self, batch: list[_Session]) -> None:
        news = [s.request.prompt[len(s.tokens) : -1] for s in batch]
        width = max(len(new) for new in news)
        starts = [len(s.tokens) for s in batch]
        length = max(start + len(new) for start, new in zip(starts, news, strict=True))
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        rows, columns, positions = [], [], []
        for row, (start, new) in enumerate(zip(starts, news, strict=True)):
            ids[row, : len(new)] = torch.tensor(new)
            rows += [row] * len(new)
            columns += range(len(new))
            positions += range(start, start + len(new))
        place = torch.tensor(starts)[:, None] + torch.arange(width)[None]  # [rows, width]
        mask = torch.arange(length)[None, None] <= place[:, :, None]
        region = Region(
            slots=torch.tensor([s.slot for s in batch], device=self._device),
            rows=torch.tensor(rows, device=self._device),
            columns=torch.tensor(columns, device=self._device),
            positions=torch.tensor(positions, device=self._device),
            length=length,
        )
        self._forward(ids, place.clamp(max=self._capacity - 1), mask[:, None], region, logits=False)
        for session, new in zip(batch, news, strict=True):
            session.tokens = session.tokens + new
            self.num_prompt_tokens += len(new)

    @torch.no_grad()
    def _decode(self) -> None:
        """One token for every decoding session."""
        batch = list(self._decoding)
        feed = [s.sampled[-1] if s.sampled else s.request.prompt[-1] for s in batch]
        positions = torch.tensor([len(s.tokens) for s in batch])
        length = int(positions.max()) + 1
        mask = torch.arange(length)[None] <= positions[:, None]
        rows = torch.arange(len(batch), device=self._device)
        region = Region(
            slots=len(batch),
            rows=rows,
            columns=torch.zeros_like(rows),
            positions=positions.to(self._device),
            length=length,
        )
        logits = self._forward(torch.tensor(feed)[:, None], positions[:, None], mask[:, None, None], region)
        tokens, logprobs = sample_tokens(
            logits[:, -1].float(),
            temperature=[s.request.temperature for s in batch],
            top_p=[s.request.top_p for s in batch],
            uniform=[float(s.random.random()) for s in batch],
        )
        self.num_sampled_tokens += len(batch)
        for session, fed, token, logprob in zip(batch, feed, tokens, logprobs, strict=True):
            session.tokens.append(fed)
            session.sampled.append(token)
            session.logprobs.append(logprob)
        # Only now, since a session that leaves exchanges slots with one that must know its own length.
        for session in batch:
            self._finish_if_done(session)

    def _forward(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor, region: Region, *, logits: bool = True
    ) -> torch.Tensor:
        self._cache.enter(region)
        module = self._copy.module if logits else self._copy.module.base_model
        output = module(
            input_ids=ids.to(self._device),
            position_ids=positions.to(self._device),
            attention_mask=mask.to(self._device),
            past_key_values=self._cache,
            use_cache=True,
        )
        return output.logits if logits else output.last_hidden_state

    def _finish_if_done(self, session: _Session) -> None:
        request = session.request
        stopped = session.sampled[-1] in request.stop_tokens
        full = len(session.tokens) + 1 >= self._capacity
        if not (stopped or full or len(session.sampled) >= request.max_new_tokens):
            return
        self._leave_decoding(session)
        completion = Completion(
            tokens=session.sampled,
            logprobs=session.logprobs,
            finish=Finish.STOP if stopped else Finish.LENGTH,
            policy_version=self.policy_version,
        )
        if not session.future.done():
            session.future.set_result(completion)

    def _join_decoding(self, session: _Session) -> None:
        """Move the session's slot behind those that decode, so that decoding reads one block."""
        self._move(session, len(self._decoding))
        self._decoding.append(session)

    def _leave_decoding(self, session: _Session) -> None:
        last = self._decoding[-1]
        if last is not session:
            place = session.slot
            self._move(last, place)
            self._decoding[self._decoding.index(session)] = last
        self._decoding.pop()

    def _move(self, session: _Session, slot: int) -> None:
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
    """Length of the common prefix."""
    limit = min(len(held), len(wanted))
    if held[:limit] == wanted[:limit]:
        return limit
    return next(i for i in range(limit) if held[i] != wanted[i])


def _same_prompt(first: _Session, second: _Session) -> bool:
    return first.request.prompt == second.request.prompt
