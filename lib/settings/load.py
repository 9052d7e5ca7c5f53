"""Settings from a profile, overrides and a seed.

In: the name of a profile or the path of a TOML file, texts such as "reinforce.steps=8", a seed, question domains.
Out: checked settings. What is not understood is a SettingsError that names the key, what it could
have been and what is allowed.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from lib.errors import SettingsError
from lib.settings.environment import TOOLS
from lib.settings.settings import Settings

PROFILES = Path(__file__).parent / "profiles"
DEFAULT_PROFILE = "laptop"


def load_settings(
    profile: str = DEFAULT_PROFILE,
    overrides: list[str] | None = None,
    seed: int | None = None,
    domains: Sequence[str] = (),
) -> Settings:
    """Profile first, then the overrides in their order, then the seed and the domains where they are given."""
    values = _read_profile(profile)
    for override in overrides or []:
        _apply(values, override)
    if seed is not None:
        values["seed"] = seed
    if domains:
        _apply(values, f"synthesis.domains={json.dumps(list(domains))}")
    for name, default in Settings():
        section = values.get(name)
        if isinstance(section, dict) and hasattr(default, "type"):
            section.setdefault("type", default.type)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise _explain(error, profile) from error
    _check_across(settings, profile)
    return settings


def profile_names() -> list[str]:
    """The profiles that ship with the project."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


def _check_across(settings: Settings, profile: str) -> None:
    """What holds between sections; not a validator, since a stage sees only some of them."""
    if settings.engine.type == "vllm" and "vision" in settings.synthesis.domains:
        raise SettingsError(
            "engine.type = 'vllm' samples no episodes about images, and synthesis.domains names 'vision'.",
            where=_place(profile),
            next_step="set engine.type=transformers, or leave 'vision' out of synthesis.domains",
        )
    if settings.environment.mcp and "knowledge" not in settings.synthesis.domains:
        raise SettingsError(
            "environment.mcp gives agents further tools for questions of the domain 'knowledge', which "
            "synthesis.domains leaves out.",
            where=_place(profile),
            next_step="add 'knowledge' to synthesis.domains, or leave environment.mcp out",
        )
    known = [tool for tools in TOOLS.values() for tool in tools]
    # A server's tools are known once it is asked.
    if not settings.environment.mcp and (unknown := sorted(settings.environment.tools.keys() - {*known})):
        raise SettingsError(
            f"environment.tools.{unknown[0]} is for a tool that there is not; known are {', '.join(known)}.",
            where=_place(profile),
            next_step="correct the name",
        )
    if settings.environment.episode_timeout_s >= settings.workers.silence_timeout_s:
        raise SettingsError(
            f"environment.episode_timeout_s ({settings.environment.episode_timeout_s:g}) is not below "
            f"workers.silence_timeout_s ({settings.workers.silence_timeout_s:g}): one episode that hangs would end the "
            "whole job.",
            where=_place(profile),
            next_step="lower environment.episode_timeout_s or raise workers.silence_timeout_s",
        )
    silence = settings.workers.silence_timeout_s
    if settings.engine.type == "vllm" and settings.engine.longest_turn_s >= silence:
        raise SettingsError(
            f"A turn may take {settings.engine.longest_turn_s:g} s where vLLM's server has to be started again, and "
            f"workers.silence_timeout_s ({silence:g}) would end the job before.",
            where=_place(profile),
            next_step="lower engine.turn_timeout_s, or raise workers.silence_timeout_s above it",
        )
    hops, calls = settings.synthesis.max_hops, settings.environment.max_tool_calls
    if hops > calls:
        raise SettingsError(
            f"synthesis.max_hops ({hops}) exceeds environment.max_tool_calls ({calls}): a look-up takes a tool call, "
            "so an episode would end before its answer is found.",
            where=_place(profile),
            next_step="raise environment.max_tool_calls or lower synthesis.max_hops",
        )


