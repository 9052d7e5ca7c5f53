"""A conversation without a tokenizer: the tokens are the code points of its text.

For policies behind an endpoint whose episodes are judged and never trained on. It has the methods of
lib.policy.conversation.ChatFormat that an episode needs.
"""

from __future__ import annotations

from collections.abc import Sequence

from lib.environments.environment import Content, ImageRef, Message, join_lines, parts_of, text_of
from lib.policy.conversation import Rendered, split_at_images
from lib.policy.engine import PlacedImage

STOP = -1  # no code point


class PlainText:
    """Text in, code points out, and back without loss."""

    stop_token = STOP
    stop_tokens = frozenset({STOP})

    def encode_prompt(self, messages: list[Message]) -> Rendered:
        return self.encode_result(join_lines(message.content for message in messages))

    def encode_result(self, content: Content) -> Rendered:
        """An image is the code points of its name."""
        said = Rendered(text=text_of(content))
        for part in parts_of(content):
            start, tokens = len(said.tokens), self._encode(text_of((part,)))
            said.tokens += tokens
            if isinstance(part, ImageRef):
                said.images.append(PlacedImage(part.id, part.box, start, start + len(tokens)))
        return said

    def read_result(self, tokens: list[int], images: Sequence[PlacedImage] = ()) -> Content:
        return split_at_images(tokens, images, 0, len(tokens), self.decode)

    def encode_reply(self, content: str) -> list[int]:
        return [*self._encode(content), STOP]

    def decode(self, tokens: list[int]) -> str:
        return "".join(chr(token) for token in tokens if token != STOP)

    @staticmethod
    def _encode(text: str) -> list[int]:
        return [ord(character) for character in text]
