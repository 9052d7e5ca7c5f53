"""A language model behind any endpoint that speaks the OpenAI chat-completions protocol.

In: chat messages. Out: the model's reply. Work runs side by side up to a limit; transient failures are
tried again with growing, jittered pauses; tokens are counted, and with a log replies are kept. An endpoint
that fails for good is an EndpointError, which ends all work in flight; it is never an empty reply.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from lib.errors import EndpointAwayError, EndpointError, RequestRefusedError
from lib.reply_log import Reply, ReplyLog
from lib.settings.endpoint import EndpointSettings
from lib.strict_json import load_json

LONGEST_PAUSE_S = 20.0
RETRIED_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
# The request was understood and found wanting: too long, or against the provider's rules.
REFUSED_STATUS = frozenset({400, 413, 422})
# An endpoint that refuses each of its first requests refuses them all: a rule of the provider that hits every
# second request hits twenty in a row once in a million. The first sent count, since refusals come back sooner.
FIRST_REQUESTS = 20
SHOWN_CHARACTERS = 200  # of a reply that is no completion

# What to do about a status, where it says more than that the endpoint fails.
REMEDIES = {
    401: "Set {key} to a key that the endpoint takes, and run again.",
    403: "Set {key} to a key that the endpoint takes, and run again.",
    404: "Check the model's name, and that base_url ends where /chat/completions begins (usually /v1), and run again.",
    429: "Wait until the endpoint's limit allows more, or lower concurrency or raise max_retries, and run again.",
}

Item = TypeVar("Item")
Result = TypeVar("Result")
ChatMessage = dict[str, Any]  # role, and content: a text, or parts as the protocol has them


@dataclass
class Usage:
    """What was asked and spent, for replies kept from an earlier run too."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    kept: int = 0  # replies that a rerun does not ask for again

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def note(self) -> str:
        """For a progress note; empty where nothing was spent."""
        if not self.requests:
            return ""
        return f", {self.requests:,} requests, {self.prompt_tokens:,} + {self.completion_tokens:,} tokens"


