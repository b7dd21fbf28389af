"""How a change's policy differs from the one that judges it: the content of `reports/policy.json`."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from ruamel.yaml import YAML

from lockgate.config.errors import InputError
from lockgate.config.params import Evaluate, Finite, Gate, Name, Sample, Section, read_policy
from lockgate.config.thresholds import check_ceilings, check_floors
from lockgate.config.yaml_file import read_yaml
from lockgate.documents.document import JsonValue
from lockgate.documents.policy_json import ChangeKind, PolicyChange, PolicyDifference

POLICY_SECTIONS = ("evaluate", "gate")
CHAMPION_SOURCE = "gate.champion.source"


@dataclass(frozen=True)
class PolicySettings:
    """A policy with its defaults filled in, and the other sections of its params file as they are written."""

    evaluate: Evaluate
    gate: Gate
    others: Mapping[str, JsonValue]

    @property
    def policy(self) -> dict[str, JsonValue]:
        """The two sections, as JSON has them."""
        return {name: getattr(self, name).model_dump(mode="json") for name in POLICY_SECTIONS}

    def values(self) -> dict[str, JsonValue]:
        """Every value by its dotted key."""
        return dict(_leaves({**self.policy, **self.others}))


def policy_difference(base: PolicySettings | None, head: PolicySettings, used: PolicySettings) -> PolicyDifference:
    """`policy.json` for a change from `base` (None: there was no policy yet) to `head`, judged by `used`.

    A change is listed where base and head differ, or where neither judged.
    Where the champion is from may be chosen where the gate is called; that alone is no change.
    """
    before, after, judged = (base or head).values(), head.values(), used.values()
    changes = tuple(
        PolicyChange(key, before.get(key), after.get(key), judged.get(key), kind)
        for key in sorted(before.keys() | after.keys() | judged.keys())
        if (kind := _kind(key, before.get(key), after.get(key), judged.get(key)))
    )
    changed = any(change.kind != "other" and change.base != change.head for change in changes)
    return PolicyDifference(changed=changed, first=base is None, changes=changes)


def _kind(key: str, base: JsonValue, head: JsonValue, used: JsonValue) -> ChangeKind | None:
    if key.split(".")[0] not in POLICY_SECTIONS:
        return "other" if base != head else None
    if used != base and key != CHAMPION_SOURCE:
        return "minimum"
    return "policy" if base != head else None


def _leaves(values: Mapping[str, JsonValue], prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        elif not isinstance(value, Mapping):
            yield f"{prefix}{name}", value


def read_policy_settings(path: Path) -> PolicySettings:
    """The policy in a params file, defaults where it has none.

    Raises InputError naming the file and the key.
    """
    document = read_yaml(path)
    stated = any(name in document for name in POLICY_SECTIONS)
    evaluate, gate = read_policy(path) if stated else (Evaluate(), Gate())
    return PolicySettings(
        evaluate, gate, {name: value for name, value in document.items() if name not in POLICY_SECTIONS}
    )


def policy_file(side: PolicySettings) -> bytes:
    """YAML with every value of the two sections."""
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(side.policy, stream)
    return stream.getvalue().encode()


class Minimums(Section):
    """Floors that no params file lowers, ceilings that none raises, and the smallest test set."""

    floors: Annotated[dict[Name, Finite], AfterValidator(check_floors)] = Field(default={})
    ceilings: Annotated[dict[Name, Finite], AfterValidator(check_ceilings)] = Field(default={})
    sample: Sample = Field(default=Sample(rows=2, per_class=1))


def read_minimums(path: Path) -> Minimums:
    """The minimums in a YAML file.

    Raises InputError with one line naming the file and the key.
    """
    document = read_yaml(path)
    try:
        return Minimums.model_validate(document)
    except ValidationError as failure:
        error = failure.errors()[0]
        key = ".".join(map(str, error["loc"]))
        if error["type"] == "extra_forbidden":
            raise InputError(f"{path}: unknown key `{key}`; minimums are `floors`, `ceilings` and `sample`") from None
        raise InputError(f"{path}: `{key}`: {error['msg'].removeprefix('Value error, ')}") from None


def with_minimums(settings: PolicySettings, minimums: Minimums) -> PolicySettings:
    """The policy with each floor and the sample at least, and each ceiling at most, what the minimums say."""
    evaluate, gate = settings.evaluate, settings.gate
    floors, ceilings = dict(evaluate.floors), dict(evaluate.ceilings)
    for name, floor in minimums.floors.items():
        floors[name] = max(floor, floors.get(name, floor))
    for name, ceiling in minimums.ceilings.items():
        ceilings[name] = min(ceiling, ceilings.get(name, ceiling))
    sample = Sample(
        rows=max(gate.sample.rows, minimums.sample.rows),
        per_class=max(gate.sample.per_class, minimums.sample.per_class),
    )
    return replace(
        settings,
        evaluate=evaluate.model_copy(update={"floors": floors, "ceilings": ceilings}),
        gate=gate.model_copy(update={"sample": sample}),
    )
