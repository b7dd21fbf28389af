"""The name of a model where a repository has several, and what carries it. The empty name is that of the only model."""

from __future__ import annotations

import re

from lockgate.config.errors import InputError

MAX_LENGTH = 39
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_VERSION = re.compile(r"v[0-9]")  # `model-v1...` is the tag of the model without a name


def require_name(name: str, what: str = "name") -> str:
    """`name`, where it is empty or may be a model's name; `what` is what the user calls it, as in `--name`.

    Raises InputError, one line, for anything else.
    """
    if name and (len(name) > MAX_LENGTH or not _NAME.fullmatch(name) or _VERSION.match(name)):
        raise InputError(
            f"`{what}` is {name[:MAX_LENGTH]!r}; a model's name has lower-case letters, digits and single dashes between them, "
            f"at most {MAX_LENGTH} characters, and does not begin like a version, as in `credit-cards`"
        )
    return name


def suffixed(word: str, name: str) -> str:
    """`report` of the only model, `report-credit-cards` of the model `credit-cards`: of artifacts, images and marks."""
    return f"{word}-{name}" if name else word


def tag_prefix(name: str) -> str:
    """What stands before the version in the git tag of a release: `model-` or `model-credit-cards-`."""
    return f"{suffixed('model', name)}-"
