"""The kit's JSON files from a stranger's hands: parsed strictly, and held against their schemas."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry, Resource

from lockgate.config.errors import InputError

DEEPEST = 12
LONGEST_NUMBER = 40
_SCHEMAS = files("lockgate.documents") / "schemas"
# File of the artifact to the schema of the same stem.
DOCUMENTS = (
    "gate.json",
    "metrics.json",
    "drift.json",
    "train.json",
    "schema.json",
    "manifest.json",
    "policy.json",
    "plots/roc.json",
    "plots/precision_recall.json",
    "plots/calibration.json",
    "plots/scores.json",
)


def parse_document(name: str, content: bytes) -> Any:
    """The value of the document `name`, one of `DOCUMENTS`.

    Raises InputError where it is not UTF-8 JSON of at most `DEEPEST` levels without NaN, infinities, duplicate keys or
    endless numbers, and where it does not fit its schema.
    """
    value = _parse(name, content)
    found = best_match(_validator(name.removeprefix("plots/").removesuffix(".json")).iter_errors(value))
    if found is not None:
        raise InputError(f"{name} does not fit its schema: {_explain(found)}")
    return value


def _parse(name: str, content: bytes) -> Any:
    def refuse(what: str) -> Callable[[str], NoReturn]:
        def refusal(_: str) -> NoReturn:
            raise InputError(f"{name} holds {what}")

        return refusal

    def number(convert: Callable[[str], float]) -> Callable[[str], float]:
        def converted(text: str) -> float:
            return convert(text) if len(text) <= LONGEST_NUMBER else refuse("an endless number")(text)

        return converted

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        return made if len(made) == len(pairs) else refuse("a key twice")("")

    try:
        value = json.loads(
            content.decode("utf-8"),
            parse_int=number(int),
            parse_float=number(float),
            parse_constant=refuse("a number that is none"),
            object_pairs_hook=unique,
        )
    except (ValueError, RecursionError):
        raise InputError(f"{name} is not valid JSON") from None
    if _is_deeper(value, DEEPEST):
        raise InputError(f"{name} is nested more than {DEEPEST} levels deep")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Level by level, so that the nesting itself cannot exhaust anything."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True


@cache
def _validator(schema: str) -> Draft202012Validator:
    shared = Resource.from_contents(_schema("definitions"))
    registry: Registry[Any] = Registry().with_resource("definitions.schema.json", shared)
    return Draft202012Validator(_schema(schema), registry=registry)


def _schema(name: str) -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads((_SCHEMAS / f"{name}.schema.json").read_text())
    return content


def _explain(error: ValidationError) -> str:
    """Where and why, without the value: it is the stranger's, and may be as long as the file."""
    place = ".".join(str(part) for part in error.absolute_path)[:120] or "the whole"
    return f"{place} breaks the rule '{error.validator}'"
