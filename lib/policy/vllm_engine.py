"""Samples with vLLM servers: chooses one for each episode, sends new weights to all, starts lost ones again.

A server keeps what it has computed of a conversation by its tokens, so an episode stays with one server and its next
turn finds its cache there. A turn that was sent has a deadline: a server that does not answer is asked for one token,
and one that cannot give it is started again and gets the current weights before it samples.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from lib.errors import EngineError, PolicyError
from lib.policy.engine import Completion, SampleRequest
from lib.policy.precision import dtype_of
from lib.policy.vllm_client import ServerAwayError, VllmClient
from lib.policy.vllm_server import VllmServer
from lib.policy.weight_file import WeightFile, read_weights, write_weight_file
from lib.settings.policy import VllmEngineSettings
from lib.workers.job_folders import SHARED_MEMORY, make_job_folder
from lib.workers.process_tree import MARKER

logger = logging.getLogger("ropewalk.vllm")

# Attempts at one turn: the second after the server was found alive or started again.
ATTEMPTS = 3
ALIVE_WITHIN_S = 20.0  # for one token, beside whatever the server has to do
SHARED_POLL_S = 0.2

Answer = TypeVar("Answer")


class VllmEngine:
    """See lib.policy.engine.Engine. Use as a context manager, or close it: it owns processes.

    Args:
        checkpoint: what servers of our own start with; servers that run already get its weights with the first update.
        logs: folder for the servers' output.
        gpu: the device of servers of our own; None leaves all visible.
        leads: whether this process sends weights to servers that run already; others share them.
    """

    lane = None  # servers compute in processes of their own

    def __init__(
        self,
        checkpoint: Path,
        settings: VllmEngineSettings,
        *,
        logs: Path,
        gpu: str | None = None,
        leads: bool = True,
    ):
        self._settings = settings
        self._sends = leads or not settings.urls
        logs.mkdir(parents=True, exist_ok=True)
        self._folder = make_job_folder("weights", within=_folder_for_weights(settings, checkpoint, logs))
        self._own: dict[VllmClient, VllmServer] = {}
        self._clients: list[VllmClient] = []
        self._server_of: dict[str, VllmClient] = {}
        self._load: Counter[VllmClient] = Counter()
        self._repairs: dict[VllmClient, asyncio.Task[None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._locks: dict[VllmClient, asyncio.Lock] = {}
        self._weights: WeightFile | None = None
        self._newest = 0  # version of the weights that were sent last, and that a server may have already
        self.policy_version = 0  # of those that every server has
        try:
            self._open_servers(checkpoint, logs, gpu)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> VllmEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Of the servers that this engine has started."""
        return [server.pid for server in self._own.values() if server.pid]

    @property
    def starts(self) -> list[int]:
        """How often each of them was started."""
        return [server.num_starts for server in self._own.values()]

    def close(self) -> None:
        """End the servers that this engine has started."""
        for server in self._own.values():
            server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], *, version: int, probe: Sequence[int] = ()
    ) -> list[list[float]]:
        """See TrainedEngine. Of processes that share servers one sends, and the others wait until it has."""
        before, self._newest = self._weights, version
        if self._sends:
            dtype = dtype_of(self._settings.precision)
            # In a thread: the loop has turns and tools to serve while gigabytes are written.
            self._weights = await asyncio.to_thread(
                write_weight_file, weights, self._folder, version=version, dtype=dtype
            )
        await asyncio.gather(*[self._bring_up_to_date(client) for client in self._clients])
        self.policy_version = version
        if before is not None and before.path != self._weights.path:
            before.path.unlink(missing_ok=True)
        return [await self._probe(client, list(probe)) for client in self._clients] if probe else []

    async def sample(self, request: SampleRequest) -> Completion:
        """See Engine. Raises EngineError when no server can sample any more."""
        if len(request.prompt) >= self._settings.max_tokens:
            raise PolicyError(
                f"a conversation of {len(request.prompt)} tokens does not fit the engine's {self._settings.max_tokens}",
                next_step="raise engine.max_tokens or lower environment.max_turns",
            )
        if request.images:
            raise PolicyError(
                "the vLLM engine takes no images", next_step="set engine.type=transformers for a run with images"
            )
        client = self._server_of.get(request.session) or self._choose(request.session)

        async def turn() -> Completion:
            return await client.generate(request, timeout_s=self._settings.turn_timeout_s)

        completion = await self._ask(client, turn)
        if completion.policy_version > self._newest:
            raise EngineError(
                f"The server samples with version {completion.policy_version} of the weights, and no version above "
                f"{self._newest} was sent.",
                where=str(client.address),
                next_step="make sure that no other run sends weights to this server, and run again",
            )
        return completion

    def release(self, session: str) -> None:
        """A turn that is being sampled ends with its caller's task: the server sees that nobody listens any more."""
        client = self._server_of.pop(session, None)
        if client is not None:
            self._load[client] -= 1

    def _choose(self, session: str) -> VllmClient:
        client = min(self._clients, key=lambda client: self._load[client])
        self._server_of[session] = client
        self._load[client] += 1
        return client

    async def _probe(self, client: VllmClient, tokens: list[int]) -> list[float]:
        async def ask() -> list[float]:
            return await client.logprobs(tokens, timeout_s=self._settings.turn_timeout_s)

        return await self._ask(client, ask)

    async def _ask(self, client: VllmClient, question: Callable[[], Awaitable[Answer]]) -> Answer:
        """The server's answer, asked for again after it was repaired. Raises PolicyError when it never comes."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await question()
            except ServerAwayError as error:
                logger.warning("%s: %s", client.address, error)
                if attempt == ATTEMPTS:
                    raise PolicyError(
                        f"the server was asked {ATTEMPTS} times and never answered: {error}",
                        where=str(client.address),
                        next_step="raise engine.turn_timeout_s if turns take that long",
                    ) from error
                with contextlib.suppress(ServerAwayError):  # asked again, it is repaired again
                    await self._repaired(client)
        raise AssertionError("every attempt returns or raises")

    async def _repaired(self, client: VllmClient) -> None:
        """Returns once the server samples again; all who wait for it wait for one repair."""
        if client not in self._repairs:
            self._repairs[client] = asyncio.create_task(self._repair(client))
            self._repairs[client].add_done_callback(lambda _: self._repairs.pop(client, None))
        await asyncio.shield(self._repairs[client])

    async def _repair(self, client: VllmClient) -> None:
        """Start it again if need be, and give it the weights that were sent last."""
        async with self._lock_of(client):
            version = await client.find_version(timeout_s=ALIVE_WITHIN_S)
            if version == self._newest:
                return
            if version is None:
                await self._revive(client)
            await self._load_last(client)

    async def _revive(self, client: VllmClient) -> None:
        server = self._own.get(client)
        if server is None:
            await self._await_given(client)
        elif server.num_starts > self._settings.restarts:
            raise EngineError(
                f"The vLLM server was started {server.num_starts} times and does not sample.",
                where=str(client.address),
                next_step="look into its log, in the job's folder; then run again, or set engine.type=transformers",
            )
        else:
            logger.warning("the vLLM server is started again")
            await asyncio.to_thread(server.stop)
            server.start()  # in this thread, with which it would end
            await asyncio.to_thread(server.wait)

    async def _await_given(self, client: VllmClient) -> None:
        """Somebody else starts that server; it has as long for it as one of ours."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.start_timeout_s):
                while await client.find_version(timeout_s=ALIVE_WITHIN_S) is None:
                    with contextlib.suppress(ServerAwayError):  # a load that was cut off leaves it paused
                        await client.resume(timeout_s=ALIVE_WITHIN_S)
                    await asyncio.sleep(1.0)
                return
        raise EngineError(
            f"The vLLM server has not answered for {self._settings.start_timeout_s:g} s.",
            where=str(client.address),
            next_step="start it again, or take it out of engine.urls, and run again",
        )

    async def _bring_up_to_date(self, client: VllmClient) -> None:
        """A server that fails in the middle of it may hold anything: it is revived, and then has the weights."""
        async with self._lock_of(client):
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await self._load_last(client)
                except ServerAwayError as error:
                    logger.warning("%s: %s", client.address, error)
                    if attempt == ATTEMPTS:
                        raise EngineError(
                            f"The server does not take new weights over: {error}",
                            where=str(client.address),
                            next_step="look into its log, in the job's folder, and run again",
                        ) from error
                    if await client.find_version(timeout_s=ALIVE_WITHIN_S) is None:
                        await self._revive(client)

    async def _load_last(self, client: VllmClient) -> None:
        """The weights that were sent last; a process that shares servers with others waits until they are there."""
        timeout_s = self._settings.update_timeout_s
        if self._weights is not None:
            await client.load(self._weights, timeout_s=timeout_s)
        elif self._sends:
            await client.name_version(self._newest, timeout_s=timeout_s)  # those that it was started with
        else:
            await self._await_version(client, timeout_s)

    async def _await_version(self, client: VllmClient, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while await client.find_version(timeout_s=ALIVE_WITHIN_S) != self._newest:
            if time.monotonic() > deadline:
                raise ServerAwayError(f"version {self._newest} of the weights has not come within {timeout_s:g} s")
            await asyncio.sleep(SHARED_POLL_S)

    def _lock_of(self, client: VllmClient) -> asyncio.Lock:
        """One repair or load of a server at a time; locks belong to an event loop."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._locks, self._repairs = loop, {}, {}
        return self._locks.setdefault(client, asyncio.Lock())

    def _open_servers(self, checkpoint: Path, logs: Path, gpu: str | None) -> None:
        wanted = self._settings
        run = os.environ.get(MARKER) or uuid.uuid4().hex  # all ranks of a job name versions alike
        for url in wanted.urls:
            self._clients.append(VllmClient(url, run=run, max_requests=wanted.max_concurrent))
        for number in range(0 if wanted.urls else wanted.servers):
            server = VllmServer(checkpoint, wanted, log=logs / f"vllm-{number}.log", gpu=gpu)
            client = VllmClient(server.socket, run=run, max_requests=wanted.max_concurrent)
            self._own[client] = server
            self._clients.append(client)
            server.start()
        for server in self._own.values():
            server.wait()

        if wanted.urls:  # they may hold anything
            asyncio.run(self.update_weights(read_weights(checkpoint), version=0))
        else:
            asyncio.run(self._name_first_version())

    async def _name_first_version(self) -> None:
        await asyncio.gather(*[self._bring_up_to_date(client) for client in self._clients])


def _folder_for_weights(settings: VllmEngineSettings, checkpoint: Path, logs: Path) -> Path:
    """Shared memory where servers of our own can read it and it holds two versions; else a folder on a disk."""
    if settings.weights_folder:
        folder = Path(settings.weights_folder).expanduser()
        if not folder.is_dir():
            raise EngineError(
                "The folder for weights on their way to the servers is not there.",
                where=str(folder),
                next_step="make it, where both this machine and the servers see it, or set engine.weights_folder",
            )
        return folder
    if settings.urls or not SHARED_MEMORY.is_dir():
        return logs
    size = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors"))
    return SHARED_MEMORY if shutil.disk_usage(SHARED_MEMORY).free > 4 * size else logs
