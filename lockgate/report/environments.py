"""The two template environments. Both escape whatever a template prints, each for its own format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lockgate.config.metric_names import metric_title
from lockgate.documents import text as report_text
from lockgate.report import escape as report_escape
from lockgate.report.drift import effect_words

_FORMATS: Mapping[str, Callable[..., str]] = {
    "metric": report_text.format_metric,
    "metric_title": metric_title,
    "psi": report_text.format_psi,
    "effect": effect_words,
    "margin": report_text.format_margin,
    "share": report_text.format_share,
    "p_value": report_text.format_p_value,
    "count": report_text.format_count,
}


@cache
def markdown_templates() -> Environment:
    """Templates of GitHub's Markdown; each filter of escape.py is for its own place in it."""
    environment = _environment(finalize=report_escape.finalize)
    environment.filters["code"] = report_escape.code_span
    environment.filters["plain"] = report_escape.plain_line
    environment.filters["shell"] = report_escape.shell_word
    environment.filters["address"] = report_escape.address
    return environment


@cache
def html_templates() -> Environment:
    """Templates of HTML."""
    return _environment(finalize=report_escape.visible_value)


def _environment(**options: Any) -> Environment:
    environment = Environment(
        loader=PackageLoader("lockgate.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters.update(_FORMATS)
    return environment
