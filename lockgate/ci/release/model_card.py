"""The model card of a release: what the model is for, what it was measured on, how well, where it is weak."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.ci.release.version import ReleaseVersion
from lockgate.documents.release_json import ImageRecord
from lockgate.documents.text import clean_text
from lockgate.report.environments import markdown_templates
from lockgate.report.facts import ReportFacts
from lockgate.report.view import read_view

SECTIONS = ("overview", "data", "metrics", "slices", "fairness", "drift", "limits", "identity")


@dataclass(frozen=True)
class Card:
    """What a card says beside the report's facts.

    `repository` is OWNER/NAME on GitHub; `signer` the workflow that signed the attestations, empty where nothing is attested.
    """

    name: str
    repository: str
    version: ReleaseVersion
    record: ImageRecord
    signer: str
    facts: ReportFacts


def render_card(card: Card) -> str:
    """The card as GitHub's Markdown; equal facts give equal text, and nothing in it is taken for markup.

    Metrics have their intervals; whatever was not measured is said to be unknown, not left out.
    """
    view = read_view(card.facts)
    schema = card.facts.schema
    decision = card.facts.gate.decision if card.facts.gate else None
    checks = view.verdict.checks
    context = {
        "view": view,
        "card": card,
        "features": [(clean_text(feature.name), feature.kind) for feature in schema.features] if schema else [],
        "audit": [clean_text(column.name) for column in schema.audit] if schema else [],
        "threshold": decision.threshold if decision else None,
        "favourable": "at or above" if decision and decision.favourable == "above" else "below",
        "compared": [check for check in checks if check.kind == "fairness"],
        "warnings": [check for check in checks if check.status == "warn"],
    }
    module = markdown_templates().get_template("model_card.md.j2").make_module(context)
    return "\n\n".join(str(getattr(module, section)()).strip() for section in SECTIONS) + "\n"
