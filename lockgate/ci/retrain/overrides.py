"""Parameter overrides as somebody typed them into a form, checked and written into `params.yaml`."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.util import load_yaml_guess_indent

from lockgate.config.errors import InputError
from lockgate.config.params import Params, read_params
from lockgate.config.suggest import nearest
from lockgate.config.yaml_file import parse_yaml, read_yaml

MAX_CHARACTERS = 10_000
# What judges a model is changed where people look at the change by itself, never together with the model it lets pass.
POLICY = ("evaluate", "gate")
FORM = "write lines such as `train.max_depth=5`, or YAML such as `train: {max_depth: 5}`"

Overrides = dict[tuple[str, ...], Any]


def parse_overrides(text: str) -> Overrides:
    """The values by their path, such as ("train", "max_depth"), from lines `a.b=value` or a YAML mapping.

    Values are YAML scalars or flow collections. Text is only ever parsed: nothing in it is run or expanded.
    Raises InputError where it is neither form, names something twice, or names a part of the policy.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"the overrides have {len(text):,} characters; at most {MAX_CHARACTERS:,} are read")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    found: Overrides = {}
    for path, value in _assignments(lines) if _are_assignments(lines) else _leaves(_mapping(text)):
        if path in found:
            raise InputError(f"the overrides name `{'.'.join(path)}` twice; keep one")
        if path[0] in POLICY:
            raise InputError(
                f"the overrides name `{'.'.join(path)}`, which judges the model; "
                "change the policy in a pull request of its own"
            )
        found[path] = value
    return found


def apply_overrides(params_path: Path, overrides: Mapping[tuple[str, ...], Any]) -> bytes:
    """The content of `params.yaml` with the overrides, its comments and order kept, and valid as a whole.

    Raises InputError naming an unknown key and the nearest known one, or the value that is not allowed there.
    """
    read_yaml(params_path)  # one clear line for a file that is broken already
    before = params_path.read_bytes()
    if not overrides:
        return before
    writer = _writer(before.decode())
    document = writer.load(before.decode()) or {}
    known = Params().model_dump(by_alias=True)
    for path, value in overrides.items():
        _set(document, known, path, value)
    stream = io.StringIO()
    writer.dump(document, stream)
    content = stream.getvalue().encode()
    _check(content, params_path)
    return content


def _are_assignments(lines: list[str]) -> bool:
    """Lines `key=value` are what has an equals sign before any colon, brace or quote."""
    return bool(lines) and all("=" in line and not set(line.partition("=")[0]) & set(":{}\"' ,") for line in lines)


def _assignments(lines: list[str]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for line in lines:
        key, _, value = line.partition("=")
        path = tuple(key.split("."))
        if len(path) < 2 or not all(path):
            raise InputError(f"the override {line!r} names no section; {FORM}")
        yield path, _plain(value, f"the value of `{key}`")


def _mapping(text: str) -> Mapping[str, Any]:
    value = _plain(text, "the overrides")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InputError(f"the overrides are {type(value).__name__}, not names with values; {FORM}")
    return value


def _leaves(mapping: Mapping[Any, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Values two levels down, `section: {key: value}`; what a key holds is its value, a mapping as much as a number."""
    for section, values in mapping.items():
        if not isinstance(section, str) or not isinstance(values, Mapping) or not values:
            raise InputError(f"the override {section!r} is no section with keys; {FORM}")
        for key, value in values.items():
            yield (section, str(key)), value


def _plain(text: str, what: str) -> Any:
    try:
        value = parse_yaml(text, f"the YAML of {what}")
    except (YAMLError, ValueError, RecursionError):
        raise InputError(f"{what} cannot be read as YAML; {FORM}") from None
    return value


def _set(document: MutableMapping[str, Any], known: Mapping[str, Any], path: tuple[str, ...], value: Any) -> None:
    for depth, part in enumerate(path):
        here = ".".join(path[: depth + 1])
        # An empty mapping among the defaults has keys of the user's own, such as columns.
        if known and part not in known:
            raise InputError(f"the overrides name `{here}`, which params.yaml does not know; {nearest(part, known)}")
        if depth == len(path) - 1:
            document[part] = value
            return
        inner = known.get(part)
        if not isinstance(inner, Mapping):
            raise InputError(f"the overrides name `{'.'.join(path)}`, but `{here}` holds one value and no keys")
        known = inner
        if not isinstance(document.get(part), MutableMapping):
            document[part] = {}
        document = document[part]


def _check(content: bytes, params_path: Path) -> None:
    """The file as it would be has to be one that every command takes."""
    with tempfile.TemporaryDirectory() as folder:
        changed = Path(folder) / params_path.name
        changed.write_bytes(content)
        try:
            read_params(changed)
        except InputError as error:
            raise InputError(str(error).replace(str(changed), f"{params_path} with the overrides")) from None


def _writer(text: str) -> YAML:
    """A writer that keeps comments, quotes and the file's own indentation."""
    _, indent, offset = load_yaml_guess_indent(text)
    writer = YAML()
    writer.preserve_quotes = True
    writer.width = 10_000
    writer.indent(mapping=2, sequence=indent or 2, offset=offset or 0)
    writer.Representer = _Representer
    return writer


class _Representer(RoundTripRepresenter):
    """Writes `null` in words: an empty value, ruamel's own choice, reads as one that was forgotten."""


_Representer.add_representer(type(None), lambda self, _: self.represent_scalar("tag:yaml.org,2002:null", "null"))
