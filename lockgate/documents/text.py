"""Untrusted text made harmless to lay out, and numbers made readable. Escaping for a format is that format's."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping

ABSENT = "n/a"
NO_NAME = "(no name)"
NAME_LIMIT = 60
REASON_LIMIT = 240
_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
# Letters to Unicode but blank to the eye: a name made of them would look like no name.
_BLANK_LETTERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_MINUS = "\u2212"
_PERCENT = "\u00a0%"
_MAX_MARKS = 2
_MAX_CHARACTERS = 2000
_DECIMAL = re.compile(r"-?\d+\.\d+(?:[eE][+-]?\d+)?")


def clean_text(value: object, limit: int = NAME_LIMIT) -> str:
    """One visible line of at most `limit` characters; empty where there is nothing to show.

    Control, bidirectional, zero-width and unassigned characters become U+FFFD, white space one space, piles of
    combining marks are cut, and the middle of what is too long becomes an ellipsis, so that both ends tell it apart.
    """
    text = _as_text(value)
    if len(text) > 2 * _MAX_CHARACTERS:
        text = text[:_MAX_CHARACTERS] + text[-_MAX_CHARACTERS:]
    text = " ".join(text.split())
    visible: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if marks > _MAX_MARKS:
            continue
        hidden = category in _INVISIBLE or character in _BLANK_LETTERS
        visible.append("\ufffd" if hidden else " " if category == "Zs" else character)
    return cut_middle("".join(visible).strip(), limit)


def clean_reason(value: object, limit: int) -> str:
    """`clean_text` of a sentence whose names are set off by backticks, as a terminal shows them, with quotes instead."""
    return clean_text(value, limit).replace("`", "'")


def cut_middle(text: str, limit: int) -> str:
    """`text`, or its two ends around an ellipsis, in at most `limit` characters."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 3
    return text[: limit - 1 - tail].rstrip() + "…" + text[len(text) - tail :].lstrip()


def number(value: object) -> float | None:
    """A finite float, or None for whatever else JSON may hold there (NaN and booleans included)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        converted = float(value)
    except OverflowError:
        return None
    return converted if math.isfinite(converted) else None


def format_metric(value: float | None) -> str:
    """Four decimals; a count, which is a whole number beyond 1, without any."""
    return _decimals(value, 0 if value is not None and value > 1 and value == int(value) else 4)


def format_psi(value: float | None) -> str:
    """Three decimals."""
    return _decimals(value, 3)


def format_margin(value: float | None) -> str:
    """A difference of metrics, as `format_metric`, with a sign."""
    text = format_metric(value)
    return text if value is None or text.startswith(_MINUS) else f"+{text}"


def format_share(value: float | None) -> str:
    """A fraction as a percentage with one decimal; something that is not nothing never reads 0.0 %."""
    if value is None:
        return ABSENT
    return f"<0.1{_PERCENT}" if 0 < value < 0.0005 else f"{_decimals(100 * value, 1)}{_PERCENT}"


def format_p_value(value: float | None) -> str:
    """Three decimals, and never an exact zero."""
    if value is None:
        return ABSENT
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def format_count(value: float | None) -> str:
    """Thousands separated by commas."""
    return ABSENT if value is None else f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.3e}"


def round_label(label: str) -> str:
    """A bin's label with four significant digits: '(-inf, 1200.123456]' becomes '(-∞, 1200]' with a minus sign."""
    shortened = _DECIMAL.sub(lambda match: f"{float(match.group()):.4g}", label)
    return shortened.replace("inf", "∞").replace("-", _MINUS)


def _decimals(value: float | None, digits: int) -> str:
    if value is None:
        return ABSENT
    text = f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3e}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", _MINUS) if text.startswith("-") else text


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{_as_text(key)}={_as_text(item)}" for key, item in value.items())
    if isinstance(value, float) and not math.isfinite(value):
        return ABSENT
    try:
        return str(value)
    except ValueError:  # an integer with more digits than Python will print
        return ABSENT
