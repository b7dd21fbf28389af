"""The texts that mean missing: the one list of them, which docs/data.md shows."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

# In a column of numbers, compared without case and without the spaces around them; white space alone is missing, too.
MARKERS_AMONG_NUMBERS = (
    *("NA", "N/A", "n.a.", "n.a", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "-NaN", "NaT", "1.#QNAN", "-1.#IND"),
    *("null", "(null)", "\\N", "nil", "None", "missing", "?", "-", "--", "---", "\u2013", "\u2014", ".", "..", "..."),
    *("#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NUM!", "#NULL!"),
)
# In a column of categories, exactly as they stand here: "None" and "-" may well be names of something there.
MARKERS_AMONG_CATEGORIES = ("NA", "N/A", "NaN", "nan", "null", "NULL")

_FOLDED = pa.array(["", *(marker.lower() for marker in MARKERS_AMONG_NUMBERS)], pa.string())


def are_missing_numbers(texts: pa.Array, further: Sequence[str]) -> pa.Array:
    """Which of these texts mean missing in a column of numbers; `further` are those that its project names."""
    trimmed = pc.utf8_trim_whitespace(texts)
    named = pa.array(further, pa.string())
    known = pc.is_in(pc.utf8_lower(trimmed), _FOLDED)
    return pc.or_(known, pc.or_(pc.is_in(texts, named), pc.is_in(trimmed, named)))


def are_missing_categories(texts: pa.Array | pa.ChunkedArray, missing: Sequence[str]) -> pa.Array | pa.ChunkedArray:
    """Which of these texts mean missing in a column of categories: the empty one, and those that its reading names."""
    return pc.is_in(texts, pa.array(["", *missing], pa.string()))
