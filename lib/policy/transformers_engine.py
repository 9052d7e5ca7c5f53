"""Samples with a transformers model, many episodes side by side, on a CPU or a GPU.

Every session owns a slot of the key/value cache for the whole episode: a turn's prompt extends
what the slot already holds, and only the new tokens are computed. What a prompt shares with
another slot is copied from there (questions share the system prompt, samples of a group their
whole prompt), also when both arrive at once: then one of them is computed first.
A decoding pass samples one token for every session and checks guesses at the next ones (lib/policy/drafts.py).
Between passes (lib/policy/batcher.py) the engine gives way to the event loop, so that episodes that have ended a
turn call their tools and come back while the others decode. Its lane says which thread computes the passes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import torch
from transformers import PreTrainedModel

from lib.errors import PolicyError
from lib.policy.batcher import Batcher
from lib.policy.check_model import check_model
from lib.policy.engine import Completion, SampleRequest
from lib.policy.image_encoder import ImageEncoder
from lib.policy.image_inputs import ImageInputs
from lib.policy.lane import Lane
from lib.policy.model_runner import ModelRunner
from lib.policy.slot_cache import TILE, SlotCache

# Turns given to other coroutines between steps: enough for an episode whose turn has ended to call
# a local tool by way of the desk, whether its result is known or not, and to hand in its next turn.
YIELDS = 24
# Between looks at whether somebody has left a slot, while nothing can be computed.
WAIT_S = 0.002


class TransformersEngine:
    """See lib.policy.engine.TrainedEngine.

    Args:
        model: a causal language model in float32 with the attention of lib.policy.attention; the engine
            takes it over, and it cannot be trained afterwards.
        max_concurrent: slots; further sessions wait.
        max_tokens: longest conversation that a slot holds.
        dtype: precision of matrix products and of the cache.
        encoder: what images become, for a model that takes them.

    Raises:
        PolicyError: the model cannot be computed here as its own code computes it.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        *,
        max_concurrent: int,
        max_tokens: int,
        dtype: torch.dtype = torch.bfloat16,
        encoder: ImageEncoder | None = None,
    ):
        self._images = ImageInputs(model, encoder) if encoder else None
        _check_window(model, max_tokens)
        check_model(
            model,
            ModelRunner(
                model, SlotCache(num_slots=2, capacity=TILE), dtype=torch.float32, images=self._images
            ).logprobs,
            does="sampled with engine.type=transformers",
            next_step="set engine.type=vllm, or choose another model",
        )
        # What it holds belongs to whichever thread computes, everything else here to the event loop's.
        self._batcher = Batcher(
            model, max_concurrent=max_concurrent, max_tokens=max_tokens, dtype=dtype, images=self._images
        )
        self._capacity = max_tokens
        self._turns: dict[str, asyncio.Future[Completion]] = {}  # by session
        self._driver: asyncio.Task[None] | None = None
        self.lane = Lane(has_more=lambda: self._batcher.has_work)

    @property
    def policy_version(self) -> int:
        return self._batcher.policy_version

    @property
    def num_prompt_tokens(self) -> int:
        """Computed so far; what was copied from another slot does not count."""
        return self._batcher.num_prompt_tokens

    @property
    def num_passes(self) -> int:
        """Of decoding, so far."""
        return self._batcher.num_passes

    @property
    def padding(self) -> float:
        """Share of the work of attention so far that was padding."""
        return self._batcher.padding

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], *, version: int, probe: Sequence[int] = ()
    ) -> list[list[float]]:
        """See TrainedEngine. What slots hold of turns that have begun is computed again."""
        # One piece of work, so that no pass sees half of it.
        return await self.lane.do(partial(self._batcher.update_weights, weights, version=version, probe=probe))

    async def sample(self, request: SampleRequest) -> Completion:
        if len(request.prompt) >= self._capacity:
            raise PolicyError(
                f"a conversation of {len(request.prompt)} tokens does not fit the engine's {self._capacity}",
                next_step="raise engine.max_tokens or lower environment.max_turns",
            )
        if request.images and self._images:
            request = replace(request, prompt=self._images.patches.encode(request.prompt, request.images))
        turn: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._turns[request.session] = turn
        self._batcher.submit(request)
        if self._driver is None or self._driver.done():
            self._driver = asyncio.create_task(self._drive())
        try:
            return await turn
        finally:  # also when its episode is given up
            if self._turns.get(request.session) is turn:
                del self._turns[request.session]

    def release(self, session: str) -> None:
        """Its slot is free from the next pass on."""
        self._batcher.release(session)

    async def _drive(self) -> None:
        """Work until no turn is left; the next request starts it again."""
        try:
            while self._turns:
                await _give_way()
                if not self._batcher.has_work:
                    await asyncio.sleep(WAIT_S)  # all slots belong to episodes that call their tools
                    continue
                for session, completion in await self.lane.do(self._batcher.advance):
                    turn = self._turns.get(session)
                    if turn is not None and not turn.done():
                        turn.set_result(completion)
        except Exception as error:  # boundary: every waiting episode learns of the engine's failure
            await self._fail(error)

    async def _fail(self, error: Exception) -> None:
        try:
            await self.lane.do(self._batcher.abandon)
        finally:
            for turn in self._turns.values():
                if not turn.done():
                    turn.set_exception(error)


def _check_window(model: PreTrainedModel, max_tokens: int) -> None:
    """Raises PolicyError where a conversation could be longer than what the model attends to."""
    config = model.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    layers = getattr(config, "layer_types", None) or ["sliding_attention"]
    if window is not None and "sliding_attention" in layers and max_tokens > window:
        raise PolicyError(
            f"The model attends to the last {window} tokens, and engine.max_tokens is {max_tokens}; windows that slide "
            "are not computed here.",
            next_step=f"set engine.max_tokens={window}, or choose a model without a sliding window",
        )


async def _give_way() -> None:
    for _ in range(YIELDS):
        await asyncio.sleep(0)
