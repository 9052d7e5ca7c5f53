"""Both training stages as real DeepSpeed jobs: sharding, killing and resuming change no weight."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from data_contracts.episodes import EPISODES
from data_contracts.training import STEPS
from lib.errors import GateError, JobError
from lib.learning.demonstrate import demonstrate
from lib.policy.vllm_server import REPOSITORY
from lib.progress import Silent
from lib.rollout.worlds import Sources
from lib.settings.policy import VllmEngineSettings
from lib.settings.settings import Settings
from lib.workers.job import JobSpec
from lib.workers.process_tree import MARKER
from lib.workers.supervise import run_job
from tests.leftovers import lives, servers, shared_memory, weights_in_memory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("training")]

VLLM = REPOSITORY / os.environ.get("ROPEWALK_VLLM_PYTHON", VllmEngineSettings(type="vllm").python)
ENGINE = {
    "type": "transformers",
    "precision": "float32",
    "max_tokens": 700,
    "max_new_tokens": 80,
    "max_concurrent": 32,
}
DEMONSTRATE = {"num_episodes": 30, "detour_share": 0.0}
WARM_UP = {"steps": 150, "batch_size": 8, "learning_rate": 4e-3}
REINFORCE = {"steps": 4, "groups": 4, "group_size": 8, "learning_rate": 1e-3}


def settings(*, ranks=1, zero_stage=0, checkpoint_every=50, **sections):
    workers = {"ranks": ranks, "zero_stage": zero_stage, "checkpoint_every": checkpoint_every, "checkpoint_pause_s": 0}
    return Settings.model_validate(
        {
            "policy": {"type": "nano"},
            "engine": ENGINE | sections.get("engine", {}),
            "environment": {"results_per_search": 1, "max_tool_calls": 2},
            "workers": workers | {"precision": "float32", "threads": 1},
            "demonstrate": DEMONSTRATE,
            "warm_up": WARM_UP | sections.get("warm_up", {}),
            "reinforce": REINFORCE | sections.get("reinforce", {}),
        }
    )


def run(module, chosen, inputs, folder, *, progress=None):
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(exist_ok=True)
    spec = JobSpec(f"lib.learning.{module}", "deepspeed", chosen, inputs, out, scratch, seed=3)
    run_job(spec, workers=chosen.workers, progress=progress or Silent())
    return out


def weights(out):
    return load_file(out / "checkpoint" / "model.safetensors")


def same(first, second, *, atol=0.0):
    return first.keys() == second.keys() and all(
        torch.allclose(first[name], second[name], rtol=0.0, atol=atol) for name in first
    )


def read_log(folder):
    """The rows that a killed job has left on its first rank."""
    return [json.loads(line) for line in (folder / "scratch" / "steps-0.jsonl").read_text().splitlines()]


def seconds_of(rows):
    return {row["step"]: row["seconds_train"] for row in rows}


def assert_resumed(rows, killed, *, every):
    """Steps up to a checkpoint are those of the killed job, with its very times; those after it are not."""
    kept = {step for step, seconds in seconds_of(rows).items() if killed.get(step) == seconds}
    assert kept and kept == set(range(1, max(kept) + 1)), kept
    assert max(kept) % every == 0 and max(kept) < len(rows)


class Killer:
    """Kills a rank of the job with SIGKILL once it has reported enough steps."""

    def __init__(self, *, at):
        self._at, self.killed = at, False

    def update(self, done, total, note=""):
        if done < self._at or self.killed:
            return
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except (psutil.AccessDenied, psutil.NoSuchProcess):
                continue
            if MARKER in environment and "RANK" in environment and os.getpid() in parents(process):
                process.send_signal(signal.SIGKILL)
                self.killed = True


def parents(process):
    try:
        return [parent.pid for parent in process.parents()]
    except psutil.NoSuchProcess:
        return []


@pytest.fixture(scope="module")
def warm_inputs(tmp_path_factory, world_graph, world_questions, world_policy):
    shown = tmp_path_factory.mktemp("demonstrations")
    demonstrate(
        settings(),
        sources=Sources(graph=world_graph),
        questions=world_questions,
        base=world_policy,
        out=shown,
        seed=1,
        progress=Silent(),
    )
    return {"base": world_policy, "demonstrate": shown}


@pytest.fixture(scope="module")
def warmed(tmp_path_factory, warm_inputs):
    return run("warm_up", settings(), warm_inputs, tmp_path_factory.mktemp("warm"))


@pytest.fixture(scope="module")
def reinforce_inputs(world_graph, world_questions, warmed):
    return {"source": world_graph, "synthesize": world_questions, "warm_up": warmed}


@pytest.fixture(scope="module")
def reinforced(tmp_path_factory, reinforce_inputs):
    return run("reinforce", settings(checkpoint_every=1), reinforce_inputs, tmp_path_factory.mktemp("reinforced"))


def test_warm_up_lowers_the_loss_and_its_table_fits_the_contract(warmed):
    table, _ = STEPS.check(pq.read_table(warmed / "steps.parquet"))
    losses = table["loss"].to_pylist()
    assert table.num_rows == 150
    assert sum(losses[-10:]) < 0.2 * sum(losses[:10])
    assert min(table["grad_norm"].to_pylist()) > 0


def test_training_compiles_nothing_and_leaves_no_shared_memory(tmp_path, warm_inputs, monkeypatch):
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    monkeypatch.setenv("CXX", "no-compiler-here")
    before = set(Path("/dev/shm").glob("deepspeed*"))
    run("warm_up", settings(warm_up={"steps": 2}, ranks=2), warm_inputs, tmp_path / "job")
    assert not list(tmp_path.glob("extensions/**/*.*"))
    assert set(Path("/dev/shm").glob("deepspeed*")) <= before


@pytest.mark.parametrize(("ranks", "zero_stage"), [(1, 1), (2, 1), (2, 2), (2, 3)])
def test_ranks_and_zero_stages_agree_on_the_weights(tmp_path, warm_inputs, ranks, zero_stage):
    short = {"steps": 4, "learning_rate": 1e-3}
    one = run("warm_up", settings(warm_up=short), warm_inputs, tmp_path / "one")
    many = run("warm_up", settings(warm_up=short, ranks=ranks, zero_stage=zero_stage), warm_inputs, tmp_path / "many")
    assert same(weights(one), weights(many), atol=2e-4)
    losses = [pq.read_table(out / "steps.parquet")["loss"].to_pylist() for out in (one, many)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_a_warm_up_killed_in_the_middle_ends_with_the_same_weights(tmp_path, warm_inputs, warmed):
    killer = Killer(at=60)
    with pytest.raises(JobError, match="SIGKILL"):
        run("warm_up", settings(), warm_inputs, tmp_path, progress=killer)
    assert killer.killed
    killed = seconds_of(read_log(tmp_path))
    out = run("warm_up", settings(), warm_inputs, tmp_path)
    assert same(weights(out), weights(warmed))
    rows = pq.read_table(out / "steps.parquet").to_pylist()
    assert [row["step"] for row in rows] == list(range(1, 151))
    assert_resumed(rows, killed, every=50)


@pytest.mark.parametrize(("ranks", "zero_stage"), [(2, 0), (2, 2), (2, 3)])
def test_ranks_that_were_killed_go_on_from_the_last_whole_checkpoint(tmp_path, warm_inputs, ranks, zero_stage):
    """Saves at even steps only must not write over the checkpoint that `latest` names."""
    chosen = settings(warm_up={"steps": 40}, ranks=ranks, zero_stage=zero_stage, checkpoint_every=2)
    undisturbed = run("warm_up", chosen, warm_inputs, tmp_path / "undisturbed")
    folder = tmp_path / "disturbed"
    with pytest.raises(JobError, match="SIGKILL"):
        run("warm_up", chosen, warm_inputs, folder, progress=Killer(at=5))
    killed = seconds_of(read_log(folder))
    checkpoints = folder / "scratch" / "checkpoints"
    assert {path.name for path in checkpoints.iterdir() if path.is_dir()} == {"last-0", "last-1"}
    other = next(path for path in checkpoints.glob("last-*") if path.name != (checkpoints / "latest").read_text())
    for path in filter(Path.is_file, other.rglob("*")):
        path.write_bytes(b"cut off in the middle of a save")

    out = run("warm_up", chosen, warm_inputs, folder)
    assert same(weights(out), weights(undisturbed))
    assert_resumed(pq.read_table(out / "steps.parquet").to_pylist(), killed, every=2)


def test_reinforcement_learns_from_groups_with_a_signal(reinforced, warmed):
    steps, _ = STEPS.check(pq.read_table(reinforced / "steps.parquet"))
    episodes, _ = EPISODES.check(pq.read_table(reinforced / "episodes.parquet"))
    assert episodes.num_rows == 4 * 4 * 8
    assert sum(steps["groups_kept"].to_pylist()) > 0
    assert not same(weights(reinforced), weights(warmed))
    assert max(steps["mismatch_max"].to_pylist()) < 1e-3  # the sampler and the trainer are one function in float32


def test_the_log_says_in_which_precision_a_job_samples_and_trains(reinforced):
    (log,) = (reinforced.parent / "scratch").rglob("job.log")
    assert log.read_text().count("samples in torch.float32, trains in torch.float32") == 1


def test_every_step_leaves_its_weights_for_extrapolation(reinforced):
    folders = sorted(folder.name for folder in (reinforced / "trajectory").iterdir())
    assert folders == [f"step_{step:05d}" for step in range(1, 5)]
    assert same(load_file(reinforced / "trajectory" / folders[-1] / "model.safetensors"), weights(reinforced))


def test_a_reinforcement_killed_in_the_middle_ends_with_the_same_weights(tmp_path, reinforce_inputs, reinforced):
    killer = Killer(at=2)
    with pytest.raises(JobError, match="SIGKILL"):
        run("reinforce", settings(checkpoint_every=1), reinforce_inputs, tmp_path, progress=killer)
    assert killer.killed
    killed = seconds_of(read_log(tmp_path))
    out = run("reinforce", settings(checkpoint_every=1), reinforce_inputs, tmp_path)
    assert_resumed(pq.read_table(out / "steps.parquet").to_pylist(), killed, every=1)
    assert same(weights(out), weights(reinforced))
    columns = ["id", "tokens", "reward"]
    first, second = (pq.read_table(folder / "episodes.parquet", columns=columns) for folder in (out, reinforced))
    assert first.equals(second)


def test_a_set_with_fewer_questions_than_groups_gives_each_one_group(tmp_path, reinforce_inputs):
    table = pq.read_table(reinforce_inputs["synthesize"] / "questions.parquet")
    few = tmp_path / "few"
    few.mkdir()
    pq.write_table(table.filter(pc.equal(table["split"], "train")).slice(0, 3), few / "questions.parquet")
    chosen = settings(reinforce={"steps": 2})
    out = run("reinforce", chosen, reinforce_inputs | {"synthesize": few}, tmp_path / "job")
    assert pq.read_table(out / "episodes.parquet").num_rows == 2 * 3 * 8


@pytest.mark.filterwarnings("ignore")
def test_training_that_leaves_the_finite_numbers_stops(tmp_path, warm_inputs):
    chosen = settings(warm_up={"steps": 30, "learning_rate": 1e30, "warmup_steps": 0})
    with pytest.raises((JobError, GateError), match="left the finite numbers"):
        run("warm_up", chosen, warm_inputs, tmp_path)


def test_two_ranks_share_the_groups_and_the_kl_term_reads_the_warmed_up_policy(tmp_path, reinforce_inputs):
    chosen = settings(ranks=2, zero_stage=1, reinforce={"steps": 2, "kl_weight": 0.1, "mini_batches": 2})
    out = run("reinforce", chosen, reinforce_inputs, tmp_path)
    steps = pq.read_table(out / "steps.parquet").to_pylist()
    assert pq.read_table(out / "episodes.parquet").num_rows == 2 * 4 * 8
    assert any(row["kl"] > 0 for row in steps)
    # The second mini-batch meets other weights than the sampler's; that is no mismatch of trainer and sampler.
    assert all(row["mismatch_max"] < 1e-3 for row in steps)


def test_a_mismatch_beyond_the_bound_stops_the_run(tmp_path, reinforce_inputs):
    chosen = settings(reinforce={"steps": 2, "max_mismatch": 1e-12})
    with pytest.raises((JobError, GateError), match="differ by"):
        run("reinforce", chosen, reinforce_inputs, tmp_path)
    (dump,) = (tmp_path / "scratch" / "dump").iterdir()
    assert {"token", "sampler", "trainer"} == set(pq.read_table(dump).column_names)


@pytest.mark.parametrize(("mode", "ranks", "bound"), [("one_step_off", 1, 1), ("async", 1, 2), ("async", 2, 2)])
def test_sampling_that_runs_ahead_trains_on_what_is_no_older_than_the_bound(
    tmp_path, reinforce_inputs, mode, ranks, bound
):
    chosen = settings(ranks=ranks, checkpoint_every=2, reinforce={"steps": 5, "mode": mode, "max_staleness": 2})
    out = run("reinforce", chosen, reinforce_inputs, tmp_path)
    steps, _ = STEPS.check(pq.read_table(out / "steps.parquet"))
    episodes, _ = EPISODES.check(pq.read_table(out / "episodes.parquet"))
    assert episodes.num_rows == 5 * 4 * 8
    assert len(set(episodes["id"].to_pylist())) == episodes.num_rows
    staleness = steps["staleness_mean"].to_pylist()
    assert max(staleness) <= bound
    assert staleness[1] > 0  # it was sampled while the step before trained
    assert max(steps["probe_gap"].to_pylist()) < 1e-3


def test_sampling_ahead_that_was_killed_trains_on_each_group_once(tmp_path, reinforce_inputs):
    chosen = settings(checkpoint_every=1, reinforce={"steps": 6, "mode": "async"})
    killer = Killer(at=3)
    with pytest.raises(JobError, match="SIGKILL"):
        run("reinforce", chosen, reinforce_inputs, tmp_path, progress=killer)
    out = run("reinforce", chosen, reinforce_inputs, tmp_path)
    steps, _ = STEPS.check(pq.read_table(out / "steps.parquet"))
    episodes, _ = EPISODES.check(pq.read_table(out / "episodes.parquet"))
    assert steps["step"].to_pylist() == [1, 2, 3, 4, 5, 6]
    assert len(set(episodes["id"].to_pylist())) == episodes.num_rows == 6 * 4 * 8


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM.is_file(), reason="no vLLM: run `make vllm`")
def test_reinforcement_over_vllm_samples_what_the_trainer_computes(tmp_path, reinforce_inputs):
    engine = {"type": "vllm", "python": str(VLLM), "turn_timeout_s": 60}
    chosen = settings(engine=engine, reinforce={"steps": 3})
    out = run("reinforce", chosen, reinforce_inputs, tmp_path)
    steps, _ = STEPS.check(pq.read_table(out / "steps.parquet"))
    episodes, _ = EPISODES.check(pq.read_table(out / "episodes.parquet"))
    assert episodes.num_rows == 3 * 4 * 8
    assert max(steps["mismatch_max"].to_pylist()) < 1e-3
    assert max(steps["probe_gap"].to_pylist()) < 1e-3
    assert sum(steps["groups_kept"].to_pylist()) > 0
    assert not servers()


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM.is_file(), reason="no vLLM: run `make vllm`")
def test_a_server_that_is_killed_costs_no_step_and_a_rank_that_is_killed_leaves_no_server(tmp_path, reinforce_inputs):
    engine = {"type": "vllm", "python": str(VLLM), "turn_timeout_s": 60}
    chosen = settings(engine=engine, checkpoint_every=1, reinforce={"steps": 4})
    harm = ServerKiller(at=1, then=Killer(at=3))
    with pytest.raises(JobError, match="SIGKILL"):
        run("reinforce", chosen, reinforce_inputs, tmp_path, progress=harm)
    assert harm.killed and harm.then.killed
    assert not weights_in_memory()
    assert "start 2 of" in (tmp_path / "scratch" / "vllm-0" / "vllm-0.log").read_text()
    assert not servers()
    out = run("reinforce", chosen, reinforce_inputs, tmp_path)
    steps, _ = STEPS.check(pq.read_table(out / "steps.parquet"))
    assert steps["step"].to_pylist() == [1, 2, 3, 4]
    assert max(steps["mismatch_max"].to_pylist()) < 1e-3
    assert not servers()


class ServerKiller:
    """Kills the job's vLLM server once it has reported enough steps, and then lets another do its harm."""

    def __init__(self, *, at, then):
        self._at, self.then, self.killed = at, then, False

    def update(self, done, total, note=""):
        if done >= self._at and not self.killed:
            for process in servers():
                process.send_signal(signal.SIGKILL)
                self.killed = True
        self.then.update(done, total, note)


