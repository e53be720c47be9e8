"""Command-line options for every key of build.yaml, made from the config's own fields.

Each key is an option by its last name where no other key has it (`--per-host 2`), else by its full
path (`--fetch.retries 2`), and a few have the name that people look for (ALIASES). The full path is
understood for every key (`with_listed_names`); help lists one name each.
"""

import inspect
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_origin

import typer
import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from schemas.config import BuildConfig
from schemas.errors import UsageError

ALIASES = {
    "registry.url": "--registry",
    "workers.count": "--workers",
    "model.name": "--model",
    "output.format": "--output-format",
    "source.name": "--source-name",
    "signals.max_signal_age_h": "--max-signal-age",
}
TAKEN = {"format", "name", "url", "count"}
WHOLE = {"filters"}
"""Lists whose values may hold commas."""

SECTIONS = {"registry.lists"}
"""Lists of sections; each value on the command line is one of them, as YAML: {name: a, key: b}."""


@dataclass(frozen=True, slots=True)
class Key:
    """One leaf of the config."""

    path: str
    field: FieldInfo

    @property
    def leaf(self) -> str:
        return self.path.rsplit(".", 1)[-1]

    @property
    def parameter(self) -> str:
        return "opt_" + self.path.replace(".", "__")

    @property
    def is_list(self) -> bool:
        return get_origin(self.field.annotation) is tuple

    @property
    def is_flag(self) -> bool:
        return self.field.annotation is bool


def keys(model: type[BaseModel] = BuildConfig, prefix: str = "") -> Iterator[Key]:
    """Yield every leaf of the config, in the order of its definition."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if inspect.isclass(kind) and issubclass(kind, BaseModel):
            yield from keys(kind, f"{prefix}{name}.")
        else:
            yield Key(f"{prefix}{name}", field)


def option_names(key: Key, shared: Counter[str]) -> list[str]:
    """Return the option names of a key, the shortest first."""
    names = []
    if key.path in ALIASES:
        names.append(ALIASES[key.path])
    elif shared[key.leaf] == 1 and key.leaf not in TAKEN:
        names.append("--" + key.leaf.replace("_", "-"))
    full = "--" + key.path.replace("_", "-")
    return [*names, full] if full not in names else names


def parameters() -> list[inspect.Parameter]:
    """Return one keyword parameter for each key, as typer reads them."""
    all_keys = list(keys())
    shared = Counter(k.leaf for k in all_keys)
    return [_parameter(k, option_names(k, shared)[:1]) for k in all_keys]


def with_listed_names(arguments: Sequence[str]) -> list[str]:
    """Return command-line arguments with each option's full path replaced by its listed name."""
    all_keys = list(keys())
    shared = Counter(k.leaf for k in all_keys)
    listed: dict[str, str] = {}
    for key in all_keys:
        short, *full = option_names(key, shared)
        for name in full:
            listed[name] = short
            listed[_negated(name)] = _negated(short)
    found = []
    for argument in arguments:
        name, equals, value = argument.partition("=")
        found.append(listed.get(name, name) + equals + value)
    return found


def _parameter(key: Key, names: list[str]) -> inspect.Parameter:
    section = key.path.rsplit(".", 1)[0] if "." in key.path else "build"
    default = key.field.get_default()
    shown = ",".join(default) if isinstance(default, tuple) else str(default)
    text = f"{key.field.description or key.leaf}"
    if shown and default is not None:
        text += f" (default {shown})"
    kind: Any = str
    if key.is_flag:
        kind = bool
        names = [f"{n}/{_negated(n)}" for n in names]
    elif key.is_list:
        kind = list[str]
    option = typer.Option(*names, help=text, rich_help_panel=section, show_default=False)
    return inspect.Parameter(
        key.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _negated(name: str) -> str:
    head, dot, leaf = name[2:].rpartition(".")
    return f"--{head}{dot}no-{leaf}"


def overrides(given: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the options that were given into nested config values."""
    found: dict[str, Any] = {}
    for key in keys():
        value = given.get(key.parameter)
        if value is None or value == []:
            continue
        if key.path in SECTIONS:
            value = [_section(key, text) for text in value]
        elif key.is_list and key.leaf not in WHOLE:
            value = [piece for text in value for piece in text.split(",") if piece]
        _set(found, key.path, value)
    return found


def _section(key: Key, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise UsageError(f"expected {key.path} as {{key: value, …}}, found {text!r:.120}") from e


def read_config(text: str | None, given: Mapping[str, Any], where: str) -> BuildConfig:
    """Return the config of a YAML text with overrides on top.

    Raises UsageError for YAML that cannot be read, an unknown key or a value of the wrong kind.
    """
    try:
        loaded = yaml.safe_load(text) if text is not None else {}
    except yaml.YAMLError as e:
        raise UsageError(f"expected YAML in {where}: {e}") from e
    if loaded is None:
        loaded = {}
    if not isinstance(loaded, dict):
        raise UsageError(f"expected keys and values in {where}, found {type(loaded).__name__}")
    try:
        return BuildConfig.model_validate(_merged(loaded, given))
    except ValidationError as e:
        raise UsageError(_explained(e, where)) from e


def _explained(error: ValidationError, where: str) -> str:
    known = [k.path for k in keys()]
    lines = [f"the config ({where} and the command line) cannot be used:"]
    for problem in error.errors():
        path = ".".join(str(p) for p in problem["loc"])
        if problem["type"] == "extra_forbidden":
            near = _nearest(path, known)
            lines.append(f"  unknown key {path!r}" + (f"; did you mean {near!r}?" if near else ""))
        else:
            lines.append(f"  {path or 'config'}: {problem['msg']}, found {problem['input']!r:.80}")
    return "\n".join(lines)


def _nearest(path: str, known: list[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415  # only after a mistake

    leaves = {k.rsplit(".", 1)[-1]: k for k in known}
    close = get_close_matches(path, known, n=1) or get_close_matches(
        path.rsplit(".", 1)[-1], list(leaves), n=1
    )
    return leaves.get(close[0], close[0]) if close else None


def _set(target: dict[str, Any], path: str, value: Any) -> None:
    *sections, leaf = path.split(".")
    for section in sections:
        target = target.setdefault(section, {})
    target[leaf] = value


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        below = result.get(key)
        result[key] = (
            _merged(below, value)
            if isinstance(value, Mapping) and isinstance(below, dict)
            else value
        )
    return result


def as_yaml() -> str:
    """Return build.yaml with every key at its default, each with what it means."""
    lines = ["# Every key of build.yaml at its default; leave out what you do not change."]
    section = ""
    for key in sorted(keys(), key=lambda k: "." in k.path):  # keys of no section first
        head, _, leaf = key.path.rpartition(".")
        if head != section:
            lines += ["", f"{head}:"]
            section = head
        default = key.field.get_default()
        value = list(default) if isinstance(default, tuple) else default
        text = json.dumps(value) if value != float("inf") else ".inf"
        indent = "  " if head else ""
        lines.append(f"{indent}{leaf}: {text}  # {key.field.description}")
    return "\n".join(lines) + "\n"
