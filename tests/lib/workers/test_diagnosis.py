"""Exit codes as launchers hand them on."""

from __future__ import annotations

import signal

import pytest

from lib.workers.diagnosis import exit_code_of_launcher


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGSYS])
def test_a_signal_is_recognised_in_either_form(number):
    assert exit_code_of_launcher(128 + number) == -number  # the guard, shells
    assert exit_code_of_launcher(256 - number) == -number  # DeepSpeed's launcher


@pytest.mark.parametrize("code", [0, 1, 7, 128])
def test_a_plain_exit_code_stays(code):
    assert exit_code_of_launcher(code) == code
