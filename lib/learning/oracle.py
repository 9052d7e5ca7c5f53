"""Oracles answer by following what is known of a question, with real tool calls.

An oracle speaks through the engine protocol, so its episodes run through the same loop, the same environment and the
same judging as a policy's. What it says next depends on what the environment has shown.
"""

from __future__ import annotations

from typing import Protocol

from lib.policy.conversation import ChatFormat
from lib.policy.engine import Completion, Finish, SampleRequest

NOTHING = "<answer></answer>"  # there is no way to the answer, and so nothing to demonstrate


class Script(Protocol):
    """One episode's way to the answer."""

    def next_turn(self, shown: str) -> str:
        """What the oracle says, given all that came since it last spoke; at first that is the opening."""
        ...


class OracleEngine:
    """Plays one question by its script; see lib.policy.engine.Engine."""

    policy_version = -1

    def __init__(self, script: Script, chat: ChatFormat):
        self._script, self._chat = script, chat
        self._seen = 0  # tokens of the conversation that have been read

    async def sample(self, request: SampleRequest) -> Completion:
        text = self._script.next_turn(self._chat.decode(request.prompt[self._seen :]))
        tokens = self._chat.encode_reply(text)[: request.max_new_tokens]
        self._seen = len(request.prompt) + len(tokens)
        finish = Finish.STOP if tokens[-1] == self._chat.stop_token else Finish.LENGTH
        return Completion(tokens, [0.0] * len(tokens), finish, self.policy_version)

    def release(self, session: str) -> None:
        return None
