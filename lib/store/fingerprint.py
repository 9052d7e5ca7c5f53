"""The fingerprint of a stage run: all that its result depends on, component by component.

Same fingerprint, same artifact. The components are kept beside the digest, so that a plan can say
which of them changed.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import BaseModel

from lib.store.manifest import FORMAT

# Settings that do not count, with the reason.
EXCLUDED_SETTINGS = {
    "seed": "it is a component of its own",
    **{
        f"{endpoint}.{key}": reason
        for endpoint in ("synthesis.writer", "synthesis.judge", "demonstrate.teacher")
        for key, reason in {
            "api_key_variable": "says where the key is, not who answers",
            "concurrency": "changes how fast the model is asked, not what it is asked",
            "timeout_s": "changes when a request is given up, not its answer",
            "max_retries": "changes how often a failed request is repeated, not its answer",
        }.items()
    },
    "synthesis.judge.checkpoint": "the files' content is a component; their place does not matter",
    "source.triples": "the file's content is a component; its place does not matter",
    "source.entities": "the file's content is a component; its place does not matter",
    "source.relations": "the file's content is a component; its place does not matter",
    "source.pages": "the file's content is a component; its place does not matter",
    "source.path": "the file's content is a component; its place does not matter",
    **{
        f"engine.{key}": reason
        for key, reason in {
            "python": "says where vLLM is installed",
            "servers": "says how many share the episodes",
            "urls": "says which servers sample, not what they sample",
            "weights_folder": "says where weights lie on their way",
            "cache_gib": "changes how much is computed at once",
            "memory_share": "changes how much is computed at once",
            "start_timeout_s": "says when a server counts as failed",
            "turn_timeout_s": "says when a server counts as hung",
            "update_timeout_s": "says when a server counts as hung",
            "restarts": "says when a server is given up",
        }.items()
    },
    "workers.hostfile": "says on which machines ranks run; their number counts",
    "workers.threads": "says how many cores a rank uses; it follows the machine when unset",
    "workers.micro_batch_tokens": "says how much is computed at once; the sums are the same",
    "workers.checkpoint_every": "a resumed run equals an uninterrupted one, or is as good where sampling runs ahead",
    "workers.checkpoint_pause_s": "a resumed run equals an uninterrupted one, or is as good where sampling runs ahead",
    "workers.start_timeout_s": "says when a job counts as failed",
    "workers.silence_timeout_s": "says when a job counts as hung",
}


@dataclass(frozen=True)
class Change:
    """One part of one component that differs between two runs."""

    component: str
    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        name = f"{self.component} {self.key}".strip()
        if self.component in ("code", "files", "inputs"):
            verb = "is new" if self.before is None else "is gone" if self.after is None else "changed"
            return f"{name} {verb}"
        return f"{name}: {_show(self.before)} -> {_show(self.after)}"


@dataclass(frozen=True)
class Fingerprint:
    """Components by name; each is a flat mapping from a key to a value that JSON can hold."""

    components: dict[str, dict[str, Any]]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the components, 64 hexadecimal digits."""
        text = json.dumps(self.components, sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def changes_since(self, before: dict[str, dict[str, Any]]) -> list[Change]:
        """What differs from the components of another run, in the order of the components."""
        changes = []
        for component in dict.fromkeys([*self.components, *before]):
            old, new = before.get(component, {}), self.components.get(component, {})
            for key in sorted({*old, *new}):
                if old.get(key) != new.get(key):
                    changes.append(Change(component, key, old.get(key), new.get(key)))
        return changes


def build_fingerprint(
    stage: str,
    *,
    contracts: dict[str, str],
    settings: dict[str, BaseModel],
    files: dict[str, str],
    inputs: dict[str, str],
    seed: int | None,
    code: dict[str, str],
    libraries: tuple[str, ...],
) -> Fingerprint:
    """Put the components together.

    Args:
        contracts: table versions of the kinds that the stage reads and writes, by kind.
        settings: sections that the stage uses, by name.
        files: digests of the user's files that it reads, by settings key.
        inputs: digests of its input artifacts, by stage.
        seed: the run's seed; None for a stage that draws nothing.
        code: hashes of the modules that it can reach.
        libraries: distributions that change its numbers.
    """
    components: dict[str, dict[str, Any]] = {
        "format": {"": FORMAT},
        "stage": {"": stage},
        "contracts": contracts,
        "settings": {key: value for name, section in settings.items() for key, value in _flatten(section, name)},
        "files": files,
        "inputs": inputs,
        "seed": {} if seed is None else {"": seed},
        "code": code,
        "libraries": library_versions(libraries),
    }
    return Fingerprint(json.loads(json.dumps(components)))


def library_versions(libraries: tuple[str, ...]) -> dict[str, str]:
    """Versions of the installed distributions, and of Python, whose syntax trees the code hashes follow."""
    versions = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in libraries:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "absent"
    return versions


def _flatten(section: BaseModel, prefix: str) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in _leaves(section.model_dump(mode="json"), prefix):
        if key not in EXCLUDED_SETTINGS:
            pairs.append((key, value))
    return pairs


def _leaves(value: Any, prefix: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [(prefix, value)]
    return [leaf for key, child in value.items() for leaf in _leaves(child, f"{prefix}.{key}")]


def _show(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
