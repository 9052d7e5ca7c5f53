"""Waits for ever in native code: locks a mutex twice, which no signal interrupts."""

from __future__ import annotations

import ctypes

from lib.workers.rank import run_rank

# At least sizeof(pthread_mutex_t); zeros are PTHREAD_MUTEX_INITIALIZER in glibc.
MUTEX_BYTES = 128


def main(job):
    job.progress.update(1, 1)
    libc, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(MUTEX_BYTES)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


if __name__ == "__main__":
    run_rank(main)
