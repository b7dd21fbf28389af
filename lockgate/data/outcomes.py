"""Labels that arrive later, joined to the decisions of a log: by request id, or by the identifiers that the request had."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.column_decision import decide_times
from lockgate.data.columns import read_column
from lockgate.data.names import quoted
from lockgate.data.partitions import Partition
from lockgate.data.roles import with_schema_names
from lockgate.data.source_table import SourceTable, cell_texts
from lockgate.data.target import read_labels
from lockgate.documents.schema_json import (
    DECISION_COLUMNS,
    DECISION_KEY,
    LABEL,
    NO_OUTCOME,
    OUTCOME,
    RESERVED_PREFIX,
    Schema,
)

PLACE = [*DECISION_KEY]
REQUEST_ID, ROW = PLACE
TIME, DIGEST, _ = DECISION_COLUMNS
IDENTITY = [*PLACE, DIGEST, TIME]  # of a decision: a client may send one request id twice
KNOWN_SINCE = f"{RESERVED_PREFIX}outcome_date"
SHOWN = 3  # examples in a message
STORED = pa.schema(
    {REQUEST_ID: pa.string(), ROW: pa.int64(), TIME: pa.timestamp("us", "UTC"), DIGEST: pa.string()}
    | {LABEL: pa.int8(), KNOWN_SINCE: pa.date32()}
)
HOW_TO_SEND = "docs/outcomes.md shows how to send identifiers with a request"


@dataclass(frozen=True)
class Keys:
    """What the rows of a table say of which decisions they are about: a request id, and of row, digest and time what the table
    has; or identifiers."""

    rows: pd.DataFrame

    @property
    def names(self) -> list[str]:
        """The columns of a decision log that they are joined by."""
        return [*self.rows.columns]

    @property
    def are_request_ids(self) -> bool:
        """Whether they are request ids."""
        return self.names[0] == REQUEST_ID

    def shown(self, chosen: np.ndarray | pd.Series) -> str:
        """How many of the rows are chosen, and the first different ones of them."""
        rows = self.rows[np.asarray(chosen)]
        first = rows.drop_duplicates().head(SHOWN).itertuples(index=False)
        return f"{len(rows):,}, such as {', '.join(' '.join(map(self._word, self.names, row)) for row in first)}"

    @staticmethod
    def _word(name: str, value: object) -> str:
        if name == ROW:
            return f"(row {value})"
        if isinstance(value, pd.Timestamp):
            return f"of {value.isoformat()}"
        return f"by model {str(value)[:12]}" if name == DIGEST else quoted(value)


@dataclass(frozen=True)
class Outcomes:
    """The rows of a table with a label, 1 for the event and 0 for none, and the day on which it came to be known, NaT where
    nobody says; `unlabelled` counts the rows without a label."""

    keys: Keys
    labels: np.ndarray
    days: np.ndarray
    unlabelled: int


@dataclass(frozen=True)
class Joined:
    """Outcomes that are new, as they are stored, and how many rows were known already or are about no decision of the log."""

    rows: pa.Table
    known: int
    unknown: int

    def summary(self, unlabelled: int, folder: str) -> str:
        """What came of each row of the table, for people."""
        events = int(np.sum(self.rows[LABEL].to_numpy()))
        added = f"added {self.rows.num_rows:,} outcomes to {folder}, {events:,} of them events"
        rest = [
            f"{self.known:,} were known already" * bool(self.known),
            f"{unlabelled:,} rows have no outcome yet" * bool(unlabelled),
            f"{self.unknown:,} are of no decision in the log" * bool(self.unknown),
        ]
        return "; ".join([added if self.rows.num_rows else f"nothing to add to {folder}", *filter(None, rest)])


def log_columns(schema: Schema) -> list[str]:
    """The columns of a decision log that outcomes are joined by."""
    return [REQUEST_ID, ROW, TIME, DIGEST, *_identifiers(schema)]


def read_keys(table: SourceTable, schema: Schema) -> Keys:
    """By what the rows of `table` are known: the request id where it has one, else the schema's identifiers.

    Raises InputError where it has neither, or lacks them in some row.
    """
    table = with_schema_names(table, schema)
    columns = _schema_columns(schema)
    request = _own(table, ("request_id",), columns)
    identifiers = _identifiers(schema)
    if request is None and not (identifiers and {*identifiers} <= {*table.names}):
        also = f" and no identifier {_listed(identifiers)}" if identifiers else ""
        how_to_fix = (
            f"write one of them; {HOW_TO_SEND}"
            if identifiers
            else f"write it as the service answered it, or name identifiers in prepare.id_columns and train again; {HOW_TO_SEND}"
        )
        raise InputError(f"{table.name} has no column `request_id` or `{REQUEST_ID}`{also}; {how_to_fix}")
    if request is None:
        return Keys(pd.DataFrame({name: _texts(table, name) for name in identifiers}))
    found: dict[str, pd.Series | np.ndarray] = {REQUEST_ID: _texts(table, request)}
    if (row := _own(table, ("row",), columns)) is not None:
        found[ROW] = _whole_numbers(table, row)
    if DIGEST in table.names:
        found[DIGEST] = _texts(table, DIGEST)
    if TIME in table.names:
        found[TIME] = _times(table)
    return Keys(pd.DataFrame(found))


def read_outcomes(table: SourceTable, schema: Schema, read: Read) -> Outcomes:
    """The outcomes in `table`, its labels read as those of the training data.

    Raises InputError for labels of another class, one decision twice, no label at all, and a day of an outcome to come.
    """
    keys = read_keys(table, schema)
    named = with_schema_names(table, schema)
    if schema.target not in named.names:
        raise InputError(f"{table.name} has no column `{schema.target}`, which holds the outcome; write or rename it")
    labels = read_labels(
        schema.target, named.cells(schema.target), schema.reading_of(schema.target), schema.classes, named
    )
    known = ~np.isnan(labels)
    if not known.any():
        raise InputError(f"{table.name}: no row has an outcome in `{schema.target}`; write it where it is known")
    keys = Keys(keys.rows[known].reset_index(drop=True))
    twice = keys.rows.duplicated(keep=False)
    if twice.any():
        raise InputError(
            f"{table.name}: the same decision is there more than once ({keys.shown(twice)}); keep one row of each"
        )
    days = _days(named, schema, read)[known]
    return Outcomes(keys, labels[known].astype(np.int8), days, int((~known).sum()))


def join_outcomes(
    given: Outcomes,
    log: Iterable[pa.Table],
    stored: pa.Table,
    digest: str,
    *,
    allow_unknown: bool,
    where: str,
    log_name: str,
) -> Joined:
    """The outcomes of decisions by the model `digest`, or the only one in the log whose digest begins so, that are not stored yet.

    `log` has `log_columns` of all decisions, file by file; no more of them are kept than the keys of outcomes name. `stored` is
    what is known already. Raises InputError, and says how many, where an outcome is about no decision of the model (unless
    `allow_unknown`), about one of several or without a request id, is known before its decision, or contradicts a stored one.
    """
    logged = _logged(given.keys, log)
    decisions, models = logged.named, [*logged.models]
    begin_so = [one for one in models if one.startswith(digest)]
    if len(begin_so) == 1:  # messages and logs have the first twelve characters
        digest = begin_so[0]
    if digest not in logged.models:
        others = _listed([one[:12] for one in models]) if models else "none"
        raise InputError(
            f"{log_name} has no decision of model {digest[:12]}; the models in it are {others}: name one with --digest, or the "
            "log of this one with --log"
        )
    if not given.keys.are_request_ids and not logged.models[digest]:
        raise InputError(
            f"no decision of model {digest[:12]} in {log_name} has the identifier {_listed(given.keys.names)}; write request ids, "
            f"or send it with each request: {HOW_TO_SEND}"
        )
    found, unknown = _decisions_of(given, decisions[decisions[DIGEST] == digest], where)
    if unknown.any() and not allow_unknown:
        elsewhere = _are_in(given.keys.rows, decisions, given.keys.names) & unknown
        other = f" ({int(elsewhere.sum()):,} of them are decisions of another model; name it with --digest)"
        raise InputError(
            f"{where}: outcomes of decisions that model {digest[:12]} did not make in {log_name}: {given.keys.shown(unknown)}"
            f"{other if elsewhere.any() else ''}; leave them out, or give --allow-unknown"
        )
    nameless = found[PLACE].isna().any(axis=1)
    if nameless.any():
        raise InputError(
            f"{where}: {int(nameless.sum()):,} outcomes are of decisions that have no `{REQUEST_ID}` or no `{ROW}` in {log_name}, "
            "by which an outcome finds its decision again; write them there, or leave these outcomes out"
        )
    early = found[KNOWN_SINCE].notna() & (found[KNOWN_SINCE] < found[TIME].dt.tz_localize(None).dt.normalize())
    if early.any():
        raise InputError(
            f"{where}: outcomes that were known before their decision: {_requests(found[early])}; correct the days"
        )
    return _new(found, stored, int(unknown.sum()), where)


def rows_of_keys(keys: Keys, log: pa.Table) -> np.ndarray:
    """Which rows of a log, with the columns of the keys, these name."""
    if not {*keys.names} <= {*log.column_names}:
        return np.zeros(log.num_rows, bool)
    return _are_in(_frame(log, keys.names), keys.rows, keys.names)


def decision_places(keys: Keys, files: Iterable[tuple[str, pa.Table]], where: str) -> tuple[Keys, list[str]]:
    """The decisions that identifiers name in the files of a log, by what outcomes are joined by, and the files that have no such
    identifier, as those of a model before it was declared; request ids as they are.

    Raises InputError naming a file that is none of a log.
    """
    if keys.are_request_ids:
        return keys, []
    found, without = [_frame(STORED.empty_table(), IDENTITY)], []
    for name, table in files:
        if lacking := [column for column in IDENTITY if column not in table.column_names]:
            raise InputError(
                f"{where} ({name}) has no column {_listed(lacking)}: it is no decision log; name the folder of the log, and keep "
                "other tables elsewhere"
            )
        if not {*keys.names} <= {*table.column_names}:
            without.append(name)
        found.append(_frame(table, IDENTITY)[rows_of_keys(keys, table)])
    return Keys(pd.concat(found, ignore_index=True)), without


def made_before(table: pa.Table, time: datetime) -> np.ndarray:
    """Which decisions of a log, or outcomes of such, were made before `time`."""
    if TIME not in table.column_names:
        return np.zeros(table.num_rows, bool)
    return np.asarray(_frame(table, [TIME])[TIME] < pd.Timestamp(time))


def matching_labels(rows: pa.Table, stored: pa.Table) -> np.ndarray:
    """The label of each decision in `rows`, float64, NaN where none is stored; `rows` and `stored` have what is `IDENTITY`.

    Raises InputError where an outcome would count for two rows.
    """
    labels: np.ndarray = _matched(rows, _stored_labels(stored))[LABEL].to_numpy("float64")
    return labels


@dataclass(frozen=True)
class LabelledPartition:
    """Rows of a decision log, with the outcomes that are `stored` of it as labels.

    `OUTCOME` has which of the outcomes a row takes: that none counts for two rows is for the whole log to say.
    """

    partition: Partition
    stored: pa.Table

    def batches(self, coded: Collection[str] = ()) -> Iterator[SourceTable]:
        """The rows as they stand in their file. Raises InputError where an outcome would count for two of a batch."""
        known = _stored_labels(self.stored)
        for batch in self.partition.batches(coded):
            if not {*IDENTITY} <= {*batch.names}:
                raise InputError(
                    f"{batch.name} is no decision log, and another file of the table is one; keep the two apart"
                )
            matched = _matched(batch.columns, known)
            columns = batch.columns.append_column(LABEL, pa.array(matched[LABEL].to_numpy("float64"), from_pandas=True))
            outcomes = pa.array(matched[OUTCOME].fillna(NO_OUTCOME).to_numpy("int64"))
            yield replace(batch, columns=columns.append_column(OUTCOME, outcomes))


def _matched(rows: pa.Table, known: pd.DataFrame) -> pd.DataFrame:
    """The decisions in `rows`, each with its label and the place of its outcome among the `known` ones."""
    decisions = _frame(rows, IDENTITY)
    merged = decisions.merge(known.assign(**{OUTCOME: np.arange(len(known))}), on=IDENTITY, how="left")
    twice = merged.duplicated(IDENTITY, keep=False) & merged[LABEL].notna()
    if twice.any():
        raise InputError(
            f"an outcome is stored for decisions that the log has more than once: {_copies(merged[twice])}"
        )
    return merged


@dataclass(frozen=True)
class _Logged:
    """Of a decision log: the decisions that some keys name, and each model, in the order of the log, with whether a decision of its
    has any of the columns of the keys."""

    named: pd.DataFrame
    models: dict[str, bool]


def _logged(keys: Keys, log: Iterable[pa.Table]) -> _Logged:
    # By one column first, whose index is made once: most rows of a log are those of other keys.
    column = max(keys.names, key=lambda name: keys.rows[name].nunique())
    values = pd.Index(keys.rows[column].unique())
    likely, models = list[pd.DataFrame](), dict[str, bool]()
    for table in log:
        decisions = _frame(table, table.column_names)
        has_keys = decisions[keys.names].notna().any(axis=1)
        for model, known in has_keys.groupby(decisions[DIGEST], sort=False):
            models[str(model)] = models.get(str(model), False) or bool(known.any())
        likely.append(decisions[values.get_indexer(decisions[column]) >= 0])
    found = pd.concat(likely, ignore_index=True)
    return _Logged(found[_are_in(found, keys.rows, keys.names)], models)


def _decisions_of(given: Outcomes, own: pd.DataFrame, where: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The decisions that outcomes are about, each with its label, and which outcomes are about none."""
    names = given.keys.names
    outcomes = given.keys.rows.assign(**{LABEL: given.labels, KNOWN_SINCE: given.days})
    several = own[own.duplicated(names, keep=False) & own[names].notna().all(axis=1)]
    named = several[_are_in(several, given.keys.rows, names)]
    if len(named):
        asked = named[names].drop_duplicates()
        raise InputError(
            f"{where}: there is more than one decision for {_shown(asked)}; {_way_to_tell_apart(given.keys, named)}"
        )
    merged = outcomes.merge(own[[*dict.fromkeys([*names, *IDENTITY])]], on=names, how="left", indicator=True)
    unknown = (merged["_merge"] == "left_only").to_numpy()
    return merged[~unknown], unknown


