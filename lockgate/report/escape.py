"""Untrusted text in GitHub's Markdown: it must read as itself, and format, link, notify and run nothing.

HTML is escaped by Jinja, a terminal's lines by lockgate/config/terminal.py, Prometheus's text by its own client.
"""

from __future__ import annotations

import re
import shlex

from markupsafe import Markup

from lockgate.config.visible_text import visible_text
from lockgate.documents.text import NO_NAME, clean_text

_WORD_JOINER = "\u2060"
# Decimal entities, and not backslashes, because a backslash before a pipe is read differently by different renderers.
_ENTITIES = {ord(character): f"&#{ord(character)};" for character in "\\`*_[]<>&|~"}
# A dollar sign in an element of its own cannot open mathematics, which an entity still does on GitHub.
_ENTITIES[ord("$")] = "<span>$</span>"
# GitHub looks for these in the rendered text, where entities are characters again: an invisible joiner parts them.
_AUTOLINKS = re.compile(r"@(?=\S)|#(?=\w)|:(?=\S)|(?<=\bwww)(?=\.)|\bgh-(?=\d)", re.IGNORECASE)
# At the start of a line, or of a list's entry, these begin a list, a heading or a line across the page.
_BLOCK = re.compile(r"^\s*(?:[0-9]{1,9}(?=[.)](?:\s|$))|(?=[-+#=]+(?:\s|$)))(.)")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:-]+/[A-Za-z0-9._/-]+(?:\.\.\.[A-Za-z0-9._/-]+)?(?:\?expand=1)?")
_IN_CODE = str.maketrans({"`": "\u02cb", "|": "\u00a6"})


def escape_prose(value: object) -> Markup:
    """Running text, in a paragraph, a list or a table's cell: no formatting, links, mentions, references or emoji."""
    parted = _AUTOLINKS.sub(lambda match: match.group() + _WORD_JOINER, visible_text(str(value)))
    text = parted.translate(_ENTITIES)
    begins = _BLOCK.match(text)
    if begins:
        mark = begins.start(1)
        text = f"{text[:mark]}&#{ord(text[mark])};{text[mark + 1 :]}"
    return Markup(text)  # noqa: S704


def code_span(value: object, limit: int = 120) -> Markup:
    """A name as a code span, where GitHub looks for nothing.

    The two characters that could end the span or the table's cell are shown as their nearest relatives.
    """
    return Markup(f"`{(clean_text(value, limit) or NO_NAME).translate(_IN_CODE)}`")  # noqa: S704


def plain_line(value: object) -> Markup:
    """One line where Markdown means nothing: a title, a commit message, a fenced block whose line it does not begin."""
    return Markup(visible_text(str(value)))  # noqa: S704


def shell_word(value: object) -> Markup:
    """One word of a command in a fenced block, safe to copy into a shell."""
    return plain_line(shlex.quote(visible_text(str(value))))


def address(value: object) -> Markup:
    """Where a link leads; nothing where it is no address that can stand in Markdown."""
    return Markup(value if isinstance(value, str) and _ADDRESS.fullmatch(value) else "")  # noqa: S704


def visible_value(value: object) -> object:
    """For Jinja's HTML, which escapes it then: text with nothing in it that is not seen."""
    return visible_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def finalize(value: object) -> Markup:
    """For Jinja: what a template prints is escaped unless it was made by one of these functions or a macro."""
    return value if isinstance(value, Markup) else escape_prose(value)
