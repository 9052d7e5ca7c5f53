"""The two kinds of forward pass over the slots: prefill extends prompts, decode samples tokens.

In: sessions that hold a slot. Out: the sessions with what was computed for them. Which sessions a pass takes,
and when a turn has ended, is not known here. The new tokens of all sessions lie one after the other in a single row,
so that linear layers compute no padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from lib.policy.attention import Ragged
from lib.policy.drafts import Drafts
from lib.policy.image_features import takes_images
from lib.policy.image_inputs import ImageInputs
from lib.policy.inference_copy import InferenceCopy
from lib.policy.logits import logits_of
from lib.policy.pass_layout import PassLayout
from lib.policy.rotary_positions import rows_of_one
from lib.policy.row_parts import work_of
from lib.policy.sampling import sample_tokens
from lib.policy.session_slots import Session
from lib.policy.slot_cache import SlotCache, room_for

# Sessions times most new tokens of any in one prefill pass; bounds its memory.
PREFILL_TOKENS = 8192


class ModelRunner:
    """A model for sampling together with the cache that it writes.

    Args:
        images: for a model that takes images, what stands in its input in their place.
    """

    def __init__(
        self, model: torch.nn.Module, cache: SlotCache, *, dtype: torch.dtype, images: ImageInputs | None = None
    ):
        self._copy = InferenceCopy(model, dtype=dtype)
        self._images = images
        self._device = next(model.parameters()).device
        self._cache = cache
        self._drafts = Drafts()
        self.work = self.needed = 0  # of attention, and what of it was no padding

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Take over a trained model's weights, tied ones under both names."""
        self._copy.load_weights(weights)
        if self._images:
            self._images.forget()
        # Which guesses a pass checks shows in the rounding of its products: a resumed run starts afresh.
        self._drafts.clear()

    @torch.no_grad()
    def logprobs(self, sequences: Sequence[Sequence[int]]) -> list[list[float]]:
        """Of all tokens but the first of each, at temperature 1, by way of the first slots, which may hold nothing."""
        sessions = [Session(slot=i, positions=np.tile(np.arange(len(s)), (3, 1))) for i, s in enumerate(sequences)]
        logits = self._forward(sessions, [list(tokens) for tokens in sequences])
        parts = logits[0].float().log_softmax(dim=-1).split([len(tokens) for tokens in sequences])
        following = [torch.tensor(tokens[1:], device=self._device)[:, None] for tokens in sequences]
        return [part[:-1].gather(1, ids)[:, 0].tolist() for part, ids in zip(parts, following, strict=True)]

    @torch.no_grad()
    def prefill(self, batch: Sequence[Session]) -> None:
        """Compute the contexts but for their last token, which the next decoding step takes."""
        batch = sorted(batch, key=lambda s: -work_of(s.num_left, room_for(len(s.context))))
        news = [s.context[len(s.tokens) : -1] for s in batch]
        self._forward(batch, news, logits=False)
        for session, new in zip(batch, news, strict=True):
            session.tokens = session.tokens + new
            self._drafts.learn(session.tokens, start=len(session.tokens) - len(new))

    @torch.no_grad()
    def decode(self, batch: Sequence[Session]) -> None:
        """Sample one token or more for every session; they come in the order of their slots."""
        news = [[s.next_token, *self._guess(s)] for s in batch]
        logits = self._forward(batch, news, in_place=True)
        places = [(s, len(s.sampled) + i) for s, new in zip(batch, news, strict=True) for i in range(len(new))]
        tokens, logprobs = sample_tokens(
            logits[0],
            temperature=[s.request.temperature for s, _ in places],
            top_p=[s.request.top_p for s, _ in places],
            uniform=[s.uniforms[place] for s, place in places],
        )
        sampled = iter(zip(tokens, logprobs, strict=True))
        for session, new in zip(batch, news, strict=True):
            start = len(session.tokens)
            session.take(new, [next(sampled) for _ in new], capacity=self._cache.capacity)
            self._drafts.learn(session.tokens, start=start)

    def _guess(self, session: Session) -> list[int]:
        """Tokens to check, no more than the turn and the slot have room for."""
        if not session.tokens:
            return []
        request = session.request
        left = min(request.max_new_tokens - len(session.sampled), self._cache.capacity - 1 - len(session.tokens))
        return self._drafts.guess(session.tokens[-1], session.next_token, limit=left - 1, stop=request.stop_tokens)

    def _forward(
        self, batch: Sequence[Session], news: Sequence[list[int]], *, in_place: bool = False, logits: bool = True
    ) -> torch.Tensor:
        """Logits ``[1, tokens, vocabulary]`` of all new tokens, or their hidden states.

        Args:
            in_place: attend to the slots where they lie; without, keys and values of the batch are copied, in order.
        """
        layout = PassLayout(batch, news, in_place=in_place, device=self._device)
        self._cache.enter(layout.slots, layout.positions)
        self.work += layout.work
        self.needed += layout.needed
        arguments = {
            "position_ids": self._rotary(batch, news, layout),
            "attention_mask": None,
            "ragged": Ragged(self._cache, layout.bundles()),
            "past_key_values": self._cache,
            "use_cache": True,
        }
        ids = [token for new in news for token in new]
        model = self._copy.module
        if self._images:
            vectors, deeper = self._images.embed(ids)
            arguments |= {"inputs_embeds": vectors[None], **deeper}
        else:
            arguments["input_ids"] = torch.tensor(ids, device=self._device)[None]
        if takes_images(model):  # its own forward pass would merge images in its own way
            hidden = model.get_decoder()(**arguments).last_hidden_state
            return logits_of(model, hidden) if logits else hidden
        output = (model if logits else model.base_model)(**arguments)
        return output.logits if logits else output.last_hidden_state

    def _rotary(self, batch: Sequence[Session], news: Sequence[list[int]], layout: PassLayout) -> torch.Tensor:
        """Where the new tokens stand, as the model takes it: their positions in the slots where it counts them."""
        if self._images is None or not self._images.has_grids:
            return layout.positions[None]
        parts = zip(batch, layout.starts.tolist(), news, strict=True)
        each = [self._images.positions(session, start, len(new)) for session, start, new in parts]
        return rows_of_one(torch.from_numpy(np.concatenate(each, axis=1)).to(self._device))


def prefill_batches(sessions: Iterable[Session]) -> Iterator[list[Session]]:
    """Sessions with a prompt to compute, the shortest first, as many a pass as its memory allows."""
    pending = sorted((s for s in sessions if s.num_left > 1), key=lambda s: (s.num_left, s.slot))
    while pending:
        batch = [pending.pop(0)]
        while pending and pending[0].num_left * (len(batch) + 1) <= PREFILL_TOKENS:
            batch.append(pending.pop(0))
        yield batch
