"""The engine over real vLLM servers; skipped where `make vllm` has not installed them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
import time

import httpx
import psutil
import pytest
import torch

from lib.errors import EngineError, PolicyError
from lib.policy.engine import Finish, SampleRequest
from lib.policy.load import load_model
from lib.policy.vllm_client import ServerAwayError
from lib.policy.vllm_engine import VllmEngine
from lib.policy.vllm_server import EXTENSION, REPOSITORY
from lib.policy.weight_file import write_weight_file
from lib.settings.policy import VllmEngineSettings
from lib.workers.launch import free_port
from lib.workers.process_tree import MARKER
from tests.leftovers import lives, shared_memory
from tests.served import wait

PYTHON = os.environ.get("ROPEWALK_VLLM_PYTHON", VllmEngineSettings(type="vllm").python)
pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("training"),  # servers and trainers take all cores there are
    pytest.mark.skipif(not (REPOSITORY / PYTHON).is_file(), reason="no vLLM: run `make vllm`"),
]
NO_STOP = frozenset({-1})
MAX_TOKENS = 8000
LONG = 1900  # a turn that takes some seconds
CLOSE = 1e-4  # nats, in float32


def settings(**changed):
    values = {"type": "vllm", "python": PYTHON, "max_concurrent": 16, "max_tokens": MAX_TOKENS, "precision": "float32"}
    return VllmEngineSettings(**values | {"turn_timeout_s": 60, "update_timeout_s": 60} | changed)


@pytest.fixture(scope="module")
def engine(world_policy, tmp_path_factory):
    with VllmEngine(world_policy / "checkpoint", settings(), logs=tmp_path_factory.mktemp("vllm")) as engine:
        yield engine


@pytest.fixture
def model(world_policy):
    return load_model(world_policy / "checkpoint")


def changed(world_policy, factor):
    model = load_model(world_policy / "checkpoint")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(factor)
    return model


def request(session, prompt, *, new=12, temperature=1.0, stop=NO_STOP, seed=0, top_p=1.0):
    return SampleRequest(session, prompt, new, temperature, top_p, stop, seed)


def prompt_of(length, seed=0):
    return torch.randint(3, 300, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


def sample_all(engine, requests):
    async def run():
        return await asyncio.gather(*[engine.sample(r) for r in requests])

    return asyncio.run(run())


def full_logprobs(model, tokens, count):
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].float().log_softmax(-1)
    return logits[-count - 1 : -1].gather(1, torch.tensor(tokens[-count:])[:, None])[:, 0]


def gap(completion, prompt, model):
    expected = full_logprobs(model, prompt + completion.tokens, len(completion.tokens))
    return (torch.tensor(completion.logprobs) - expected).abs().max().item()


def test_logprobs_over_two_turns_are_those_of_a_full_pass(engine, model):
    asyncio.run(engine.update_weights(model.named_parameters(remove_duplicate=False), version=0))

    async def two_turns(number):
        prompt = prompt_of(20 + number, seed=number)
        first = await engine.sample(request(f"s{number}", prompt, seed=1))
        longer = prompt + first.tokens + [5, 6, 7]
        second = await engine.sample(request(f"s{number}", longer, seed=2))
        engine.release(f"s{number}")
        return [(first, prompt), (second, longer)]

    async def run():
        return await asyncio.gather(*[two_turns(number) for number in range(16)])

    for turns in asyncio.run(run()):
        for completion, prompt in turns:
            assert gap(completion, prompt, model) < CLOSE
            assert completion.policy_version == 0


def test_greedy_tokens_are_those_of_generate(engine, model):
    asyncio.run(engine.update_weights(model.named_parameters(remove_duplicate=False), version=0))
    prompt = prompt_of(30)
    output = model.generate(
        torch.tensor([prompt]), max_new_tokens=12, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    (completion,) = sample_all(engine, [request("g", prompt, temperature=0.0)])
    assert completion.tokens == output[0, len(prompt) :].tolist()
    assert gap(completion, prompt, model) < CLOSE


def test_a_turn_ends_on_its_stop_token_or_at_its_length(engine):
    prompt = prompt_of(30)
    (free,) = sample_all(engine, [request("a", prompt, temperature=0.0)])
    assert free.finish is Finish.LENGTH
    (stopped,) = sample_all(engine, [request("b", prompt, temperature=0.0, stop=frozenset({free.tokens[5]}))])
    assert stopped.finish is Finish.STOP
    assert stopped.tokens == free.tokens[: free.tokens.index(free.tokens[5]) + 1]


def test_new_weights_reach_the_tied_head_and_drop_what_was_kept_of_prompts(engine, world_policy):
    prompt = prompt_of(300)  # longer than a block of the prefix cache
    before = changed(world_policy, 1.1)
    asyncio.run(engine.update_weights(before.named_parameters(remove_duplicate=False), version=1))
    (first,) = sample_all(engine, [request("a", prompt)])
    assert gap(first, prompt, before) < CLOSE
    after = changed(world_policy, 0.8)
    weights = after.named_parameters(remove_duplicate=False)
    (probed,) = asyncio.run(engine.update_weights(weights, version=2, probe=prompt))
    (second,) = sample_all(engine, [request("b", prompt)])
    assert second.policy_version == 2
    assert gap(second, prompt, after) < CLOSE < gap(second, prompt, before)
    assert torch.allclose(torch.tensor(probed), full_logprobs(after, prompt, len(prompt) - 1), atol=CLOSE)


def test_weights_that_change_in_the_middle_of_turns_change_what_follows_and_nothing_before(engine, world_policy):
    before, after = changed(world_policy, 1.0), changed(world_policy, 0.8)
    prompts = [prompt_of(20, seed) for seed in range(8)]

    async def run(version, seconds):
        await engine.update_weights(before.state_dict().items(), version=version)
        turns = [
            asyncio.create_task(engine.sample(request(f"m{i}", prompt, new=LONG))) for i, prompt in enumerate(prompts)
        ]
        await asyncio.sleep(seconds)
        await engine.update_weights(after.state_dict().items(), version=version + 1)
        return await asyncio.gather(*turns)

    changed_in_the_middle, all_old, seconds = 0, False, 0.5
    for attempt in range(10):  # how fast turns are is for the machine and its other work to say
        version = 10 + 2 * attempt
        for completion, prompt in zip(asyncio.run(run(version, seconds)), prompts, strict=True):
            tokens = prompt + completion.tokens
            own = torch.tensor(completion.logprobs)
            by_old, by_new = ((own - full_logprobs(m, tokens, LONG)).abs() < CLOSE for m in (before, after))
            num_old = int(by_old.long().cumprod(0).sum())
            assert by_new[num_old:].all()
            assert completion.policy_version == (version if num_old else version + 1)
            changed_in_the_middle += 0 < num_old < LONG
            all_old = num_old == LONG
        if changed_in_the_middle:
            break
        seconds = seconds / 2 if all_old else seconds * 2
    assert changed_in_the_middle
    assert engine.starts == [1]


def test_weights_of_other_bytes_than_announced_change_nothing(engine, world_policy, monkeypatch):
    right = changed(world_policy, 1.0)
    asyncio.run(engine.update_weights(right.named_parameters(remove_duplicate=False), version=33))
    from lib.policy import vllm_engine

    write = vllm_engine.write_weight_file

    def write_and_cut(*arguments, **named):
        file = write(*arguments, **named)
        with file.path.open("r+b") as opened:
            opened.truncate(file.path.stat().st_size // 2)
        return file

    monkeypatch.setattr(vllm_engine, "write_weight_file", write_and_cut)
    with pytest.raises(EngineError, match="did not take version 34"):
        asyncio.run(engine.update_weights(changed(world_policy, 1.2).state_dict().items(), version=34))
    prompt = prompt_of(40)
    (completion,) = sample_all(engine, [request("a", prompt)])
    assert completion.policy_version == 33
    assert gap(completion, prompt, right) < CLOSE


def test_what_is_sampled_after_a_load_that_was_cut_off_is_no_version_s(engine, world_policy, tmp_path, monkeypatch):
    """As where a server that somebody else started answers too late, and goes on before it has the weights again."""
    right = changed(world_policy, 1.0)
    asyncio.run(engine.update_weights(right.state_dict().items(), version=40))
    (client,) = engine._clients
    file = write_weight_file(changed(world_policy, 1.2).state_dict().items(), tmp_path, version=41, dtype=torch.float32)
    post = client._post

    async def post_and_lose_the_answer(path, body, **named):
        answer = await post(path, body, **named)
        if path == "/collective_rpc":
            raise ServerAwayError("the answer is lost")
        return answer

    async def sample_on():  # how long one turn takes is for the machine and its other work to say
        while True:
            await client.generate(request("held", prompt_of(20), new=MAX_TOKENS - 100), timeout_s=60)

    async def run():
        held = asyncio.create_task(sample_on())
        await until(lambda share: share > 0.5, engine)
        with monkeypatch.context() as patched, pytest.raises(ServerAwayError, match="lost"):
            patched.setattr(client, "_post", post_and_lose_the_answer)
            await client.load(file, timeout_s=60)
        assert not held.done()
        await client.resume(timeout_s=60)
        for turn in (held, client.generate(request("new", prompt_of(20)), timeout_s=60)):
            with pytest.raises(ServerAwayError, match="not all have come"):
                await turn
        await engine.update_weights(right.state_dict().items(), version=42)
        return await engine.sample(request("after", prompt_of(20)))

    completion = asyncio.run(run())
    assert completion.policy_version == 42
    assert gap(completion, prompt_of(20), right) < CLOSE


def test_a_conversation_that_does_not_fit_is_refused(engine):
    with pytest.raises(PolicyError, match="does not fit"):
        sample_all(engine, [request("a", prompt_of(MAX_TOKENS))])


def test_a_turn_that_is_cancelled_is_not_sampled_on(engine):
    async def run():
        turn = asyncio.create_task(engine.sample(request("long", prompt_of(20), new=MAX_TOKENS - 100)))
        await until(lambda share: share > 0.5, engine)
        turn.cancel()
        await asyncio.gather(turn, return_exceptions=True)
        started = time.monotonic()
        await until(lambda share: share < 0.2, engine)
        return time.monotonic() - started

    started = time.monotonic()
    sample_all(engine, [request("whole", prompt_of(20), new=MAX_TOKENS - 100)])
    assert asyncio.run(run()) < (time.monotonic() - started) / 2


async def until(holds, engine):
    """Wait for a share of a core that the servers take, within half a second."""
    processes = [one for pid in engine.pids for one in (psutil.Process(pid), *psutil.Process(pid).children(True))]
    async with asyncio.timeout(60):
        while True:
            before = sum(process.cpu_times().user for process in processes)
            await asyncio.sleep(0.5)
            if holds((sum(process.cpu_times().user for process in processes) - before) / 0.5):
                return


def test_a_server_that_is_killed_or_hangs_is_started_again_with_the_current_weights(world_policy, tmp_path):
    new, before = changed(world_policy, 0.9), shared_memory()
    wanted = settings(turn_timeout_s=15, update_timeout_s=20, restarts=3)
    with VllmEngine(world_policy / "checkpoint", wanted, logs=tmp_path) as engine:
        asyncio.run(engine.update_weights(new.named_parameters(remove_duplicate=False), version=5))
        for harm in (signal.SIGKILL, signal.SIGSTOP):
            (pid,) = engine.pids
            family = psutil.Process(pid).children(recursive=True)

            async def run(pid=pid, harm=harm):
                turns = [
                    asyncio.create_task(engine.sample(request(f"{harm}{i}", prompt_of(30, i), new=800)))
                    for i in range(8)
                ]
                await asyncio.sleep(0.1)
                # Only the server dies, and not what it has started; a hang is one of all of them.
                hung = [*psutil.Process(pid).children(recursive=True)] if harm is signal.SIGSTOP else []
                for process in [psutil.Process(pid), *hung]:
                    process.send_signal(harm)
                return await asyncio.gather(*turns)

            for number, completion in enumerate(asyncio.run(run())):
                assert completion.policy_version == 5
                assert gap(completion, prompt_of(30, number), new) < CLOSE
            if engine.pids == [pid]:  # a busy machine let this process wait until the turns were over
                asyncio.run(run())
            assert engine.pids != [pid]
            assert family and not any(map(lives, family))

        # One that hangs while it is to take weights over has them when it is there again.
        (pid,) = engine.pids
        for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            process.send_signal(signal.SIGSTOP)
        newer = changed(world_policy, 0.7)
        asyncio.run(engine.update_weights(newer.named_parameters(remove_duplicate=False), version=6))
        (completion,) = sample_all(engine, [request("after", prompt_of(30))])
        assert completion.policy_version == 6 and gap(completion, prompt_of(30), newer) < CLOSE
        assert engine.pids != [pid]
        family = [process for pid in engine.pids for process in psutil.Process(pid).children(recursive=True)]
    assert family and not any(map(lives, family))
    assert shared_memory() <= before


@pytest.fixture(scope="module")
def addresses(world_policy, tmp_path_factory):
    """Of two servers that somebody has started, as docs/learning.md says."""
    logs, ports = tmp_path_factory.mktemp("given"), [free_port(), free_port()]
    options = ["--enable-scale-out", "--logprobs-mode", "processed_logprobs", "--worker-extension-cls", EXTENSION]
    options += ["--model", str(world_policy / "checkpoint"), "--dtype", "float32", "--max-model-len", "1000"]
    command = [str(REPOSITORY / PYTHON), "-m", "vllm.entrypoints.openai.api_server", "--enforce-eager", *options]
    added = {"PYTHONPATH": str(REPOSITORY), "VLLM_SERVER_DEV_MODE": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    processes = [
        subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=os.environ | added | {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"},
            cwd=logs,
            stdout=(logs / f"{port}.log").open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        for port in ports
    ]
    try:
        for port, process in zip(ports, processes, strict=True):
            wait(lambda port=port: responds(port), 240)
            assert process.poll() is None
        yield tuple(f"http://127.0.0.1:{port}" for port in ports)
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def responds(port):
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://127.0.0.1:{port}/health").is_success


def num_answered(address):
    """Requests that a server has answered, by its own count."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("vllm:request_success_total"))


