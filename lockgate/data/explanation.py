"""One column as it stands in the file, beside what `prepare` makes of it: for whoever disagrees."""

from __future__ import annotations

from collections.abc import Iterator

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.config.suggest import nearest
from lockgate.data.cell_examples import CellExample, describe_cells
from lockgate.data.column_decision import decide, decide_times
from lockgate.data.roles import Roles, assign_roles
from lockgate.data.source_table import SourceTable
from lockgate.documents.schema_json import Reading

HOW_TO_CHANGE = (
    "to read it otherwise: prepare.kinds: {{{0}: numeric}}, categorical or drop; texts that mean missing: "
    "prepare.read.missing; how numbers are written: prepare.read.decimal, thousands, percent and currency"
)


def explain_column(source: SourceTable, settings: Prepare, name: str) -> list[str]:
    """Lines on the column `name`: how it is read, example cells with their spaces visible, and the keys that change it.

    A column that `prepare` refuses is shown as the numbers that it may have been meant to be, with the refusal.
    Raises InputError where there is no such column.
    """
    roles = assign_roles(source, settings)
    table = roles.table
    if name not in table.names:
        raise InputError(f"{table.name} has no column `{name}`; {nearest(name, table.names)}")
    file_name = f" (`{roles.file_names[name]}` in the file)" if name in roles.file_names else ""
    try:
        reading, refusal = _reading(name, roles, settings), ""
    except InputError as error:
        reading, refusal = Reading("numeric", tuple(settings.read.missing)), str(error)
    lines = [f"column `{name}`{file_name} of {table.name}: {_in_words(name, roles, settings, reading, refusal)}"]
    try:
        found = describe_cells(name, table.cells(name), reading, table)
    except InputError as error:
        return [*lines, str(error)]
    lines += _example_lines(f"values, {found.distinct_values:,} different", found.values)
    lines += _example_lines("missing", found.missing)
    lines += _example_lines(f"cannot be read, {found.distinct_unreadable:,} different", found.unreadable)
    return [*lines, refusal or HOW_TO_CHANGE.format(name)]


def _reading(name: str, roles: Roles, settings: Prepare) -> Reading:
    """How the cells are read; those that are no values of a model are shown as the texts that they are."""
    table, role = roles.table, roles.roles[name]
    if role in ("dropped", "identifier", "target"):
        return Reading("categorical", tuple(settings.read.missing))
    if role == "time":
        return decide_times(name, table.cells(name), settings.read, table)
    kind = settings.kinds.get(name)
    declared = "numeric" if role == "weight" else None if kind == "drop" else kind
    return decide(name, table.cells(name), settings.read, declared, table)


def _in_words(name: str, roles: Roles, settings: Prepare, reading: Reading, refusal: str) -> str:
    role = roles.roles[name]
    if refusal:
        return f"{role}, refused"
    if role in ("dropped", "identifier", "target"):
        return role + (f", {roles.reasons[name]}" if name in roles.reasons else "")
    return f"{role}, {reading.kind}, {'declared in prepare.kinds' if name in settings.kinds else 'inferred from its cells'}"


def _example_lines(title: str, examples: tuple[CellExample, ...]) -> Iterator[str]:
    if examples:
        yield f"  {title}:"
    for one in examples:
        value = "" if one.value is None else f" is {one.value}"
        yield f"    {one.text}{value}  ({one.count:,} cells, the first in {one.place})"
