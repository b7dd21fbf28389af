"""Reading YAML as DVC does: version 1.2, where `1e-3` is a number and `no` is a word, and no key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, StreamMark, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from lockgate.config.errors import InputError
from lockgate.config.files import open_file, read_at_most
from lockgate.config.limits import YAML_BYTES, YAML_DEPTH, YAML_VALUES


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in `path`; an empty file is an empty mapping.

    Raises InputError where the file is missing, not YAML, beyond a limit, or not a mapping.
    """
    try:
        with open_file(path) as stream:
            content = read_at_most(stream, YAML_BYTES, str(path))
        document = parse_yaml(content.decode(), str(path))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; run in the folder of params.yaml or name one with --params") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from None
    except DuplicateKeyError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{path} line {line}: a key stands there twice; keep one") from None
    except (MarkedYAMLError, YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise InputError(f"{path}{place} is not valid YAML: {problem}; {_how_to_fix(content, mark)}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(f"{path} holds {type(document).__name__}, not sections such as `prepare:` and `train:`")
    return document


def _how_to_fix(content: bytes, mark: StreamMark | None) -> str:
    lines = content.splitlines()
    conflict = next((at for at, line in enumerate(lines, start=1) if line.startswith(b"<<<<<<< ")), None)
    if conflict is not None:
        return f"a merge left both sides of a conflict there, from line {conflict} on: keep one"
    broken = lines[mark.line] if mark and mark.line < len(lines) else b""
    return "indent with spaces, not with tabs" if b"\t" in broken else "correct the line"


def parse_yaml(text: str, where: str) -> Any:
    """The value in `text`, of plain types only; `where` names it in errors.

    Raises InputError beyond a limit, before anything is built, and ruamel's own errors where the text is not YAML.
    """
    _require_limits(text, where)
    return YAML(typ="safe", pure=True).load(text)


def _require_limits(text: str, where: str) -> None:
    """Count the values as they will be once every alias is written out: a few lines of aliases can stand for billions."""
    anchored: dict[
        str, int
    ] = {}  # how many values each anchor stands for; an alias to one that is still open is itself
    opened: list[tuple[str | None, int]] = []
    values = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, AliasEvent):
            if event.anchor not in anchored:
                raise InputError(
                    f"{where}: the alias `*{event.anchor}` stands for something that holds it; write it out"
                )
            values += anchored[event.anchor]
        elif isinstance(event, ScalarEvent):
            values += 1
            if event.anchor:
                anchored[event.anchor] = 1
        elif isinstance(event, CollectionStartEvent):
            anchored.pop(event.anchor or "", None)
            opened.append((event.anchor, values))
            values += 1
            YAML_DEPTH.require(len(opened), where)
        elif isinstance(event, CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                anchored[anchor] = values - before
        YAML_VALUES.require(values, where)
