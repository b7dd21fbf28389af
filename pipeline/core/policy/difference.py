"""How a change's policy differs from the one that judges it: the content of `reports/policy.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.core.common.params import Evaluate, Gate

POLICY_VERSION = 1
POLICY_SECTIONS = ("evaluate", "gate")
Kind = Literal["policy", "minimum", "other"]
CHAMPION_SOURCE = "gate.champion.source"


@dataclass(frozen=True)
class Side:
    """A policy with its defaults filled in, and the other sections of its params file as they are written."""

    evaluate: Evaluate
    gate: Gate
    others: Mapping[str, Any]

    def values(self) -> dict[str, Any]:
        """Every value by its dotted key."""
        policy = {"evaluate": self.evaluate.model_dump(mode="json"), "gate": self.gate.model_dump(mode="json")}
        return dict(_leaves({**policy, **self.others}))


def policy_difference(base: Side | None, head: Side, used: Side) -> dict[str, Any]:
    """`policy.json` for a change from `base` (None: there was no policy yet) to `head`, judged by `used`.

    A change is listed where base and head differ, or where neither judged. `kind` is `policy` where the base's value
    judged in place of the head's, `minimum` where a platform's minimum did, `other` for sections that do not judge.
    Where the champion is from may be chosen where the gate is called; that alone is no change.
    """
    before, after, judged = (base or head).values(), head.values(), used.values()
    changes = [
        {"key": key, "base": before.get(key), "head": after.get(key), "used": judged.get(key), "kind": kind}
        for key in sorted(before.keys() | after.keys() | judged.keys())
        if (kind := _kind(key, before.get(key), after.get(key), judged.get(key)))
    ]
    return {
        "schema": POLICY_VERSION,
        "changed": any(change["kind"] != "other" and change["base"] != change["head"] for change in changes),
        "first": base is None,
        "changes": changes,
    }


def _kind(key: str, base: Any, head: Any, used: Any) -> Kind | None:
    if key.split(".")[0] not in POLICY_SECTIONS:
        return "other" if base != head else None
    if used != base and key != CHAMPION_SOURCE:
        return "minimum"
    return "policy" if base != head else None


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        elif not isinstance(value, Mapping):
            yield f"{prefix}{name}", value
