"""What is said to one vLLM server over HTTP, and how its answers are read.

In: token ids, weight files. Out: completions, or an error that says whether asking again may help. Nothing here
starts, restarts or chooses servers.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx

from lib.errors import EngineError, PolicyError
from lib.policy.engine import Completion, Finish, SampleRequest
from lib.policy.weight_file import WeightFile

SHOWN_CHARACTERS = 300  # of an answer that cannot be read
CONNECT_TIMEOUT_S = 5.0
UNKNOWN = -1  # version of weights that nobody has sent
LOADING = "loading"  # what the server calls weights that are on their way


class ServerAwayError(Exception):
    """The server does not answer, or not in time; it may after a while, or once it is started again."""


class VllmClient:
    """One server's address; usable from one event loop after another.

    Args:
        address: http://host:port, or the path of a Unix socket.
        run: whose weights the server is to have; versions count within a run.
        max_requests: sent at once; further ones wait here.
    """

    def __init__(self, address: str | Path, *, run: str, max_requests: int):
        self.address = address
        self._run = run
        self._max_requests = max_requests
        self._loop: asyncio.AbstractEventLoop | None = None
        self._http: httpx.AsyncClient | None = None
        self._gate = asyncio.Semaphore(max_requests)

    async def generate(self, request: SampleRequest, *, timeout_s: float) -> Completion:
        """One turn. Raises ServerAwayError, or PolicyError for a request that the server refuses.

        The request's seed plays no part: on a CPU vLLM's engine dies of a seeded request whose prompt it computes in
        parts, and which requests share a pass decides on what is sampled anyhow.
        """
        sampling = {
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_new_tokens,
            "stop_token_ids": sorted(token for token in request.stop_tokens if token >= 0),
            "ignore_eos": True,  # the stop tokens are the request's, not those of the model's own config
            "logprobs": 0,
            "detokenize": False,
        }
        body = {"token_ids": request.prompt, "sampling_params": sampling}
        async with self._gate_of_this_loop():
            reply = await self._post("/inference/v1/generate", body, timeout_s=timeout_s)
        return self._read_completion(reply)

    async def logprobs(self, tokens: list[int], *, timeout_s: float) -> list[float]:
        """Log-probabilities of all tokens but the first, in nats, under the weights that the server has."""
        sampling = {"temperature": 1.0, "max_tokens": 1, "prompt_logprobs": 0, "detokenize": False}
        reply = await self._post(
            "/inference/v1/generate", {"token_ids": tokens, "sampling_params": sampling}, timeout_s=timeout_s
        )
        try:
            rows = zip(reply["prompt_logprobs"][1:], tokens[1:], strict=True)
            return [row[str(token)]["logprob"] for row, token in rows]
        except (LookupError, TypeError, ValueError) as error:
            raise _unreadable(reply, self.address) from error

    async def load(self, file: WeightFile, *, timeout_s: float) -> None:
        """Have the server take the weights over, with nothing kept of the old ones; requests wait meanwhile.

        Raises ServerAwayError, or EngineError where the server found them wrong.
        """
        await self._post("/pause?mode=keep", {}, timeout_s=timeout_s)
        before = (await self._request("GET", "/weight_info", timeout_s=timeout_s))["weight_version"]
        # A load that is cut off may leave anything: what is sampled until the next one is no version's.
        await self._name(LOADING, timeout_s=timeout_s)
        call = {"method": "load_weight_file", "kwargs": {"path": str(file.path), "digest": file.digest}}
        found = (await self._post("/collective_rpc", call, timeout_s=timeout_s))["results"]
        if any("wrong" in one for one in found):  # it stays paused: nobody may sample with such weights
            raise self._not_taken(file, next(one["wrong"] for one in found if "wrong" in one))
        if any("refused" in one for one in found):
            await self._name(before, timeout_s=timeout_s)
            await self.resume(timeout_s=timeout_s)
            raise self._not_taken(file, next(one["refused"] for one in found if "refused" in one))
        # What is kept of prompts was computed with the old weights; turns that have begun are computed again.
        reset = await self._post("/reset_prefix_cache?reset_running_requests=true", {}, timeout_s=timeout_s)
        if not reset.get("success", True):
            raise self._not_taken(file, "what it keeps of prompts could not be dropped")
        await self.name_version(file.version, timeout_s=timeout_s)
        await self.resume(timeout_s=timeout_s)

    async def name_version(self, version: int, *, timeout_s: float) -> None:
        """Say which version the server's weights are; it says so of every token."""
        await self._name(f"{self._run}:{version}", timeout_s=timeout_s)

    async def _name(self, label: str, *, timeout_s: float) -> None:
        await self._post("/update_weight_version", {"new_version": label}, timeout_s=timeout_s)

    def _not_taken(self, file: WeightFile, reason: str) -> EngineError:
        return EngineError(
            f"The server did not take version {file.version} of the weights over: {reason}.",
            where=f"{self.address}, {file.path}",
            next_step="look at the disk, or at the memory, that the weights went through, and run again",
        )

    async def find_version(self, *, timeout_s: float) -> int | None:
        """Which version it samples with; None where it does not sample: that the process answers is not enough."""
        try:
            await self.logprobs([1, 1], timeout_s=timeout_s)
            reply = await self._request("GET", "/weight_info", timeout_s=timeout_s)
            return self._number_of(reply["weight_version"])
        except (ServerAwayError, EngineError, PolicyError, LookupError):
            return None

    async def resume(self, *, timeout_s: float) -> None:
        """Go on sampling after a load that was never finished."""
        await self._post("/resume", {}, timeout_s=timeout_s)

    async def _post(self, path: str, body: dict[str, object], *, timeout_s: float) -> dict:
        return await self._request("POST", path, timeout_s=timeout_s, json=body)

    async def _request(self, method: str, path: str, *, timeout_s: float, **content: object) -> dict:
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._client().request(method, path, **content)
        except TimeoutError as error:
            raise ServerAwayError(f"no answer to {path} within {timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise ServerAwayError(f"{type(error).__name__} at {path}: {error}") from error
        if reply.status_code in (400, 404, 413, 422):
            raise PolicyError(
                f"The vLLM server refuses a request: {reply.text[:SHOWN_CHARACTERS]}",
                where=f"{self.address}{path}",
                next_step="compare engine.max_tokens and the server's options (docs/learning.md)",
            )
        if not reply.is_success:
            raise ServerAwayError(f"HTTP {reply.status_code} at {path}: {reply.text[:SHOWN_CHARACTERS]}")
        if not reply.content:
            return {}
        try:
            return reply.json()
        except json.JSONDecodeError as error:
            raise _unreadable(reply.text, self.address) from error

    def _client(self) -> httpx.AsyncClient:
        self._enter_loop()
        return self._http

    def _gate_of_this_loop(self) -> asyncio.Semaphore:
        self._enter_loop()
        return self._gate

    def _enter_loop(self) -> None:
        """Connections belong to an event loop; none outlives its request, so that nothing is left of an earlier one."""
        loop = asyncio.get_running_loop()
        if loop is self._loop:
            return
        uds = str(self.address) if isinstance(self.address, Path) else None
        transport = httpx.AsyncHTTPTransport(
            uds=uds, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0)
        )
        self._http = httpx.AsyncClient(
            transport=transport,
            base_url="http://vllm" if uds else str(self.address),
            timeout=httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        )
        self._loop, self._gate = loop, asyncio.Semaphore(self._max_requests)

    def _read_completion(self, reply: dict) -> Completion:
        try:
            (choice,) = reply["choices"]
            tokens = choice["token_ids"]
            logprobs = [entry["logprob"] for entry in choice["logprobs"]["content"]]
            labels = [str(span["version"]) for span in choice["weight_versions"] or []]
            finish = choice["finish_reason"]
        except (LookupError, TypeError, ValueError) as error:
            raise _unreadable(reply, self.address) from error
        if finish not in tuple(Finish) or not tokens:
            raise ServerAwayError(f"the turn was cut off: {finish}")
        if len(tokens) != len(logprobs) or not labels:
            raise _unreadable(reply, self.address)
        versions = [self._number_of(label) for label in labels]
        if UNKNOWN in versions:
            label = labels[versions.index(UNKNOWN)]
            if ":" not in label:
                raise ServerAwayError("its weights are none that were sent: it was started again, or not all have come")
            raise EngineError(
                f"Another run has sent its weights to the server while this one sampled: {label}.",
                where=str(self.address),
                kept="the steps before; no turn of other weights was trained on",
                next_step="give every run servers of its own (engine.urls), and run again",
            )
        return Completion(tokens, logprobs, Finish(finish), versions[0])

    def _number_of(self, label: str) -> int:
        """The version that this run has sent; servers begin with a name of their own, and other runs have theirs."""
        run, _, version = label.rpartition(":")
        return int(version) if run == self._run and version.isdecimal() else UNKNOWN


def _unreadable(reply: object, address: str | Path) -> EngineError:
    shown = reply if isinstance(reply, str) else json.dumps(reply)
    return EngineError(
        f"The vLLM server's answer cannot be read: {shown[:SHOWN_CHARACTERS]}",
        where=str(address),
        next_step="start it as docs/learning.md says, in the version that `make vllm` installs",
    )