def _way_to_tell_apart(keys: Keys, decisions: pd.DataFrame) -> str:
    """How the user can say which of `decisions`, that all have keys with others in common, an outcome is about."""
    copies = decisions.duplicated(IDENTITY, keep=False)
    if copies.any():
        return f"the log has {_copies(decisions[copies])}"
    if not keys.are_request_ids:
        return "write the request ids of the decisions in a column `request_id`"
    if ROW not in keys.names and not decisions.duplicated(PLACE).any():
        return "these are batches: say in a column `row` which row each is, counted from 0"
    return (
        f"several requests had the same id: copy `{TIME}` and `{ROW}` from the log beside the `request_id`, as they stand there, "
        "and send each request its own X-Request-Id, or none, from now on"
    )


def _new(found: pd.DataFrame, stored: pa.Table, unknown: int, where: str) -> Joined:
    """Those of the outcomes that are not stored yet."""
    twice = found.duplicated(IDENTITY, keep=False)
    if twice.any():
        raise InputError(f"{where}: two outcomes for one decision: {_requests(found[twice])}; keep one row of each")
    before = _stored_labels(stored).rename(columns={LABEL: "before"})
    merged = found.merge(before, on=IDENTITY, how="left")
    known = merged["before"].notna()
    other = known & (merged["before"] != merged[LABEL])
    if other.any():
        raise InputError(
            f"{where}: outcomes that contradict what is stored: {_requests(merged[other])}; correct them, or take the stored ones "
            "back with `lockgate outcomes forget --only-outcomes` first"
        )
    new = merged[~known].sort_values(IDENTITY)
    rows = pa.Table.from_pandas(new[STORED.names], preserve_index=False).replace_schema_metadata(None).cast(STORED)
    return Joined(rows, int(known.sum()), unknown)


