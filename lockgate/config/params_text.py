"""`params.yaml` as text, for a project that begins: the keys that are not the defaults, with a reason behind each."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from lockgate.config.visible_text import visible_text
from lockgate.config.yaml_file import parse_yaml

Scalar = str | int | float
PLAIN = re.compile(r"[A-Za-z_./](?:[\w ./-]*[\w./-])?", re.ASCII)
LONGEST_LIST = 80  # characters of a list on one line


class Setting(NamedTuple):
    """A key of `params.yaml`, by its path, with its value and why it has it."""

    path: tuple[str, ...]
    value: Scalar | list[str]
    reason: str = ""


def params_text(settings: Sequence[Setting], heading: str) -> str:
    """The file, in which settings of one section stand together, in the order given."""
    lines = [f"# {heading}", *_lines(settings, 0)]
    return "\n".join(lines) + "\n"


def _lines(settings: Sequence[Setting], depth: int) -> list[str]:
    """The lines of settings whose paths agree in their first `depth` keys."""
    lines: list[str] = []
    indent = "  " * depth
    for key in dict.fromkeys(one.path[depth] for one in settings):
        inside = [one for one in settings if one.path[depth] == key]
        if len(inside[0].path) > depth + 1:
            if depth == 0 and lines:
                lines.append("")
            lines += [f"{indent}{_scalar(key)}:", *_lines(inside, depth + 1)]
            continue
        (one,) = inside
        reason = f"  # {visible_text(one.reason)}" if one.reason else ""
        if isinstance(one.value, list) and len(line := _flow(one.value)) > LONGEST_LIST:
            lines += [f"{indent}{_scalar(key)}:{reason}", *(f"{indent}  - {_scalar(text)}" for text in one.value)]
        else:
            line = _flow(one.value) if isinstance(one.value, list) else _scalar(one.value)
            lines.append(f"{indent}{_scalar(key)}: {line}{reason}")
    return lines


def _flow(values: Sequence[str]) -> str:
    return f"[{', '.join(map(_scalar, values))}]"


def _scalar(value: Scalar) -> str:
    """A value as YAML reads it again: a text in quotes where it would be something else, or end, without them."""
    if not isinstance(value, str):
        return json.dumps(value)
    if PLAIN.fullmatch(value) and parse_yaml(value, "a text") == value:
        return value
    return '"' + "".join(_escaped(letter) for letter in value) + '"'


def _escaped(letter: str) -> str:
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else f"\\U{ord(letter):08X}"
