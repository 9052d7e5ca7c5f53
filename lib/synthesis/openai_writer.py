"""A writer behind any endpoint that speaks the OpenAI chat-completions protocol.

In: drafts. Out: the model's question for each, or None where its reply holds none. Requests run side by
side up to a limit; transient failures are tried again with growing pauses; tokens are counted. A dead
endpoint is an EndpointError, never a missing question.
"""

from __future__ import annotations

import asyncio
import os
import re

import httpx
from tenacity import AsyncRetrying, RetryError, retry_if_exception, stop_after_attempt, wait_random_exponential

from lib.errors import EndpointError
from lib.settings.synthesis import OpenAIWriter as OpenAIWriterSettings
from lib.synthesis.writer import Draft, Usage

LONGEST_PAUSE_S = 20.0
RETRIED_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})

INSTRUCTIONS = """You write one question for a quiz that a researcher solves with a search engine.
You get a chain of clues in which each depends on the one before, and the answer.
- Use every clue, in any order that reads well, in natural English and at most 60 words.
- Never name an entity in between, and never the answer; keep the name of the start{blur}.
- Exactly one answer must remain possible.
Reply with <question>the question</question> and nothing else."""
BLUR = " only if the clues name it, and make exact values vague (a date becomes a range, a number a bucket)"
QUESTION = re.compile(r"<question>\s*(.+?)\s*</question>", re.DOTALL)


class OpenAIWriter:
    """Holds the settings and what was spent; ``pause_s`` is the first pause between two attempts."""

    name = "openai"

    def __init__(self, settings: OpenAIWriterSettings, *, pause_s: float = 1.0):
        self._settings, self._pause_s = settings, pause_s
        self.usage = Usage()

    def write(self, drafts: list[Draft]) -> list[str | None]:
        """Raises EndpointError when a request fails for good; drafts in flight are given up."""
        return asyncio.run(self._write_all(drafts)) if drafts else []

    async def _write_all(self, drafts: list[Draft]) -> list[str | None]:
        key = os.environ.get(self._settings.api_key_variable, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        gate = asyncio.Semaphore(self._settings.concurrency)
        async with httpx.AsyncClient(headers=headers, timeout=self._settings.timeout_s) as client:
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._write_one(client, gate, draft)) for draft in drafts]
            except ExceptionGroup as failures:
                raise self._explain(failures.exceptions[0], len(drafts)) from failures
        return [task.result() for task in tasks]

    async def _write_one(self, client: httpx.AsyncClient, gate: asyncio.Semaphore, draft: Draft) -> str | None:
        async with gate:
            attempts = AsyncRetrying(
                stop=stop_after_attempt(self._settings.max_retries + 1),
                wait=wait_random_exponential(multiplier=self._pause_s, max=LONGEST_PAUSE_S),
                retry=retry_if_exception(_is_transient),
                reraise=True,
            )
            async for attempt in attempts:
                with attempt:
                    reply = await self._request(client, draft)
        found = QUESTION.search(reply)
        return " ".join(found.group(1).split()) if found else None

    async def _request(self, client: httpx.AsyncClient, draft: Draft) -> str:
        instructions = INSTRUCTIONS.format(blur=BLUR if draft.blurred else "")
        body = {
            "model": self._settings.model,
            "temperature": self._settings.temperature,
            "seed": draft.seed % 2**31,
            "messages": [
                {"role": "system", "content": instructions},
                {"role": "user", "content": "\n".join([*draft.clues, f"Answer: {draft.answer}"])},
            ],
        }
        self.usage.requests += 1
        response = await client.post(f"{self._settings.base_url.rstrip('/')}/chat/completions", json=body)
        response.raise_for_status()
        try:
            data = response.json()
            content = data["choices"][0]["message"]["content"] or ""
        except (ValueError, LookupError, TypeError) as error:
            raise EndpointError(
                f"The endpoint's reply is no chat completion: {response.text[:200]!r}",
                where=self._settings.base_url,
                next_step="Check that base_url ends where /chat/completions begins, usually in /v1.",
            ) from error
        spent = data.get("usage") or {}
        self.usage.prompt_tokens += spent.get("prompt_tokens") or 0
        self.usage.completion_tokens += spent.get("completion_tokens") or 0
        return content

    def _explain(self, error: BaseException, num_drafts: int) -> EndpointError:
        if isinstance(error, EndpointError):
            return error
        if isinstance(error, RetryError):
            error = error.last_attempt.exception() or error
        told = f"{type(error).__name__}: {error}".rstrip(": ")
        if isinstance(error, httpx.HTTPStatusError):
            told = f"HTTP {error.response.status_code}: {error.response.text[:200]}"
        return EndpointError(
            f"The endpoint that writes questions fails after {self._settings.max_retries + 1} attempts: {told}",
            where=self._settings.base_url,
            kept=f"the graph; the {num_drafts} questions of this round are not written",
            next_step=(
                f"Start the endpoint, check the key in {self._settings.api_key_variable}, and run again; "
                "or write offline: `ropewalk run --set synthesis.writer.type=template`."
            ),
        )


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in RETRIED_STATUS
    return isinstance(error, httpx.TransportError)
