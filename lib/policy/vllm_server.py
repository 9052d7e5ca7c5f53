"""A vLLM server of this job: started, waited for, started again, ended with all its processes.

It listens on a Unix socket in a folder that only this user enters, since it takes new weights from whoever reaches
it. vLLM has an environment of its own; what Ropewalk adds to it is lib/policy/vllm_extension.py.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import httpx

from lib.errors import EngineError
from lib.policy.precision import dtype_of
from lib.policy.vllm_extension import WeightLoader
from lib.settings.policy import VllmEngineSettings
from lib.workers.job_folders import make_job_folder, note_files, remove_job_folder, remove_noted
from lib.workers.process_tree import die_with_parent, shared_memory_of

EXTENSION = f"{WeightLoader.__module__}.{WeightLoader.__qualname__}"
REPOSITORY = Path(__file__).resolve().parents[2]
POLL_S = 0.25
SHOWN_LINES = 8  # of the log of a server that does not start
LEAVE_WITHIN_S = 10.0
SPARE = 8  # sequences beyond the episodes', so that a question whether the server lives never waits for a place
SOCKET_BYTES = 107  # of the longest name of a Unix socket
# What a job says to its own ranks; vLLM would take it for its own.
OF_THE_JOB = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class VllmServer:
    """One server process and its children.

    Args:
        checkpoint: the weights and config that it starts with.
        log: file that takes what it prints, over all its starts.
        gpu: the device that it sees; None leaves all visible.
    """

    def __init__(self, checkpoint: Path, settings: VllmEngineSettings, *, log: Path, gpu: str | None = None):
        self._checkpoint, self._settings, self._log, self._gpu = checkpoint, settings, log, gpu
        self._folder = make_job_folder("vllm")
        if len(os.fsencode(self.socket)) > SOCKET_BYTES:
            shutil.rmtree(self._folder)
            raise EngineError(
                f"A socket's name has at most {SOCKET_BYTES} bytes, and that of the vLLM server would be longer.",
                where=str(self.socket),
                next_step="set TMPDIR to a folder with a shorter name",
            )
        self._process: subprocess.Popen[bytes] | None = None
        self.num_starts = 0

    @property
    def socket(self) -> Path:
        return self._folder / "socket"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; `wait` tells when it answers. Raises EngineError where there is no vLLM."""
        python = self._find_python()
        self.socket.unlink(missing_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            log.write(f"--- start {self.num_starts + 1} of {self._checkpoint}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                [python, "-m", "vllm.entrypoints.openai.api_server", *self._arguments()],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                # A group of its own: what the server has started is found by it, also when the server itself is gone.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self.num_starts += 1

    def wait(self) -> None:
        """Until the server answers. Raises EngineError with the end of its log when it ends or is too slow."""
        deadline = time.monotonic() + self._settings.start_timeout_s
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), timeout=POLL_S * 20) as client:
            while time.monotonic() < deadline:
                if not self.is_running():
                    raise self._does_not_start(f"it ended with code {self._process.returncode}")
                with contextlib.suppress(httpx.TransportError):
                    if client.get("http://vllm/health").is_success:
                        # Now, since nobody is left to be asked when they all are killed.
                        note_files(self._folder, shared_memory_of(self._process.pid))
                        return
                time.sleep(POLL_S)
        self.stop()
        raise self._does_not_start(f"it did not answer within {self._settings.start_timeout_s:g} s")

    def stop(self) -> None:
        """End the server and whatever it has started: SIGTERM, then SIGKILL."""
        if self._process is None:
            return
        note_files(self._folder, shared_memory_of(self._process.pid))
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            if self._wait_for_group(LEAVE_WITHIN_S):
                break
        self._process.wait()
        self._process = None
        remove_noted(self._folder)  # what a killed server leaves in the machine's memory

    def _wait_for_group(self, seconds: float) -> bool:
        """Whether no process of the server's group is left within that time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._process.poll()
            try:
                os.killpg(self._process.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(POLL_S / 5)
        return False

    def close(self) -> None:
        """End it for good."""
        self.stop()
        remove_job_folder(self._folder)

    def _find_python(self) -> str:
        path = Path(self._settings.python).expanduser()
        python = path if path.is_absolute() else REPOSITORY / path
        if not os.access(python, os.X_OK):
            raise EngineError(
                "There is no environment with vLLM.",
                where=f"engine.python = {self._settings.python}",
                next_step="run `make vllm`, or name the interpreter of an environment in which vLLM is installed",
            )
        return str(python)

    def _arguments(self) -> list[str]:
        wanted = self._settings
        arguments = {
            "--model": str(self._checkpoint),
            "--uds": str(self.socket),
            "--dtype": str(dtype_of(wanted.precision)).removeprefix("torch."),
            "--max-model-len": str(wanted.max_tokens),
            "--max-num-seqs": str(wanted.max_concurrent + SPARE),
            # Those of the distribution that is sampled from, after temperature and top-p.
            "--logprobs-mode": "processed_logprobs",
            "--worker-extension-cls": EXTENSION,
            # Another one for each server and start: by default all would draw the same.
            "--seed": str(random.SystemRandom().randrange(2**31)),
            "--gpu-memory-utilization": str(wanted.memory_share),
        }
        flags = ["--enable-scale-out", "--skip-tokenizer-init"]
        if not wanted.compiled:
            flags.append("--enforce-eager")
        return [*(word for pair in arguments.items() for word in pair), *flags]

    def _environment(self) -> dict[str, str]:
        values = {name: value for name, value in os.environ.items() if name not in OF_THE_JOB}
        values |= {
            "PYTHONPATH": str(REPOSITORY),  # of the extension alone
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_SERVER_DEV_MODE": "1",  # pause, resume, collective_rpc
            "VLLM_CPU_KVCACHE_SPACE": str(self._settings.cache_gib),
        }
        if self._gpu is not None:
            values["CUDA_VISIBLE_DEVICES"] = self._gpu
        return values

    def _does_not_start(self, reason: str) -> EngineError:
        lines = self._log.read_text(errors="replace").splitlines()[-SHOWN_LINES:]
        return EngineError(
            "\n".join([f"The vLLM server does not start: {reason}. The end of its log:", *lines]),
            where=str(self._log),
            next_step="mend what the log says, raise engine.start_timeout_s, or set engine.type=transformers",
        )