# A job as whoever starts it from a script would, so that the script can be told to end.
STARTER = """
import json, sys
from pathlib import Path
from lib.progress import Silent
from lib.settings.settings import Settings
from lib.workers.job import JobSpec
from lib.workers.supervise import run_job
from tests.leftovers import lives, servers, shared_memory, weights_in_memory

settings, inputs, folder = Settings.model_validate_json(sys.argv[1]), json.loads(sys.argv[2]), Path(sys.argv[3])
inputs = {stage: Path(path) for stage, path in inputs.items()}
spec = JobSpec("lib.learning.reinforce", "deepspeed", settings, inputs, folder / "out", folder / "scratch", seed=3)
run_job(spec, workers=settings.workers, progress=Silent())
"""


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM.is_file(), reason="no vLLM: run `make vllm`")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_told_to_end_leaves_no_process_and_no_weights(tmp_path, reinforce_inputs, number):
    engine = {"type": "vllm", "python": str(VLLM), "turn_timeout_s": 60}
    chosen = settings(engine=engine, reinforce={"steps": 50, "mode": "async"})
    for name in ("out", "scratch"):
        (tmp_path / name).mkdir()
    inputs, before = json.dumps({stage: str(path) for stage, path in reinforce_inputs.items()}), shared_memory()
    starter = subprocess.Popen([sys.executable, "-c", STARTER, chosen.model_dump_json(), inputs, str(tmp_path)])
    log = tmp_path / "scratch" / "steps-0.jsonl"
    assert wait_until(lambda: log.is_file() and log.read_text().count("\n") >= 1, 240)
    family = psutil.Process(starter.pid).children(recursive=True)
    assert servers()
    starter.send_signal(number)
    starter.wait(60)
    assert wait_until(lambda: not [process for process in family if lives(process)], 30)
    assert not servers()
    assert not weights_in_memory()
    assert shared_memory() <= before


def wait_until(holds, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return holds()
