"""Untrusted text in GitHub's Markdown: it must read as itself, and format, link, notify and run nothing."""

from __future__ import annotations

import re

from markupsafe import Markup

from lockgate.documents.text import NO_NAME, clean_text

_WORD_JOINER = "\u2060"
# Decimal entities, and not backslashes, because a backslash before a pipe is read differently by different renderers.
_ENTITIES = {ord(character): f"&#{ord(character)};" for character in "\\`*_[]<>&|~"}
# A dollar sign in an element of its own cannot open mathematics, which an entity still does on GitHub.
_ENTITIES[ord("$")] = "<span>$</span>"
# GitHub looks for these in the rendered text, where entities are characters again: an invisible joiner parts them.
_AUTOLINKS = re.compile(r"@(?=\S)|#(?=\w)|:(?=\S)|(?<=\bwww)(?=\.)|\bgh-(?=\d)", re.IGNORECASE)
_IN_CODE = str.maketrans({"`": "\u02cb", "|": "\u00a6"})


def escape_prose(value: object) -> Markup:
    """Running text, in a paragraph, a list or a table's cell: no formatting, links, mentions, references or emoji."""
    parted = _AUTOLINKS.sub(lambda match: match.group() + _WORD_JOINER, str(value))
    return Markup(parted.translate(_ENTITIES))  # noqa: S704


def code_span(value: object, limit: int = 120) -> Markup:
    """A name as a code span, where GitHub looks for nothing.

    The two characters that could end the span or the table's cell are shown as their nearest relatives.
    """
    return Markup(f"`{(clean_text(value, limit) or NO_NAME).translate(_IN_CODE)}`")  # noqa: S704


def finalize(value: object) -> Markup:
    """For Jinja: what a template prints is escaped unless it was made by one of these functions or a macro."""
    return value if isinstance(value, Markup) else escape_prose(value)
