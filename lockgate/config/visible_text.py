"""Text with nothing in it that is not seen: what a terminal, a browser or an editor obeys is shown as an escape."""

from __future__ import annotations

import unicodedata

_OBEYED = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # controls, directions and joiners, lone surrogates, ends of lines


def visible_text(text: str) -> str:
    """The text with control characters, directions and ends of lines as the escapes that Python writes, such as \\x1b."""
    if text.isprintable():
        return text
    return "".join(
        one.encode("unicode_escape").decode() if unicodedata.category(one) in _OBEYED else one for one in text
    )
