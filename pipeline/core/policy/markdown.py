"""The policy's difference for a job's summary."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

REASONS = {
    "policy": "the base commit's value judges",
    "minimum": "raised to the platform's minimum",
    "other": "does not judge",
}


def render_policy(difference: Mapping[str, Any], minimums: bool) -> str:
    """Markdown for `policy.json`; names and values are somebody else's text and are shown as themselves."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from pipeline.core.report.escape import code_span, finalize

    environment = Environment(
        loader=PackageLoader("pipeline.core.policy"),
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
