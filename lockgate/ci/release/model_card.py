"""The model card of a release: what the model is for, what it was measured on, how well, where it is weak."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockgate.ci.release.image import ImageRecord
from lockgate.ci.release.version import ReleaseVersion
from lockgate.documents.gate_json import Check
from lockgate.documents.text import clean_text, fraction, records
from lockgate.report.environments import markdown_templates
from lockgate.report.facts import ReportFacts
from lockgate.report.view import read_view

SECTIONS = ("overview", "data", "metrics", "slices", "fairness", "drift", "limits", "identity")


@dataclass(frozen=True)
class Card:
    """What a card says beside the report's facts. `repository` is OWNER/NAME on GitHub."""

    name: str
    repository: str
    version: ReleaseVersion
    record: ImageRecord
    facts: ReportFacts


def render_card(card: Card) -> str:
    """The card as GitHub's Markdown; equal facts give equal text, and nothing in it is taken for markup.

    Metrics have their intervals; whatever was not measured is said to be unknown, not left out.
    """
    view = read_view(card.facts)
    features = [(clean_text(item.get("name")), clean_text(item.get("kind"), 20)) for item in _features(card.facts)]
    decision = _mapping((card.facts.gate or {}).get("decision"))
    checks = view.verdict.checks
    context = {
        "view": view,
        "card": card,
        "features": features,
        "audit": [clean_text(item.get("name")) for item in records(_mapping(card.facts.schema).get("audit"))],
        "threshold": fraction(decision.get("threshold")),
        "favourable": "below" if decision.get("favourable") != "above" else "at or above",
        "compared": _of_kind(checks, "fairness"),
        "warnings": [check for check in checks if check.status == "warn"],
    }
    module = markdown_templates().get_template("model_card.md.j2").make_module(context)
    return "\n\n".join(str(getattr(module, section)()).strip() for section in SECTIONS) + "\n"


def _features(facts: ReportFacts) -> tuple[Mapping[str, Any], ...]:
    return records(_mapping(facts.schema).get("features"))


def _of_kind(checks: tuple[Check, ...], kind: str) -> list[Check]:
    return [check for check in checks if check.kind == kind]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
