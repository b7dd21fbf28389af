"""Data that are defined anew: whether two models answer different questions, so that no rows tell which is better.

That is so where the target, its classes or the identifiers differ, or where the rows come from another place and none of
those that the champion was tested on is among them. Other bytes at the same place are not: both models score the new rows.
"""

from __future__ import annotations

from lockgate.data.columns import plain_value
from lockgate.documents.gate_json import NewData
from lockgate.documents.schema_json import TargetClasses
from lockgate.documents.text import clean_text
from lockgate.model.bundle import Bundle

MAX_SHOWN = 3  # classes, or columns, in a sentence
MAX_SOURCE = 200  # letters of a path or URL


def data_defined_anew(new: Bundle, champion: Bundle, shared_rows: int | None) -> NewData | None:
    """Why no rows compare the model `new` with `champion`; None where some do.

    shared_rows: how many of the champion's own test rows are among the new data, None where nobody has them. Then another
    source alone shows nothing, unless the champion's is synthetic: made-up rows are in nobody's file.
    """
    differences = definition_differences(new, champion)
    after_synthetic = _is_synthetic(champion)
    if not differences and comes_from_elsewhere(new, champion):
        has_no_row_in_common = shared_rows == 0 if shared_rows is not None else after_synthetic
        if has_no_row_in_common:
            differences = (f"{_sources(new, champion)}, and no row that the champion was tested on is in it",)
    return NewData(new.digest, champion.digest, after_synthetic, differences) if differences else None


def definition_differences(new: Bundle, champion: Bundle) -> tuple[str, ...]:
    """How target, classes and identifiers of the two differ, a sentence each."""
    here, before = new.schema, champion.schema
    found = []
    if here.target != before.target:
        found.append(f"the target is {_list((here.target,))}, the champion's was {_list((before.target,))}")
    elif _values(here.classes) != _values(before.classes):
        found.append(f"the target's classes are {_shown(here.classes)}, the champion's were {_shown(before.classes)}")
    if here.id_columns != before.id_columns:
        found.append(
            f"rows are identified by {_names(here.id_columns)}, the champion's were by {_names(before.id_columns)}"
        )
    return tuple(found)


def comes_from_elsewhere(new: Bundle, champion: Bundle) -> bool:
    """Whether `prepare.source` names another place than the champion's did; content does not matter."""
    here, before = new.manifest.origin, champion.manifest.origin
    return here is not None and before is not None and here.source.name != before.source.name


def _is_synthetic(bundle: Bundle) -> bool:
    return bundle.manifest.origin is not None and bundle.manifest.origin.source.sha256 is None


def _sources(new: Bundle, champion: Bundle) -> str:
    origins = (one.manifest.origin for one in (new, champion))
    here, before = (clean_text(origin.source.name, MAX_SOURCE) if origin else "" for origin in origins)
    return f"the source is {here}, the champion's was {before}"


def _values(classes: TargetClasses) -> tuple[frozenset[float | str], ...]:
    """The classes apart from how they are written: 1 and 1.0 are one."""
    return tuple(frozenset(map(plain_value, texts)) for texts in (classes.positive, classes.negative, classes.left_out))


def _shown(classes: TargetClasses) -> str:
    sides = [f"{_list(classes.positive)} against {_list(classes.negative)}"]
    return " without ".join([*sides, *([_list(classes.left_out)] if classes.left_out else [])])


def _names(columns: tuple[str, ...]) -> str:
    return _list(columns) if columns else "their content"


def _list(texts: tuple[str, ...]) -> str:
    more = f" and {len(texts) - MAX_SHOWN} more" if len(texts) > MAX_SHOWN else ""
    return ", ".join(f"`{clean_text(text)}`" for text in texts[:MAX_SHOWN]) + more
