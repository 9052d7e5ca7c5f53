"""A step of the trainer, in a process of its own, since DeepSpeed leaves its group of ranks behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
STEP = """
import json, sys
from pathlib import Path
from lib.learning.token_batch import Sample, make_micro_batches
from lib.learning.trainer import Trainer
from lib.policy.load import load_model
from lib.settings.learning import WorkerSettings

workers = WorkerSettings(precision="float32", zero_stage=int(sys.argv[2]))
trainer = Trainer(load_model(Path(sys.argv[1])), weight_decay=0.0, max_grad_norm=1.0, workers=workers)
tokens = [5, 6, 7, 8]
batches = make_micro_batches([Sample(tokens, [False, True, True, True], [0.0] * 4, float(sys.argv[3]))], max_nodes=64)
pull = lambda logprobs, batch: -(logprobs * batch.advantages).sum()
print(json.dumps(trainer.step(batches, loss=pull, learning_rate=1e-3)))
"""


@pytest.mark.parametrize("zero_stage", [0, 1])
@pytest.mark.parametrize("advantage", [0.0, 1.0])
def test_a_step_that_pulls_nowhere_has_a_gradient_of_zero(world_policy, tmp_path, zero_stage, advantage):
    environment = os.environ | {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(29600 + os.getpid() % 1000),
        "DS_ACCELERATOR": "cpu",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = [sys.executable, "-c", STEP, str(world_policy / "checkpoint"), str(zero_stage), str(advantage)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    loss, norm = json.loads(done.stdout.splitlines()[-1])
    assert (norm == 0.0) == (advantage == 0.0)
    assert (abs(loss) == 0.0) == (advantage == 0.0)
