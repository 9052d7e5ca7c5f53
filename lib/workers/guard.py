"""The process between supervisor and launcher; it outlives neither and leaves nobody behind.

Run as `python -m lib.workers.guard SUPERVISOR_PID COMMAND...`. It starts the command, adopts whatever the
command's processes orphan, and ends all of them when the command ends, when it is told to (SIGTERM), or when
the supervisor is gone, SIGKILL included. It exits with the command's code. The job's lock is a file that
it inherits, so the lock is free only when the last process of the job is gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from lib.workers.job_folders import remove_job_folders
from lib.workers.process_tree import adopt_orphans, die_with_parent, end_descendants

# Long enough for a rank to leave a step and for the DeepSpeed runner to reach remote machines.
GRACE_S = 5.0


def main() -> int:
    supervisor, command = int(sys.argv[1]), sys.argv[2:]
    told_to_stop: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told_to_stop.append(number))
    adopt_orphans()
    launcher = subprocess.Popen(command, preexec_fn=die_with_parent)
    while launcher.poll() is None and not told_to_stop and os.getppid() == supervisor:
        time.sleep(0.05)
    end_descendants(GRACE_S)
    remove_job_folders()
    code = launcher.returncode if launcher.returncode is not None else -signal.SIGTERM
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
