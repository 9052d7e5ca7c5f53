"""A step of the trainer, in a process of its own, since DeepSpeed leaves its group of ranks behind."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
STEP = """
import json, os, sys
from pathlib import Path
from lib.learning.token_batch import Sample, make_micro_batches
from lib.learning.trainer import Trainer
from lib.policy.load import load_model
from lib.settings.learning import WorkerSettings

zero_stage, pause_s, recompute = int(sys.argv[2]), float(sys.argv[4]), sys.argv[5] == "True"
workers = WorkerSettings(
    precision="float32", zero_stage=zero_stage, checkpoint_every=5, checkpoint_pause_s=pause_s, recompute=recompute
)
model = load_model(Path(sys.argv[1]))
trainer = Trainer(model, weight_decay=0.0, max_grad_norm=1.0, workers=workers)
passes = []
model.base_model.layers[0].mlp.register_forward_pre_hook(lambda *_: passes.append(1))
tokens = [5, 6, 7, 8]
batches = make_micro_batches([Sample(tokens, [False, True, True, True], [0.0] * 4, float(sys.argv[3]))], max_nodes=64)
pull = lambda logprobs, batch: -(logprobs * batch.advantages).sum()
loss, norm = trainer.step(batches, loss=pull, learning_rate=1e-3)
print(json.dumps([loss, norm, [trainer.is_save_due(step=step) for step in (4, 5, 10)], len(passes)]), flush=True)
os._exit(0)  # as a rank ends
"""


def run(checkpoint, folder, *, zero_stage=0, advantage=1.0, pause_s=0.0, recompute=False):
    """Loss and gradient norm of a step, whether the state is due to be saved after 4, 5 and 10 steps, and how often the
    first layer was computed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "DS_ACCELERATOR": "cpu",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-c", STEP, *map(str, (checkpoint, zero_stage, advantage, pause_s, recompute))]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("zero_stage", [0, 1])
@pytest.mark.parametrize("advantage", [0.0, 1.0])
def test_a_step_that_pulls_nowhere_has_a_gradient_of_zero(world_policy, tmp_path, zero_stage, advantage):
    loss, norm, *_ = run(world_policy / "checkpoint", tmp_path, zero_stage=zero_stage, advantage=advantage)
    assert (norm == 0.0) == (advantage == 0.0)
    assert (abs(loss) == 0.0) == (advantage == 0.0)


@pytest.mark.parametrize(("pause_s", "due"), [(0.0, [False, True, True]), (3600.0, [False, False, False])])
def test_the_state_is_saved_every_few_steps_and_no_oftener_than_the_pause(world_policy, tmp_path, pause_s, due):
    assert run(world_policy / "checkpoint", tmp_path, pause_s=pause_s)[2] == due


def test_layers_are_computed_twice_where_they_are_not_kept_and_the_step_is_the_same(world_policy, tmp_path):
    kept = run(world_policy / "checkpoint", tmp_path)
    again = run(world_policy / "checkpoint", tmp_path, recompute=True)
    assert (kept[3], again[3]) == (1, 2)
    assert again[:2] == pytest.approx(kept[:2], rel=1e-6)