def test_given_servers_are_shared_by_the_ranks_of_a_job_and_turns_of_another_job_s_weights_are_refused(
    addresses, world_policy, tmp_path, monkeypatch
):
    checkpoint, new = world_policy / "checkpoint", changed(world_policy, 0.9)
    wanted = settings(urls=addresses, weights_folder=str(tmp_path), max_tokens=1000)
    monkeypatch.setenv(MARKER, "one")
    with (
        VllmEngine(checkpoint, wanted, logs=tmp_path / "0") as leader,
        VllmEngine(checkpoint, wanted, logs=tmp_path / "1", leads=False) as other,
    ):

        async def update():
            weights = new.named_parameters(remove_duplicate=False)
            probe = leader.update_weights(weights, version=1, probe=prompt_of(20))
            return await asyncio.gather(probe, other.update_weights((), version=1))

        (probed, _) = asyncio.run(update())
        assert len(probed) == 2  # a copy a server
        before = [num_answered(address) for address in addresses]
        for engine in (leader, other):
            prompts = [prompt_of(20, seed) for seed in range(6)]
            turns = sample_all(engine, [request(f"{id(engine)}-{i}", prompt) for i, prompt in enumerate(prompts)])
            for completion, prompt in zip(turns, prompts, strict=True):
                assert completion.policy_version == 1
                assert gap(completion, prompt, new) < CLOSE
        assert [num_answered(address) - count for address, count in zip(addresses, before, strict=True)] == [6, 6]

        monkeypatch.setenv(MARKER, "two")
        with VllmEngine(checkpoint, wanted, logs=tmp_path / "2") as stranger:
            (completion,) = sample_all(stranger, [request("s", prompt_of(20))])
            assert completion.policy_version == 0
            with pytest.raises(EngineError, match="Another run has sent its weights"):
                sample_all(leader, [request("late", prompt_of(20))])


def test_a_folder_for_weights_that_is_not_there_is_told(world_policy, tmp_path):
    wanted = settings(urls=("http://127.0.0.1:9",), weights_folder=str(tmp_path / "nowhere"))
    with pytest.raises(EngineError, match="is not there"):
        VllmEngine(world_policy / "checkpoint", wanted, logs=tmp_path)


def test_a_socket_with_too_long_a_name_is_refused_before_anything_starts(world_policy, tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with pytest.raises(EngineError, match="TMPDIR"):
        VllmEngine(world_policy / "checkpoint", settings(), logs=tmp_path / "logs")
    assert not any(long.iterdir())


def test_what_cannot_start_says_so_with_the_end_of_its_log(world_policy, tmp_path):
    empty = tmp_path / "checkpoint"
    empty.mkdir()
    with pytest.raises(EngineError, match="does not start"):
        VllmEngine(empty, settings(), logs=tmp_path / "logs")
    with pytest.raises(EngineError, match="no environment with vLLM"):
        VllmEngine(world_policy / "checkpoint", settings(python="nowhere/python"), logs=tmp_path)
