"""The command line and the environment of a job's processes.

One machine is started through `deepspeed.launcher.launch`, which the `deepspeed` command itself calls after one
more import of torch; several machines (a hostfile) through the `deepspeed` runner.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import sys
from pathlib import Path

from lib.errors import JobError
from lib.settings.learning import WorkerSettings
from lib.workers.job import JobSpec
from lib.workers.process_tree import MARKER

PROJECT = Path(__file__).resolve().parents[2]
# Set for every rank by a launcher; a plain process must not inherit them from a job around it.
RANK_VARIABLES = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_SIZE", "MASTER_ADDR", "MASTER_PORT")
# glibc gives large blocks back to the system at once and gets them again page by page, zeroed: a quarter of a
# training step's time on a CPU. With these bounds a rank keeps what it has.
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(8 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
GPU_DEVICES = ("/dev/nvidia0", "/dev/kfd")


def launch_command(spec: JobSpec, workers: WorkerSettings) -> list[str]:
    """The command that starts every rank of the job on this machine, or on those of the hostfile."""
    script = [spec.module, f"--job={spec.files.spec}"]
    if spec.launcher == "process":
        return [sys.executable, "-u", "-m", *script]
    port = f"--master_port={free_port()}"
    if workers.hostfile is not None:
        count = f"--num_accelerators={workers.ranks}"
        runner = [sys.executable, "-m", "deepspeed.launcher.runner", f"--hostfile={workers.hostfile}", count, port]
        return [*runner, "--module", *script]
    world = base64.urlsafe_b64encode(json.dumps({"localhost": _devices(workers)}).encode()).decode()
    launcher = [sys.executable, "-m", "deepspeed.launcher.launch", f"--world_info={world}", port]
    return [*launcher, "--log_level=warning", "--module", *script]


def launch_environment(spec: JobSpec, workers: WorkerSettings, marker: str) -> dict[str, str]:
    """This process's environment with what the job's processes need; values that the user set stay."""
    ranks = workers.ranks if spec.launcher == "deepspeed" else 1
    added = {
        MARKER: marker,
        "OMP_NUM_THREADS": str(workers.threads or max(1, len(os.sched_getaffinity(0)) // ranks)),
        "PYTHONPATH": os.pathsep.join([str(PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    added |= {name: os.environ.get(name, value) for name, value in KEEP_MEMORY.items()}
    if not has_gpu():
        added["DS_ACCELERATOR"] = os.environ.get("DS_ACCELERATOR", "cpu")
        if workers.hostfile is None:
            added["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
    if workers.hostfile is not None:
        spec.files.environment.write_text("".join(f"{name}={value}\n" for name, value in added.items()))
        added["DS_ENV_FILE"] = str(spec.files.environment)
    inherited = {name: value for name, value in os.environ.items() if name not in RANK_VARIABLES}
    return inherited | added


def world_size(spec: JobSpec, workers: WorkerSettings) -> int:
    """Ranks over all machines."""
    if spec.launcher == "process":
        return 1
    return workers.ranks * (1 if workers.hostfile is None else _num_hosts(Path(workers.hostfile)))


def has_gpu() -> bool:
    """Whether a GPU can be used here, told without importing torch."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not hidden and any(Path(device).exists() for device in GPU_DEVICES)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _devices(workers: WorkerSettings) -> list[int | str]:
    """One device a rank; on GPUs those that CUDA_VISIBLE_DEVICES lists, when it is set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if not has_gpu() or not visible:
        return list(range(workers.ranks))
    listed = [int(name) if name.isdigit() else name for name in visible.split(",")]
    if len(listed) < workers.ranks:
        raise JobError(
            f"{workers.ranks} ranks are asked for, but only {len(listed)} devices are visible.",
            where=f"CUDA_VISIBLE_DEVICES={visible}",
            next_step=f"set workers.ranks to {len(listed)}, or make more devices visible",
        )
    return listed[: workers.ranks]


def _num_hosts(hostfile: Path) -> int:
    """Machines of a DeepSpeed hostfile: lines of the form `name slots=N`."""
    try:
        lines = [line.partition("#")[0].strip() for line in hostfile.read_text().splitlines()]
    except OSError as error:
        raise JobError(
            f"The hostfile cannot be read: {error.strerror}.",
            where=str(hostfile),
            next_step="correct workers.hostfile, or leave it out to train on this machine",
        ) from error
    return len({line.split()[0] for line in lines if line})