class ChatEndpoint:
    """Holds the settings and what was spent; ``pause_s`` is the first pause between two attempts.

    Args:
        log: replies that need not be asked for; new ones go there too.
    """

    def __init__(self, settings: EndpointSettings, *, log: ReplyLog | None = None, pause_s: float = 1.0):
        self._settings, self._log, self._pause_s = settings, log, pause_s
        self._url = f"{settings.base_url.rstrip('/')}/chat/completions"
        self._client: httpx.AsyncClient | None = None
        self._num_asked = self._num_replies = self._num_refused = 0  # refused: of the first only
        self.usage = Usage()
        for reply in log.replies() if log is not None else []:
            self.usage.requests += 1
            self._take(reply)

    def work_through(self, work: Callable[[Item], Awaitable[Result]], items: Sequence[Item]) -> list[Result]:
        """Results in the order of the items, at most ``concurrency`` of them at work at once.

        ``work`` may call ``complete``. The first failure ends the rest and is raised as it is. Blocks.
        """
        return asyncio.run(self._work_through(work, items)) if items else []

    async def complete(
        self, messages: Sequence[ChatMessage], *, temperature: float, seed: int, max_tokens: int = 0
    ) -> Reply:
        """One reply. Raises EndpointError; RequestRefusedError where only this request is at fault."""
        body: dict[str, Any] = {
            "model": self._settings.model,
            "temperature": temperature,
            "seed": seed % 2**31,
            "messages": list(messages),
        }
        if max_tokens:
            body["max_tokens"] = max_tokens
        if self._log is not None and (known := self._log.find(body)):
            return known
        reply = await self._ask(body)
        if self._log is not None:
            self._log.record(body, reply)
        self._take(reply)
        return reply

    async def _ask(self, body: dict[str, Any]) -> Reply:
        attempts = AsyncRetrying(
            stop=stop_after_attempt(self._settings.max_retries + 1),
            wait=wait_random_exponential(multiplier=self._pause_s, max=LONGEST_PAUSE_S),
            retry=retry_if_exception(_is_transient),
            reraise=True,
        )
        self._num_asked += 1
        is_first = self._num_asked <= FIRST_REQUESTS
        try:
            return await attempts(self._request, body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            explained = self._explain(error, attempts.statistics.get("attempt_number", 1))
            if isinstance(explained, RequestRefusedError) and is_first:
                self._num_refused += 1
                if self._num_refused == FIRST_REQUESTS and not self._num_replies:
                    explained = _of_all_requests(explained)
            raise explained from error

    async def _work_through(self, work: Callable[[Item], Awaitable[Result]], items: Sequence[Item]) -> list[Result]:
        gate = asyncio.Semaphore(self._settings.concurrency)

        async def gated(item: Item) -> Result:
            async with gate:
                return await work(item)

        limits = httpx.Limits(max_connections=self._settings.concurrency)
        async with httpx.AsyncClient(headers=self._headers(), timeout=None, limits=limits) as client:
            self._client = client
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(gated(item)) for item in items]
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from failures
            finally:
                self._client = None
        return [task.result() for task in tasks]

    def _headers(self) -> dict[str, str]:
        """Raises EndpointError for a key that no header can hold; the key itself is never shown."""
        name = self._settings.api_key_variable
        key = os.environ.get(name, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise EndpointError(
                f"The key in {name} holds characters that no HTTP header can hold.",
                where=self._settings.base_url,
                next_step=f"Set {name} to the key alone, and run again.",
            )
        return {"Authorization": f"Bearer {key}"} if key else {}

    def _take(self, reply: Reply) -> None:
        """Count a reply that came, or that came in an earlier run."""
        self._num_replies += 1
        self.usage.prompt_tokens += reply.prompt_tokens
        self.usage.completion_tokens += reply.completion_tokens
        self.usage.kept = len(self._log) if self._log is not None else 0

    async def _request(self, body: dict[str, Any]) -> Reply:
        assert self._client is not None, "complete is called by what work_through runs"
        self.usage.requests += 1
        try:
            # The client's own limits hold for each read alone, which a reply byte by byte never runs into.
            async with asyncio.timeout(self._settings.timeout_s):
                response = await self._client.post(self._url, json=body)
        except TimeoutError as error:
            raise httpx.TimeoutException("the request ran out of time") from error
        response.raise_for_status()
        try:
            data = load_json(response.content.decode("utf-8-sig", "replace"), mend_halves=True)
            choice = data["choices"][0]
            text = choice["message"].get("content") or ""
            if not isinstance(text, str):
                raise TypeError("content is no text")
            spent = data.get("usage") or {}
            tokens = (int(spent.get(f"{part}_tokens") or 0) for part in ("prompt", "completion"))
            return Reply(text, choice.get("finish_reason") == "length", *tokens)
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
            raise EndpointError(
                f"The endpoint's reply is no chat completion: {response.text[:SHOWN_CHARACTERS]!r}",
                where=self._settings.base_url,
                next_step="Check that base_url ends where /chat/completions begins, usually in /v1.",
            ) from error

    def _explain(self, error: Exception, num_attempts: int) -> EndpointError:
        told = f"{type(error).__name__}: {error}".rstrip(": ")
        kind = EndpointAwayError if _is_transient(error) else EndpointError
        remedy = "Start the endpoint, or correct base_url, and run again."
        if isinstance(error, httpx.HTTPStatusError):
            status = error.response.status_code
            told = f"HTTP {status}: {error.response.text[:SHOWN_CHARACTERS]}"
            kind = RequestRefusedError if status in REFUSED_STATUS else kind
            remedy = REMEDIES.get(status, "Look at the endpoint's own log for the cause, and run again.")
        elif isinstance(error, httpx.TimeoutException):
            told = f"no whole answer within {self._settings.timeout_s:g} s"
            remedy = "Check that the endpoint works, or raise timeout_s or lower concurrency, and run again."
        return kind(
            f"The endpoint fails after {num_attempts} attempt{'s' * (num_attempts > 1)}: {told}",
            where=self._settings.base_url,
            next_step=remedy.format(key=self._settings.api_key_variable),
        )


def _of_all_requests(error: RequestRefusedError) -> EndpointError:
    """What one refusal is after as many as leave no doubt."""
    what = f"The endpoint refuses each of its first {FIRST_REQUESTS} requests. {error.what}"
    return EndpointError(what, where=error.where, next_step=error.next_step)


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code in RETRIED_STATUS
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)
