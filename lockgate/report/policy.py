"""What a change does to the policy, from `policy.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

from lockgate.documents.document import JsonValue
from lockgate.documents.policy_json import PolicyChange, PolicyDifference
from lockgate.documents.text import ABSENT, clean_text, number
from lockgate.report.environments import markdown_templates

Effect = Literal["loosens", "tightens", "changes", "minimum"]
_LOOSER_WHEN_LOWER = ("evaluate.floors.",)
_LOOSER_WHEN_HIGHER = ("evaluate.ceilings.", "evaluate.event_rate_ratio", "gate.champion.margins.")
_LOOSER_WHEN_WARN = ("evaluate.leakage.plain", "evaluate.leakage.other")
_LOOSER_WHEN_LONGER = "evaluate.leakage.expected"
_NEW_DATA = "gate.champion.new_data"


@dataclass(frozen=True)
class ShownChange:
    """One key with its values at the base and in the change, and the one that judged."""

    key: str
    base: str
    head: str
    used: str
    effect: Effect


@dataclass(frozen=True)
class PolicyChanges:
    """`judging` are keys of the policy, `others` the rest of params.yaml; `first` says that the base had no policy."""

    judging: tuple[ShownChange, ...]
    others: tuple[ShownChange, ...]
    first: bool

    @property
    def altered(self) -> bool:
        """Whether the change alters the policy, and not only a platform's minimums raise it."""
        return any(change.base != change.head for change in self.judging)

    @property
    def loosened(self) -> int:
        """How many thresholds the change would lower, if it were judged by its own."""
        return sum(change.effect == "loosens" for change in self.judging)


def show_policy(difference: PolicyDifference | None) -> PolicyChanges:
    """The changes that `policy.json` lists; none where there is no such file."""
    if difference is None:
        return PolicyChanges((), (), False)
    return PolicyChanges(
        judging=tuple(_shown(change) for change in difference.changes if change.kind != "other"),
        others=tuple(_shown(change) for change in difference.changes if change.kind == "other"),
        first=difference.first,
    )


def _shown(change: PolicyChange) -> ShownChange:
    key = clean_text(change.key, 80)
    return ShownChange(key, _value(change.base), _value(change.head), _value(change.used), _effect(key, change))


def _value(value: JsonValue) -> str:
    return ABSENT if value is None else clean_text(json.dumps(value, ensure_ascii=False), 60)


def _effect(key: str, change: PolicyChange) -> Effect:
    if change.kind == "minimum" and change.base == change.head:
        return "minimum"
    if key in _LOOSER_WHEN_WARN:
        return "loosens" if change.head == "warn" else "tightens"
    if key == _NEW_DATA and change.head is not None:
        return "loosens" if change.head == "thresholds" else "tightens"
    if key == _LOOSER_WHEN_LONGER and isinstance(change.base, list) and isinstance(change.head, list):
        return "loosens" if set(change.head) - set(change.base) else "tightens"
    base, head = number(change.base), number(change.head)
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


def render_policy(difference: PolicyDifference, minimums: bool) -> str:
    """Markdown for `policy.json`; names and values are somebody else's text and are shown as themselves."""
    template = markdown_templates().get_template("policy.md.j2")
    return template.render(difference=difference, minimums=minimums, reasons=REASONS, as_json=_as_json)


def _as_json(value: JsonValue) -> str:
    return "-" if value is None else json.dumps(value)
