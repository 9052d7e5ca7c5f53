"""A conversation as tokens.

What the policy sampled is stored as sampled and never decoded and encoded again; what the
environment says is encoded once and appended. So each turn's prompt extends the last one exactly,
whatever the tokenizer would make of the whole text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from lib.environments.environment import Content, ImageRef, Message, parts_of, text_of
from lib.errors import PolicyError
from lib.policy.engine import Completion, PlacedImage
from lib.policy.image_encoder import ImageEncoder

# Stand-ins from which the text between two turns is read off a chat template.
_RULES, _QUESTION, _REPLY, _RESULT = "RULES-7c1", "QUESTION-7c1", "REPLY-7c1", "RESULT-7c1"
_MEND = "use an instruction-tuned model, or add chat_template.jinja to its directory"


@dataclass(frozen=True)
class Turn:
    """A span of tokens with one author."""

    role: str
    start: int
    end: int
    text: str
    policy_version: int = -1


@dataclass
class Rendered:
    """What was said to the policy, as tokens; images stand in them by placeholders."""

    tokens: list[int] = field(default_factory=list)
    text: str = ""
    images: list[PlacedImage] = field(default_factory=list)  # places count from the first of these tokens

    def add(self, other: Rendered) -> Rendered:
        """Put another behind this one."""
        self.images += [image.moved(len(self.tokens)) for image in other.images]
        self.tokens += other.tokens
        self.text += other.text
        return self


@dataclass
class Conversation:
    """Tokens, which of them the policy chose, and their log-probabilities."""

    tokens: list[int] = field(default_factory=list)  # [num_tokens]
    action_mask: list[bool] = field(default_factory=list)  # [num_tokens]
    logprobs: list[float] = field(default_factory=list)  # [num_tokens], 0 where not an action
    turns: list[Turn] = field(default_factory=list)
    images: list[PlacedImage] = field(default_factory=list)  # in the order of their places

    def append_given(self, role: str, said: Rendered) -> None:
        """Append what the policy did not choose."""
        self.images += [image.moved(len(self.tokens)) for image in said.images]
        self._append(role, said.tokens, [0.0] * len(said.tokens), said.text, action=False, policy_version=-1)

    def append_sampled(self, completion: Completion, text: str) -> None:
        """Append a turn exactly as sampled."""
        self._append(
            "assistant",
            completion.tokens,
            completion.logprobs,
            text,
            action=True,
            policy_version=completion.policy_version,
        )

    def _append(
        self, role: str, tokens: list[int], logprobs: list[float], text: str, *, action: bool, policy_version: int
    ) -> None:
        start = len(self.tokens)
        self.tokens += tokens
        self.action_mask += [action] * len(tokens)
        self.logprobs += logprobs
        self.turns.append(Turn(role, start, start + len(tokens), text, policy_version))


def split_at_images(
    tokens: list[int], images: Sequence[PlacedImage], start: int, end: int, decode: Callable[[list[int]], str]
) -> Content:
    """Texts and images between two places; a text where there is no image."""
    if not images:
        return decode(tokens[start:end])
    parts: list[str | ImageRef] = []
    for image in images:
        parts += [decode(tokens[start : image.start]), ImageRef(image.id, image.box)]
        start = image.end
    return tuple(part for part in (*parts, decode(tokens[start:end])) if part)


class ChatFormat:
    """The tokens that a model's chat template puts around and between turns.

    The text between a reply and the next one is read off the template once, by rendering
    stand-ins, and never depends on what was said.

    Args:
        encoder: what images become, for a policy that takes them.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, encoder: ImageEncoder | None = None):
        self._tokenizer, self.encoder = tokenizer, encoder
        if not tokenizer.chat_template:
            raise PolicyError(
                "the model's tokenizer has no chat template",
                where=str(tokenizer.name_or_path),
                next_step=_MEND,
            )
        try:
            self._read_template()
        except (TemplateError, ValueError) as error:
            raise PolicyError(
                f"the chat template cannot write rules, a question, a reply and a tool's result: {error}",
                where=str(tokenizer.name_or_path),
                next_step=_MEND,
            ) from error
        end_tokens = self._encode(self._end_of_turn)
        if not end_tokens:
            raise PolicyError("the chat template writes nothing after a reply, so that no turn could end")
        self.stop_token: int = end_tokens[0]
        self.stop_tokens = frozenset({self.stop_token, tokenizer.eos_token_id} - {None})
        stop_text = tokenizer.decode([self.stop_token])
        self._before_result = self._before_result.removeprefix(stop_text)

    def _read_template(self) -> None:
        """The text around a reply and a tool's result; a ValueError where the template leaves one of them out."""
        exchange = [
            {"role": "system", "content": _RULES},
            {"role": "user", "content": _QUESTION},
            {"role": "assistant", "content": _REPLY},
        ]
        result = {"role": "tool", "content": _RESULT}
        ended = self._render(exchange, generate=False)
        continued = self._render([*exchange, result], generate=True)
        self._end_of_turn = ended[ended.index(_REPLY) + len(_REPLY) :]
        between = continued[continued.index(_REPLY) + len(_REPLY) :]
        self._before_result, self._after_result = between.split(_RESULT)

    def encode_prompt(self, messages: list[Message]) -> Rendered:
        """The opening messages, up to where the policy begins to write."""
        stand_ins = [f"MESSAGE-7c1-{place}-" for place in range(len(messages))]
        rendered = self._render(
            [{"role": m.role, "content": s} for m, s in zip(messages, stand_ins, strict=True)], generate=True
        )
        said = Rendered()
        for message, stand_in in zip(messages, stand_ins, strict=True):
            before, rendered = rendered.split(stand_in)
            said.add(self._written(before)).add(self._encode_content(message.content))
        return said.add(self._written(rendered))

    def encode_result(self, content: Content) -> Rendered:
        """From the end of a sampled turn, without its stop token, to the start of the next; its text is the content."""
        said = Rendered(self._encode(self._before_result))
        said.add(self._encode_content(content))
        return said.add(Rendered(self._encode(self._after_result)))

    def read_result(self, tokens: list[int], images: Sequence[PlacedImage] = ()) -> Content:
        """The content of what ``encode_result`` gave; the places of images count from the first of the tokens."""
        before, after = len(self._encode(self._before_result)), len(self._encode(self._after_result))
        return split_at_images(tokens, images, before, len(tokens) - after, self._decode_all)

    def _decode_all(self, tokens: list[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=False)

    def encode_reply(self, content: str) -> list[int]:
        """Tokens of a reply that somebody else wrote, its stop token included."""
        return [*self._encode_text(content), self.stop_token]

    def decode(self, tokens: list[int]) -> str:
        """Text of a sampled turn without its stop token."""
        if tokens and tokens[-1] in self.stop_tokens:
            tokens = tokens[:-1]
        return self._tokenizer.decode(tokens, skip_special_tokens=False)

    def _render(self, messages: list[dict[str, str]], *, generate: bool) -> str:
        return self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generate)

    def _written(self, text: str) -> Rendered:
        """What the template itself writes."""
        return Rendered(self._encode(text), text)

    def _encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _encode_content(self, content: Content) -> Rendered:
        said = Rendered(text=text_of(content))
        for part in parts_of(content):
            if isinstance(part, str):
                said.tokens += self._encode_text(part)
            else:
                start, tokens = len(said.tokens), self._image_tokens(part)
                said.tokens += tokens
                patch = self.encoder.patch_token
                placed = PlacedImage(part.id, part.box, start, start + len(tokens), tokens.count(patch), patch)
                said.images.append(placed)
        return said

    def _image_tokens(self, image: ImageRef) -> list[int]:
        if self.encoder is None:
            raise PolicyError(
                "a question has images, and the policy takes none",
                where=str(self._tokenizer.name_or_path),
                next_step="take a model with a processor for images, or leave the domain vision out",
            )
        return self.encoder.tokens(image)

    def _encode_text(self, text: str) -> list[int]:
        """Text from outside: what looks like a control token in it stays plain text."""
        return self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