def _stored_labels(stored: pa.Table) -> pd.DataFrame:
    """The label of each decision that has one: once, however many files have it, as after two additions at the same time.

    Raises InputError where a decision has two.
    """
    known: pd.DataFrame = stored.select([*IDENTITY, LABEL]).to_pandas().drop_duplicates()
    twice = known.duplicated(IDENTITY, keep=False)
    if twice.any():
        raise InputError(
            f"two outcomes are stored for one decision: {_requests(known[twice])}; take them back with "
            "`lockgate outcomes forget --only-outcomes`, and add the right one"
        )
    return known


def _frame(log: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
    """Columns of a decision log in the types that it has, whoever wrote it: identifiers are the texts of their cells.

    Raises InputError where a column of the log's own holds something else.
    """
    made = {}
    for name in columns:
        try:
            kind = STORED.field(name).type if name in STORED.names else pa.string()
            cells = log[name] if name in STORED.names else cell_texts(log[name])
            made[name] = cells.cast(kind).to_pandas()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise InputError(f"column `{name}` of the log holds {log[name].type}: it is no decision log") from None
    return pd.DataFrame(made)


def _are_in(rows: pd.DataFrame, others: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """Which rows have the same in these columns as one of the others."""
    merged = rows[columns].merge(others[columns].drop_duplicates(), on=columns, how="left", indicator=True)
    flags: np.ndarray = (merged["_merge"] == "both").to_numpy()
    return flags


def _shown(keys: pd.DataFrame) -> str:
    return Keys(keys).shown(np.ones(len(keys), bool))


def _requests(found: pd.DataFrame) -> str:
    return _shown(found[PLACE])


def _copies(decisions: pd.DataFrame) -> str:
    return (
        f"rows of the same request id, row, model and time: {_shown(decisions[[*PLACE, TIME]])}; a file is there twice, or a part "
        "of one: remove the copy"
    )


def _identifiers(schema: Schema) -> list[str]:
    """The identifiers as a decision log has them, features among them."""
    return [name for name in schema.id_columns if not name.startswith(RESERVED_PREFIX)]


def _schema_columns(schema: Schema) -> set[str]:
    return {column.name for column in schema.columns} | {*schema.feature_names, *schema.id_columns}


def _own(table: SourceTable, names: Sequence[str], taken: set[str]) -> str | None:
    """The column of the kit's that `table` has, under its own name or a plain one that no column of the schema has."""
    there = [f"{RESERVED_PREFIX}{name}" for name in names] + [name for name in names if name not in taken]
    return next((name for name in there if name in table.names), None)


def _texts(table: SourceTable, name: str) -> pd.Series:
    texts: pd.Series = cell_texts(table.cells(name)).to_pandas()
    missing = texts.isna() | (texts.str.strip() == "")
    if missing.any():
        first = table.place(int(missing.to_numpy().argmax()))
        raise InputError(
            f"{table.name}: column `{name}` has {int(missing.sum()):,} missing values, the first in {first}; fill them, or leave "
            "these rows out"
        )
    return texts


def _whole_numbers(table: SourceTable, name: str) -> np.ndarray:
    texts = _texts(table, name)
    wrong = ~texts.str.fullmatch(r"\d{1,9}")
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        raise InputError(
            f"{table.name}: column `{name}` holds {quoted(texts[place])} in {table.place(place)}; it is the place of a row in its "
            "request, a whole number from 0 on"
        )
    return np.asarray(texts.astype("int64"))


def _times(table: SourceTable) -> pd.Series:
    """When the decisions were made, in UTC, as a log or a copy of it says; a time without a zone is in UTC."""
    _texts(table, TIME)
    cells = table.cells(TIME)
    values = read_column(TIME, cells, decide_times(TIME, cells, Read(), table), table).values
    if not pa.types.is_timestamp(values.type):
        raise InputError(f"{table.name}: column `{TIME}` holds numbers; copy it from the log as it stands there")
    times: pd.Series = pd.to_datetime(values.to_pandas(), utc=True).astype("datetime64[us, UTC]")
    return times


def _days(table: SourceTable, schema: Schema, read: Read) -> np.ndarray:
    """The day on which each outcome came to be known, NaT where nothing says it."""
    name = _own(table, ("outcome_date",), _schema_columns(schema))
    if name is None:
        return np.full(table.columns.num_rows, np.datetime64("NaT", "us"))
    cells = table.cells(name)
    if pc.all(pc.equal(pc.utf8_trim_whitespace(pc.fill_null(cell_texts(cells), "")), "")).as_py():
        return np.full(len(cells), np.datetime64("NaT", "us"))
    values = read_column(name, cells, decide_times(name, cells, read, table), table).values
    if not pa.types.is_timestamp(values.type):
        raise InputError(f"{table.name}: column `{name}` holds numbers; write days such as 2026-01-31")
    days = pd.to_datetime(values.to_pandas(), utc=True).dt.tz_localize(None).dt.normalize()
    late = (days > pd.Timestamp(table.read_on or date.max)).to_numpy()
    if late.any():
        place = int(late.argmax())
        raise InputError(
            f"{table.name}: column `{name}` has {int(late.sum()):,} days to come, the first in {table.place(place)}, "
            f"{days[place]:%Y-%m-%d}; correct them"
        )
    return np.asarray(days, "datetime64[us]")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
