"""A writer behind an endpoint: a language model turns the chain of clues into a question.

In: drafts. Out: the model's question for each, or why there is none: its reply holds none, or the endpoint
refuses this one draft. A dead endpoint is an EndpointError, never a missing question.
"""

from __future__ import annotations

import re

from lib.chat_endpoint import ChatEndpoint, Usage
from lib.errors import EndpointError, RequestRefusedError
from lib.reply_log import ReplyLog
from lib.settings.synthesis import OpenAIWriter as OpenAIWriterSettings
from lib.synthesis.writer import NO_WORDS, Draft, Wording

INSTRUCTIONS = """You write one question for a quiz that a researcher solves with a search engine.
You get a chain of clues in which each depends on the one before, and the answer.
- Use every clue, in any order that reads well, in natural English and at most 60 words.
- Never name an entity in between, and never the answer; keep the name of the start{blur}.
- Exactly one answer must remain possible.
Reply with <question>the question</question> and nothing else."""
BLUR = " only if the clues name it, and make exact values vague (a date becomes a range, a number a bucket)"
REFUSED = "the endpoint refused the draft"
QUESTION = re.compile(r"<question>\s*(.+?)\s*</question>", re.DOTALL)


class OpenAIWriter:
    """See lib.synthesis.writer.Writer; ``pause_s`` is the first pause between two attempts.

    Args:
        log: replies that need not be paid for again.
        instructions: what is to be written of a draft; ``{blur}`` is filled in.
    """

    name = "openai"

    def __init__(
        self,
        settings: OpenAIWriterSettings,
        *,
        log: ReplyLog | None = None,
        pause_s: float = 1.0,
        instructions: str = INSTRUCTIONS,
    ):
        self._settings, self._instructions = settings, instructions
        self._endpoint = ChatEndpoint(settings, log=log, pause_s=pause_s)

    @property
    def usage(self) -> Usage:
        return self._endpoint.usage

    def write(self, drafts: list[Draft]) -> list[Wording]:
        """Raises EndpointError when a request fails for good; drafts in flight are given up."""
        try:
            return self._endpoint.work_through(self._write_one, drafts)
        except EndpointError as error:
            raise EndpointError(
                f"No question can be written. {error.what}",
                where=error.where,
                next_step=f"{error.next_step} Or write offline: `ropewalk run --set synthesis.writer.type=template`.",
            ) from error

    async def _write_one(self, draft: Draft) -> Wording:
        instructions = self._instructions.format(blur=BLUR if draft.blurred else "")
        messages = [
            {"role": "system", "content": instructions},
            {"role": "user", "content": "\n".join([*draft.clues, f"Answer: {draft.answer}"])},
        ]
        try:
            reply = await self._endpoint.complete(messages, temperature=self._settings.temperature, seed=draft.seed)
        except RequestRefusedError as error:
            return Wording("", REFUSED, error.what)
        found = QUESTION.search(reply.text)
        prompt = " ".join(found.group(1).split()) if found else ""
        return Wording(prompt) if prompt else NO_WORDS
