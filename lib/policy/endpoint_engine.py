"""An engine whose turns a language model behind an endpoint writes.

The model gets chat messages and its reply becomes tokens, so its episodes run through the same loop, the
same environment and the same judging as a policy's. One engine serves one episode. It knows neither
environments nor what its episodes are for.
"""

from __future__ import annotations

import base64
import re

from lib.chat_endpoint import ChatEndpoint, ChatMessage
from lib.environments.environment import Content, ImageRef, Message, parts_of
from lib.policy.conversation import ChatFormat
from lib.policy.engine import Completion, Finish, SampleRequest
from lib.policy.image_encoder import OpenImage
from lib.policy.plain_text import PlainText
from lib.settings.endpoint import EndpointPolicySettings
from lib.sources.images.decode import as_png

# Thoughts that a reasoning model writes into its reply; they are no part of the turn.
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


class EndpointEngine:
    """Plays one episode; see lib.policy.engine.Engine.

    Args:
        opening: the messages that the episode starts with, as the model is to see them.
        open_image: where their images are; they are sent as data addresses.
    """

    policy_version = -1

    def __init__(
        self,
        endpoint: ChatEndpoint,
        settings: EndpointPolicySettings,
        opening: list[Message],
        *,
        chat: ChatFormat | PlainText,
        open_image: OpenImage | None = None,
    ):
        self._endpoint, self._settings, self._chat, self._open = endpoint, settings, chat, open_image
        self._messages: list[ChatMessage] = [{"role": m.role, "content": self._written(m.content)} for m in opening]
        self._seen = 0  # tokens of the conversation that stand in the messages

    async def sample(self, request: SampleRequest) -> Completion:
        """One reply. Its log-probabilities are unknown and stand as 0. Raises EndpointError."""
        if self._seen:
            images = [image.moved(-self._seen) for image in request.images if image.start >= self._seen]
            shown = parts_of(self._chat.read_result(request.prompt[self._seen :], images))
            # The role "tool" belongs to calls in the protocol's own form; these calls are text.
            content = self._written(("<tool_response>\n", *shown, "\n</tool_response>"))
            self._messages.append({"role": "user", "content": content})
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

    def _written(self, content: Content) -> str | list[dict[str, object]]:
        """As the protocol has it: a text, or parts with images among them."""
        parts = parts_of(content)
        if all(isinstance(part, str) for part in parts):
            return "".join(parts)  # type: ignore[arg-type]
        return [{"type": "text", "text": part} if isinstance(part, str) else self._sent(part) for part in parts]

    def _sent(self, image: ImageRef) -> dict[str, object]:
        assert self._open is not None, "an episode with images needs to know where they are"
        data = base64.b64encode(as_png(self._open(image.id, image.box))).decode()
        return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}

    def release(self, session: str) -> None:
        self._messages.clear()
