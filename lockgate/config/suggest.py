"""Naming what the user probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or the known names where none is near."""
    names = list(known)
    containing = [known_name for known_name in names if len(name) > 2 and name in known_name]
    if len(containing) > 1:
        return "did you mean " + " or ".join(f"`{known_name}`" for known_name in containing) + "?"
    found = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if found:
        return f"did you mean `{found[0]}`?"
    return "known are " + ", ".join(f"`{known_name}`" for known_name in names)
