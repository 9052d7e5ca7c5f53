"""An engine whose turns a language model behind an endpoint writes.

The model gets chat messages and its reply becomes tokens, so its episodes run through the same loop, the
same environment and the same judging as a policy's. One engine serves one episode. It knows neither
environments nor what its episodes are for.
"""

from __future__ import annotations

import re

from lib.chat_endpoint import ChatEndpoint, ChatMessage
from lib.environments.environment import Message
from lib.policy.conversation import ChatFormat
from lib.policy.engine import Completion, Finish, SampleRequest
from lib.policy.plain_text import PlainText
from lib.settings.endpoint import EndpointPolicySettings

# Thoughts that a reasoning model writes into its reply; they are no part of the turn.
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


class EndpointEngine:
    """Plays one episode; see lib.policy.engine.Engine.

    Args:
        opening: the messages that the episode starts with, as the model is to see them.
    """

    policy_version = -1

    def __init__(
        self,
        endpoint: ChatEndpoint,
        settings: EndpointPolicySettings,
        opening: list[Message],
        *,
        chat: ChatFormat | PlainText,
    ):
        self._endpoint, self._settings, self._chat = endpoint, settings, chat
        self._messages: list[ChatMessage] = [{"role": m.role, "content": m.content} for m in opening]
        self._seen = 0  # tokens of the conversation that stand in the messages

    async def sample(self, request: SampleRequest) -> Completion:
        """One reply. Its log-probabilities are unknown and stand as 0. Raises EndpointError."""
        if self._seen:
            shown = self._chat.read_result(request.prompt[self._seen :])
            # The role "tool" belongs to calls in the protocol's own form; these calls are text.
            self._messages.append({"role": "user", "content": f"<tool_response>\n{shown}\n</tool_response>"})
        reply = await self._endpoint.complete(
            self._messages,
            temperature=self._settings.temperature,
            seed=request.seed,
            max_tokens=self._settings.max_reply_tokens,
        )
        text = _THOUGHTS.sub("", reply.text).strip()
        tokens = self._chat.encode_reply(text)[: request.max_new_tokens]
        is_cut = reply.is_cut or tokens[-1] != self._chat.stop_token
        self._messages.append({"role": "assistant", "content": text})
        self._seen = len(request.prompt) + len(tokens)
        return Completion(tokens, [0.0] * len(tokens), Finish.LENGTH if is_cut else Finish.STOP, self.policy_version)

    def release(self, session: str) -> None:
        self._messages.clear()
