"""Reading YAML as DVC does: version 1.2, where `1e-3` is a number and `no` is a word, and no key twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from lockgate.config.errors import InputError


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in `path`; an empty file is an empty mapping.

    Raises InputError where the file is missing, not YAML, or not a mapping.
    """
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
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
        raise InputError(f"{path}{place} is not valid YAML: {problem}") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InputError(f"{path} holds {type(document).__name__}, not sections such as `prepare:` and `train:`")
    return document
