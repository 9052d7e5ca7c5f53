from __future__ import annotations

from pathlib import Path

from lib.settings.policy import NanoPolicy
from lib.settings.settings import Settings
from lib.workers.job import JobSpec


def test_a_spec_comes_back_equal_from_its_json(tmp_path):
    settings = Settings(seed=7, policy=NanoPolicy(type="nano", layers=2))
    inputs, out, scratch = {"base": tmp_path / "base"}, tmp_path / "out", tmp_path / "scratch"
    spec = JobSpec("lib.learning.warm_up", "deepspeed", settings, inputs, out, scratch, seed=2**62)
    assert JobSpec.from_json(spec.to_json()) == spec


def test_paths_in_the_json_are_absolute(tmp_path):
    spec = JobSpec("m", "process", Settings(), {"graph": Path("graph")}, Path("out"), Path("scratch"), 0)
    again = JobSpec.from_json(spec.to_json())
    assert again.inputs["graph"] == Path("graph").absolute()
    assert again.out.is_absolute() and again.scratch.is_absolute()
