"""Samples with vLLM servers: chooses one for each episode, sends new weights to all, starts lost ones again.

A server keeps what it has computed of a conversation by its tokens, so an episode stays with one server and its next
turn finds its cache there. No turn waits without a deadline: a server that does not answer is asked for one token,
and one that cannot give it is started again and gets the current weights before it samples.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from lib.errors import EngineError, PolicyError
from lib.policy.engine import Completion, SampleRequest
from lib.policy.precision import DTYPES
from lib.policy.vllm_client import ServerAwayError, VllmClient
from lib.policy.vllm_server import VllmServer
from lib.policy.weight_file import WeightFile, read_weights, write_weight_file
from lib.settings.policy import VllmEngineSettings
from lib.workers.job_folders import SHARED_MEMORY, make_job_folder

logger = logging.getLogger("ropewalk.vllm")

# Attempts at one turn: the second after the server was found alive or started again.
ATTEMPTS = 3
ALIVE_WITHIN_S = 20.0  # for one token, behind whatever the server has to do


class VllmEngine:
    """See lib.policy.engine.Engine. Use as a context manager, or close it: it owns processes.

    Args:
        checkpoint: what servers of our own start with; servers that run already get its weights with the first update.
        logs: folder for the servers' output.
        gpu: the device of servers of our own; None leaves all visible.
        leads: whether this process sends weights to servers that run already; others share them.
    """

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
        self._weights: WeightFile | None = None
        self.policy_version = 0
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

    def close(self) -> None:
        """End the servers that this engine has started."""
        for server in self._own.values():
            server.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def update_weights(
        self, weights: Iterable[tuple[str, torch.Tensor]], *, version: int, probe: Sequence[int] = ()
    ) -> list[list[float]]:
        """See TrainedEngine. Of processes that share servers one sends; the others must wait for it by themselves."""
        if self._sends:
            before = self._weights
            self._weights = write_weight_file(
                weights, self._folder, version=version, dtype=DTYPES[self._settings.precision]
            )
            await asyncio.gather(*[self._load_into(client) for client in self._clients])
            if before is not None and before.path != self._weights.path:
                before.path.unlink(missing_ok=True)
        self.policy_version = version
        if not probe:
            return []
        wait = self._settings.turn_timeout_s
        return await asyncio.gather(*[client.logprobs(list(probe), timeout_s=wait) for client in self._clients])

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
        for attempt in range(ATTEMPTS):
            try:
                completion = await client.generate(request, timeout_s=self._settings.turn_timeout_s)
            except ServerAwayError as error:
                logger.warning("%s: %s", client.address, error)
                if attempt + 1 == ATTEMPTS:
                    raise PolicyError(
                        f"a turn was asked for {ATTEMPTS} times and never came: {error}",
                        where=str(client.address),
                        next_step="raise engine.turn_timeout_s if turns take that long",
                    ) from error
                await self._repaired(client)
            else:
                self._check_version(completion, client)
                return completion
        raise AssertionError("every attempt returns or raises")

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

    def _check_version(self, completion: Completion, client: VllmClient) -> None:
        """A turn of weights that nobody sent is no turn of this policy."""
        if completion.policy_version > self.policy_version:
            raise EngineError(
                f"The server samples with version {completion.policy_version} of the weights, and version "
                f"{self.policy_version} was sent.",
                where=str(client.address),
                next_step="make sure that no other run sends weights to this server, and run again",
            )

    async def _repaired(self, client: VllmClient) -> None:
        """Returns once the server samples again; all who wait for it wait for one repair."""
        if client not in self._repairs:
            self._repairs[client] = asyncio.create_task(self._repair(client))
            self._repairs[client].add_done_callback(lambda _: self._repairs.pop(client, None))
        await asyncio.shield(self._repairs[client])

    async def _repair(self, client: VllmClient) -> None:
        version = await client.find_version(timeout_s=ALIVE_WITHIN_S)
        if version == self.policy_version:
            return
        server = self._own.get(client)
        if version is not None:
            logger.warning("%s has other weights than were sent, and gets them again", client.address)
        elif server is None:
            await self._await_given(client)
        elif server.num_starts > self._settings.restarts:
            raise EngineError(
                f"The vLLM server was started {server.num_starts} times and does not sample.",
                where=str(client.address),
                next_step="look into its log, in the job's folder; then run again, or set engine.type=transformers",
            )
        else:
            logger.warning("the vLLM server is started again")
            server.stop()
            server.start()  # in this thread, with which it would end
            await asyncio.to_thread(server.wait)
        await self._bring_up_to_date(client)

    async def _await_given(self, client: VllmClient) -> None:
        """Somebody else starts that server; it has as long for it as one of ours."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.start_timeout_s):
                while await client.find_version(timeout_s=ALIVE_WITHIN_S) is None:
                    await asyncio.sleep(1.0)
                return
        raise EngineError(
            f"The vLLM server has not answered for {self._settings.start_timeout_s:g} s.",
            where=str(client.address),
            next_step="start it again, or take it out of engine.urls, and run again",
        )

    async def _load_into(self, client: VllmClient) -> None:
        """A server that fails in the middle of it may hold anything: it is repaired, and then has the weights."""
        try:
            await client.load(self._weights, timeout_s=self._settings.update_timeout_s)
        except ServerAwayError as error:
            logger.warning("%s: %s", client.address, error)
            await self._repair(client)
            await self._bring_up_to_date(client)

    async def _bring_up_to_date(self, client: VllmClient) -> None:
        try:
            if self._weights is not None:
                await client.load(self._weights, timeout_s=self._settings.update_timeout_s)
            else:
                await client.name_version(0, timeout_s=self._settings.update_timeout_s)
        except ServerAwayError as error:
            raise EngineError(
                f"The server does not take new weights over: {error}",
                where=str(client.address),
                next_step="look into its log, in the job's folder, and run again",
            ) from error

    def _open_servers(self, checkpoint: Path, logs: Path, gpu: str | None) -> None:
        wanted = self._settings
        for url in wanted.urls:
            self._clients.append(VllmClient(url.rstrip("/"), max_requests=2 * wanted.max_concurrent))
        for number in range(0 if wanted.urls else wanted.servers):
            server = VllmServer(checkpoint, wanted, log=logs / f"vllm-{number}.log", gpu=gpu)
            client = VllmClient(server.socket, max_requests=2 * wanted.max_concurrent)
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
        return Path(settings.weights_folder).expanduser()
    if settings.urls or not SHARED_MEMORY.is_dir():
        return logs
    size = sum(file.stat().st_size for file in checkpoint.glob("*.safetensors"))
    return SHARED_MEMORY if shutil.disk_usage(SHARED_MEMORY).free > 4 * size else logs