def _read_profile(profile: str) -> dict[str, Any]:
    path = Path(profile) if profile.endswith(".toml") else PROFILES / f"{profile}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(profile, profile_names(), n=1)
        raise SettingsError(
            f"There is no profile {profile!r}." + (f" Did you mean {near[0]!r}?" if near else ""),
            where=str(path),
            next_step=f"use one of {', '.join(profile_names())}, or the path of a .toml file",
        )
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The profile is not valid TOML: {error}.",
            where=str(path),
            next_step="mend that line; texts stand in quotes, sections in [brackets]",
        ) from error
    except OSError as error:
        raise SettingsError(
            f"The profile cannot be read: {error.strerror}.", where=str(path), next_step="make the file readable"
        ) from error


def _apply(values: dict[str, Any], override: str) -> None:
    """Set one key; a new `type` of a section drops what the profile says for the old one."""
    key, equals, text = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise SettingsError(
            f"{override!r} is not of the form section.key=value.",
            where="--set",
            next_step="write for instance --set reinforce.steps=8",
        )
    section = values
    for part in parts[:-1]:
        child = section.setdefault(part, {})
        if not isinstance(child, dict):
            raise SettingsError(
                f"{part!r} is a value, not a section, in {key.strip()!r}.",
                where="--set",
                next_step="leave one of the two settings out",
            )
        section = child
    value = _parse_value(text.strip())
    if parts[-1] == "type" and section.get("type", value) != value:
        section.clear()
    section[parts[-1]] = value


def _parse_value(text: str) -> Any:
    """A TOML value where it is one, otherwise the text itself, so that quotes can be left out."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(error: ValidationError, profile: str) -> SettingsError:
    problems = [_explain_one(problem) for problem in error.errors(include_url=False)]
    return SettingsError(
        "\n".join(problems),
        where=_place(profile),
        next_step="correct the key or value; `ropewalk plan` checks settings without running anything",
    )


def _place(profile: str) -> str:
    return f"profile {profile!r} with its overrides"


def _explain_one(problem: dict[str, Any]) -> str:
    keys, model = _resolve(problem["loc"])
    name = ".".join(keys) or "settings"
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        known = sorted(model.model_fields) if model else []
        near = difflib.get_close_matches(keys[-1], known, n=1)
        hint = f" Did you mean {'.'.join([*keys[:-1], near[0]])!r}?" if near else ""
        return f"Unknown key {name!r}.{hint} Known there: {', '.join(known)}."
    if kind == "union_tag_invalid":
        return _explain_choice(f"{name}.type", context["tag"], context["expected_tags"])
    if kind == "literal_error":
        return _explain_choice(name, problem["input"], context["expected"])
    if kind in ("model_type", "model_attributes_type"):
        return f"{name} is a section of keys, not a value (given: {problem['input']!r})."
    if kind == "missing":
        return f"{name} is missing, and it has no default."
    message = problem["msg"].removeprefix("Value error, ")
    given = "" if kind == "value_error" else f" (given: {problem['input']!r})"
    return f"{name}: {message}{given}."


def _explain_choice(name: str, given: Any, allowed: str) -> str:
    """``allowed`` lists the choices in quotes, as pydantic does."""
    near = difflib.get_close_matches(str(given), re.findall(r"'([^']*)'", allowed), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{name} cannot be {given!r}. Allowed: {allowed}.{hint}"


def _resolve(location: tuple[int | str, ...]) -> tuple[list[str], type[BaseModel] | None]:
    """The keys as a user writes them, without pydantic's union tags, and the model that holds the last one."""
    keys: list[str] = []
    models: list[type[BaseModel]] = [Settings]
    for place, part in enumerate(location):
        tagged = [model for model in models if len(models) > 1 and _tag(model) == part]
        if tagged:
            models = tagged
            continue
        holder = models[0] if models else None
        keys.append(str(part))
        field = holder.model_fields.get(str(part)) if holder else None
        models = _models(field.annotation) if field else []
        if field is None or not models:
            return [*keys, *map(str, location[place + 1 :])], holder
    return keys, models[0] if len(models) == 1 else None


def _models(annotation: Any) -> list[type[BaseModel]]:
    """The sections that a field can hold."""
    if get_origin(annotation) in (Annotated, Union, UnionType):
        return [model for argument in get_args(annotation) for model in _models(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("type")
    return get_args(field.annotation)[0] if field else None
