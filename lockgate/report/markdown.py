"""The report as a comment on a pull request: GitHub's Markdown, the verdict first."""

from __future__ import annotations

from lockgate.report.environments import markdown_templates
from lockgate.report.facts import ReportFacts
from lockgate.report.mermaid import psi_chart
from lockgate.report.view import read_view

# GitHub refuses comments over 65,536 characters; counting bytes and leaving room for a poster's own marks is safe.
BYTE_LIMIT = 60_000
SECTIONS = (
    "summary",
    "policy",
    "run",
    "checks",
    "drift",
    "identity",
    "slices_details",
    "drift_details",
    "checks_details",
    "thresholds",
    "model",
    "parameters",
    "columns",
)
_ORDER = (
    "summary",
    "policy",
    "checks",
    "drift",
    "checks_details",
    "slices_details",
    "drift_details",
    "thresholds",
    "model",
    "columns",
    "parameters",
    "identity",
)


def render_markdown(facts: ReportFacts) -> str:
    """The report for a pull request; equal facts give equal text.

    At most `BYTE_LIMIT` bytes of UTF-8: sections that do not fit are left out whole, the least important first, and the
    text says which.
    """
    view = read_view(facts)
    chart = psi_chart(view.drift) if view.drift is not None else None
    module = markdown_templates().get_template("report.md.j2").make_module({"view": view, "chart": chart})
    room = BYTE_LIMIT - 1000
    kept: dict[str, str] = {}
    left_out: list[str] = []
    for name in SECTIONS:
        text = str(getattr(module, name)()).strip()
        size = len(text.encode()) + 2
        if size <= room:
            kept[name] = text
            room -= size
        else:
            left_out.append(name)
    parts = [kept.get(name, "") for name in _ORDER]
    if left_out:
        parts.append(str(module.left_out(left_out)).strip())  # type: ignore[attr-defined]
    parts.append(kept.get("run", ""))
    return "\n\n".join(part for part in parts if part) + "\n"
