"""What a change does to the policy, from `policy.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from lockgate.documents.text import ABSENT, clean_text, number, records
from lockgate.report.escape import code_span, finalize

Effect = Literal["loosens", "tightens", "changes", "minimum"]
_LOOSER_WHEN_LOWER = ("evaluate.floors.",)
_LOOSER_WHEN_HIGHER = ("evaluate.ceilings.", "gate.champion.margins.")


@dataclass(frozen=True)
class Change:
    """One key with its values at the base and in the change, and the one that judged."""

    key: str
    base: str
    head: str
    used: str
    effect: Effect


@dataclass(frozen=True)
class PolicyChanges:
    """`judging` are keys of the policy, `others` the rest of params.yaml; `first` says that the base had no policy."""

    judging: tuple[Change, ...]
    others: tuple[Change, ...]
    first: bool

    @property
    def altered(self) -> bool:
        """Whether the change alters the policy, and not only a platform's minimums raise it."""
        return any(change.base != change.head for change in self.judging)

    @property
    def loosened(self) -> int:
        """How many thresholds the change would lower, if it were judged by its own."""
        return sum(change.effect == "loosens" for change in self.judging)


def read_policy_changes(policy: Mapping[str, Any] | None) -> PolicyChanges:
    """The changes that a parsed `policy.json` lists; none where there is no such file."""
    found = records((policy or {}).get("changes"))
    return PolicyChanges(
        judging=tuple(_change(item) for item in found if item.get("kind") != "other"),
        others=tuple(_change(item) for item in found if item.get("kind") == "other"),
        first=(policy or {}).get("first") is True,
    )


def _change(item: Mapping[str, Any]) -> Change:
    key = clean_text(item.get("key"), 80)
    return Change(
        key, _value(item.get("base")), _value(item.get("head")), _value(item.get("used")), _effect(key, item)
    )  # fmt: skip


def _value(value: object) -> str:
    return ABSENT if value is None else clean_text(json.dumps(value, ensure_ascii=False), 60)


def _effect(key: str, item: Mapping[str, Any]) -> Effect:
    if item.get("kind") == "minimum" and item.get("base") == item.get("head"):
        return "minimum"
    base, head = number(item.get("base")), number(item.get("head"))
    lower, higher = key.startswith(_LOOSER_WHEN_LOWER), key.startswith(_LOOSER_WHEN_HIGHER)
    if base is None or not (lower or higher):
        return "changes"
    if head is None:
        return "loosens" if key.startswith("evaluate.") else "changes"
    return "loosens" if (head < base) == lower else "tightens"


REASONS = {
    "policy": "the base commit's value judges",
    "minimum": "raised to the platform's minimum",
    "other": "does not judge",
}


def render_policy(difference: Mapping[str, Any], minimums: bool) -> str:
    """Markdown for `policy.json`; names and values are somebody else's text and are shown as themselves."""
    environment = Environment(
        loader=PackageLoader("lockgate.report", "templates"),
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        autoescape=True,
    )
    environment.filters["code"] = code_span
    environment.filters["value"] = lambda value: code_span("-" if value is None else json.dumps(value))
    template = environment.get_template("policy.md.j2")
    return template.render(difference=difference, minimums=minimums, reasons=REASONS)
