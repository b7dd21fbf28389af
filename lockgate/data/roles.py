"""What each column of a source is there for: its name, its role, and why it is left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.config.suggest import nearest
from lockgate.data.names import IDENTIFIER_WORDS, UNNAMED, check_left_out, check_names, quoted, words_of
from lockgate.data.source_table import SourceTable
from lockgate.documents.schema_json import (
    MAX_DISTINCT,
    RESERVED_COLUMNS,
    RESERVED_FOR_PREDICTIONS,
    RESERVED_PREFIX,
    Role,
    Schema,
)

DECLARED_DROPPED = "prepare.kinds says drop"
UNAVAILABLE = "declared unavailable at decision"
COUNTS_THE_ROWS = "it has no name and only counts the rows"


@dataclass(frozen=True)
class Roles:
    """The source under the names that `params.yaml` uses, the role of each column in the order of the file, and the reasons.

    `reasons` say why columns are left out, and `file_names` what renamed ones are called in the file.
    """

    table: SourceTable
    roles: dict[str, Role]
    reasons: dict[str, str]
    file_names: dict[str, str]

    def names(self, *roles: Role) -> list[str]:
        """The columns with one of these roles, in the order of the file."""
        return [name for name, role in self.roles.items() if role in roles]

    @property
    def content(self) -> pa.Table:
        """What tells rows apart that have no identifiers: all columns under the names of the file, whatever is made of them.

        But not a column that only counts the rows: copies of a row would be none.
        """
        columns = self.table.columns.rename_columns([self.file_names.get(name, name) for name in self.table.names])
        return columns.drop_columns([name for name, reason in self.reasons.items() if reason == COUNTS_THE_ROWS])


def assign_roles(source: SourceTable, settings: Prepare) -> Roles:
    """The role of each column of the source.

    Raises InputError where `settings` name a column that is not there, or a used one has a name that it cannot have.
    """
    _require_columns(source, "prepare.rename", settings.rename)
    table = source.renamed(settings.rename)
    _refuse_names_there_twice(table, settings.rename)
    reasons = {name: DECLARED_DROPPED for name, kind in settings.kinds.items() if kind == "drop"}
    reasons |= dict.fromkeys(settings.unavailable_at_decision, UNAVAILABLE)
    reasons |= dict.fromkeys(_row_counters(table, settings), COUNTS_THE_ROWS)
    _check_names(table, settings, reasons)
    roles: dict[str, Role] = dict.fromkeys(table.names, "feature")
    roles |= dict.fromkeys(settings.audit_columns, "audit")
    roles |= dict.fromkeys(settings.id_columns, "identifier")
    roles |= dict.fromkeys(reasons, "dropped")
    roles[settings.target] = "target"
    if settings.time_column:
        roles[settings.time_column] = "time"
    if settings.weight_column:
        roles[settings.weight_column] = "weight"
    file_names = {name: old for old, name in settings.rename.items() if old != name}
    return Roles(table, roles, {name: reasons[name] for name in table.names if name in reasons}, file_names)


def with_schema_names(source: SourceTable, schema: Schema) -> SourceTable:
    """A later table under the names of the schema, where its file still has the names that the source's had."""
    there = set(source.names)
    return source.renamed(
        {
            column.source_name: column.name
            for column in schema.columns
            if column.source_name in there and column.name not in there
        }
    )


def identifier_proposals(schema: Schema, rows: int) -> list[str]:
    """Features and audit columns that are called as identifiers are, or not at all, as an index of pandas in other order, with
    another whole number or text in each of the `rows`, or in as many as are counted."""
    different = min(rows, MAX_DISTINCT)
    columns = [one for one in schema.columns if one.role in ("feature", "audit") and one.distinct == different]
    return [column.name for column in columns if _is_called_as_an_identifier(column.name)]


def _is_called_as_an_identifier(name: str) -> bool:
    return UNNAMED.fullmatch(name) is not None or any(IDENTIFIER_WORDS.fullmatch(word) for word in words_of(name))


def _refuse_names_there_twice(table: SourceTable, rename: dict[str, str]) -> None:
    names = table.names
    for old, new in rename.items():
        if names.count(new) > 1:
            raise InputError(
                f"{table.name}: prepare.rename calls column {quoted(old)} {quoted(new)}, and another column has that name; "
                "choose one that no other column has"
            )


def _row_counters(table: SourceTable, settings: Prepare) -> list[str]:
    """Columns without a name that nobody mentions and that count the rows."""
    mentioned = {*settings.kinds, *settings.rename.values(), *settings.id_columns, *settings.audit_columns}
    mentioned |= {settings.target, settings.time_column or "", settings.weight_column or ""}
    found = [name for name in table.names if UNNAMED.fullmatch(name) and name not in mentioned]
    return [name for name in found if table.counts_rows(name)]


def _check_names(table: SourceTable, settings: Prepare, left_out: Iterable[str]) -> None:
    left_out = [name for name in table.names if name in left_out]
    check_left_out(left_out, table.name)
    taken = {settings.target, settings.weight_column, *settings.id_columns}
    own = [name for name in table.names if name in RESERVED_COLUMNS or name.startswith(RESERVED_PREFIX)]
    check_names([name for name in table.names if name not in left_out], table.name, {*own} - taken)
    for written in (*settings.audit_columns, settings.weight_column):
        if written in RESERVED_FOR_PREDICTIONS:
            raise InputError(
                f"{table.name}: column `{written}` has the name of a column of predictions; give it another one with "
                f"prepare.rename: {{{written}: NAME}}"
            )
    _require_columns(table, "prepare.target", [settings.target])
    _require_columns(table, "prepare.id_columns", settings.id_columns)
    _require_columns(table, "prepare.time_column", [settings.time_column] if settings.time_column else [])
    _require_columns(table, "prepare.weight_column", [settings.weight_column] if settings.weight_column else [])
    _require_columns(table, "prepare.audit_columns", settings.audit_columns)
    _require_columns(table, "prepare.unavailable_at_decision", settings.unavailable_at_decision)
    _require_columns(table, "prepare.kinds", list(settings.kinds))
    _require_columns(table, "prepare.bounds", list(settings.bounds))
    _require_columns(table, "prepare.texts", list(settings.texts))


def _require_columns(table: SourceTable, key: str, names: Iterable[str]) -> None:
    for name in names:
        if name not in table.names:
            raise InputError(f"{table.name}: column `{name}` of {key} is not there; {nearest(name, table.names)}")
