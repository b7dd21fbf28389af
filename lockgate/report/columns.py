"""What `prepare` made of each column of the source, for a terminal and for the report."""

from __future__ import annotations

from dataclasses import dataclass

from lockgate.documents.schema_json import Change, MarkerCount, SourceColumn
from lockgate.documents.text import NO_NAME, clean_text, cut_middle, format_count

MAX_COLUMNS = 100  # of a table; data/schema.json has all
LINE_WIDTH = 100  # characters of a line for a terminal
NAME_WIDTH = 24
NAMED_MARKERS = 4
MARKER_LIMIT = 20  # characters of a marker
_CHANGES: dict[Change, str] = {
    "stripped": "spaces stripped",
    "percent": "percent: 41% is 0.41",
    "thousands": "thousands read",
    "decimal": "decimal comma read",
    "currency": "currency left out",
    "negative": "negative: (12.5) and 12.5- are -12.5",
    "dates": "dates read",
}


@dataclass(frozen=True)
class ShownColumn:
    """A column as a table shows it; every text made harmless to lay out."""

    name: str
    what: str
    why: str
    missing: str
    distinct: str
    remarks: str


def show_columns(columns: tuple[SourceColumn, ...]) -> tuple[ShownColumn, ...]:
    """The columns of the source, in its order."""
    return tuple(
        ShownColumn(
            name=clean_text(column.name) or NO_NAME,
            what=_what(column),
            why=column.why,
            missing=format_count(column.missing) if column.missing else "",
            distinct=format_count(column.distinct),
            remarks="; ".join(_remarks(column)),
        )
        for column in columns
    )


def column_table(columns: tuple[SourceColumn, ...]) -> list[str]:
    """The columns as a table for a terminal, a line each."""
    shown = [_HEAD, *show_columns(columns[:MAX_COLUMNS])]
    widths = [
        min(max(len(getattr(one, key)) for one in shown), NAME_WIDTH if key == "name" else LINE_WIDTH)
        for key in ("name", "what", "why", "missing", "distinct")
    ]
    lines = []
    for one in shown:
        line = (
            f"{cut_middle(one.name, NAME_WIDTH):<{widths[0]}}  {one.what:<{widths[1]}}  {one.why:<{widths[2]}}  "
            f"{one.missing:>{widths[3]}}  {one.distinct:>{widths[4]}}  "
        )
        lines.append((line + cut_middle(one.remarks, max(20, LINE_WIDTH - len(line)))).rstrip())
    if len(columns) > MAX_COLUMNS:
        lines.append(f"and {len(columns) - MAX_COLUMNS:,} more columns, in data/schema.json")
    return lines


_HEAD = ShownColumn("column", "is", "why", "missing", "distinct", "")


def _what(column: SourceColumn) -> str:
    if column.role in ("feature", "audit") and column.reading:
        return column.reading.kind if column.role == "feature" else f"audit, {column.reading.kind}"
    return column.role


def _remarks(column: SourceColumn) -> list[str]:
    found = [clean_text(column.reason, 120)] if column.reason else []
    if column.source_name != column.name:
        found.append(f"`{clean_text(column.source_name)}` in the file")
    if column.role != "dropped" and any(marker.text for marker in column.markers):
        found.append(f"missing: {_markers(column.markers)}")
    return [*found, *(_CHANGES[change] for change in column.changed)]


def _markers(markers: tuple[MarkerCount, ...]) -> str:
    named = [
        f"{format_count(marker.count)} {clean_text(repr(marker.text), MARKER_LIMIT) if marker.text else 'empty'}"
        for marker in markers[:NAMED_MARKERS]
    ]
    return ", ".join(named) + (", ..." if len(markers) > NAMED_MARKERS else "")
