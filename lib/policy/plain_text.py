"""A conversation without a tokenizer: the tokens are the code points of its text.

For policies behind an endpoint whose episodes are judged and never trained on. It has the methods of
lib.policy.conversation.ChatFormat that an episode needs.
"""

from __future__ import annotations

from lib.environments.environment import Message

STOP = -1  # no code point


class PlainText:
    """Text in, code points out, and back without loss."""

    stop_token = STOP
    stop_tokens = frozenset({STOP})

    def encode_prompt(self, messages: list[Message]) -> tuple[list[int], str]:
        text = "\n".join(message.content for message in messages)
        return self._encode(text), text

    def encode_result(self, content: str) -> list[int]:
        return self._encode(content)

    def read_result(self, tokens: list[int]) -> str:
        return self.decode(tokens)

    def encode_reply(self, content: str) -> list[int]:
        return [*self._encode(content), STOP]

    def decode(self, tokens: list[int]) -> str:
        return "".join(chr(token) for token in tokens if token != STOP)

    @staticmethod
    def _encode(text: str) -> list[int]:
        return [ord(character) for character in text]
