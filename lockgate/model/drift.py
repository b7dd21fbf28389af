"""How far a batch is from what a bundle's model was trained on, or from another table: the public `measure_drift`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import partial

import numpy as np
import pandas as pd
from msgspec import structs
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.limits import BINS
from lockgate.config.params import Drift, Evaluate
from lockgate.data.dataset import conform_current, conform_rows, counted_texts, has_decisions
from lockgate.data.names import check_texts
from lockgate.data.newest_day import newest_day
from lockgate.data.partitions import Partition, PartitionedTable, in_memory
from lockgate.data.source_table import SourceTable
from lockgate.data.tables import Table, as_source
from lockgate.documents.document import MAX_SENTENCE
from lockgate.documents.drift_json import DriftResult, PerformanceDrift
from lockgate.documents.profile_json import SCORE
from lockgate.documents.schema_json import LOG_TIME, Feature, Schema
from lockgate.drift.batch_counts import BatchCounts, CountedColumns, count_batch, merged_counts
from lockgate.drift.bins import Floats
from lockgate.drift.evidently_report import why_no_page
from lockgate.drift.family_error import vintage_family_error
from lockgate.drift.measurement import (
    KnownOutcomes,
    counted_parts,
    measure_counts,
    measure_tables,
    profile_columns,
    thresholds_of,
)
from lockgate.drift.performance import measured_drift
from lockgate.drift.profile import HeldOut, build_profile, drift_rule
from lockgate.drift.vintages import DecisionRows, decision_rows, looked_at, merged_decisions, with_vintages
from lockgate.engine.engine import Engine
from lockgate.model.bundle import Bundle
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.leaves import bundle_leaves, served_leaves
from lockgate.model.onnx_check import CheckedOnnx
from lockgate.model.scoring import score_frame, score_onnx


@dataclass(frozen=True)
class MeasuredBatch:
    """What was measured of a batch, and the day of its newest row; `problem` says why nobody can tell that day, and is empty
    where somebody can."""

    result: DriftResult
    newest: date | None = None
    problem: str = ""


def measure_drift(
    reference: Bundle | SourceTable | Table | pd.DataFrame,
    current: PartitionedTable | SourceTable | Table | pd.DataFrame,
    *,
    reference_rows: SourceTable | Table | pd.DataFrame | None = None,
    settings: Drift | None = None,
    evaluate: Evaluate | None = None,
    note: str | None = None,
    time: datetime | None = None,
    threads: int = 1,
    engine: Engine | None = None,
) -> DriftResult:
    """How far `current` is from `reference`: a bundle's training rows, or another table.

    Against a bundle, `current` has the columns of its schema in any order; the model scores them. Its profile's own rule
    decides unless `settings` are given. Where the target is among the columns (any row may lack it), its rate is compared
    too and the model's performance is measured and judged; without it ROC-AUC and Brier are estimated. `evaluate` has the
    gate's thresholds; without it they are the defaults of `params.yaml`, as far as the reference itself meets them.
    `reference_rows` are rows to compare with instead of the training rows.

    Against a table, every column that can be binned is compared, by what the reference holds; the note names the others. A column
    `y_score` or `probability` is the score, and `y_true` holds labels. The defaults of `params.yaml` decide unless `settings` are
    given.

    `time`, with its zone, is when one looks, and is written into the result. Of a decision log only the bundle's own decisions
    have outcomes that count, and only mature ones: by `time`, or by the newest decision where none is given.

    `current` may also be a table in parts (`lockgate.data.partitions`), of which nothing is kept but counts and a few numbers a
    row; `engine` counts them, by default here and one after the other. What comes out is the same for any number of threads
    and workers, for shuffled rows, and however the table is cut into parts.

    Raises InputError naming a column that is absent, has changed its type, or holds infinite values or labels of a third class,
    and the file where there are several.
    """
    return measure_batch(
        reference,
        current,
        reference_rows=reference_rows,
        settings=settings,
        evaluate=evaluate,
        note=note,
        time=time,
        threads=threads,
        engine=engine,
    ).result


def measure_batch(
    reference: Bundle | SourceTable | Table | pd.DataFrame,
    current: PartitionedTable | SourceTable | Table | pd.DataFrame,
    *,
    reference_rows: SourceTable | Table | pd.DataFrame | None = None,
    settings: Drift | None = None,
    evaluate: Evaluate | None = None,
    note: str | None = None,
    time: datetime | None = None,
    threads: int = 1,
    engine: Engine | None = None,
) -> MeasuredBatch:
    """As `measure_drift`, with how new the batch is, by the columns that a bundle's schema knows."""
    if time is not None and time.tzinfo is None:
        raise InputError("the time of measure_drift has no zone; give it one, such as datetime.now(UTC)")
    batch = current if isinstance(current, PartitionedTable) else in_memory(as_source(current, "the current table"))
    if isinstance(reference, Bundle):
        measured = _against_bundle(reference, batch, reference_rows, settings, evaluate, note, time, threads, engine)
    elif reference_rows is not None:
        raise InputError(
            "reference_rows stand for the training rows of a bundle, and the reference is a table; leave one out"
        )
    else:
        table = as_source(reference, "the reference table")
        measured = MeasuredBatch(
            measure_tables(
                table, batch, settings or Drift(), evaluate=evaluate, note=note, threads=threads, engine=engine
            )
        )
    result = measured.result
    columns = sum(feature.kind != SCORE for feature in result.features)
    notes = [why_no_page(columns, (settings or Drift()).evidently), result.note]
    shown_time = None if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    note = "; ".join(filter(None, notes))[:MAX_SENTENCE] or None
    result = structs.replace(result, time=shown_time, current=batch.sha256, note=note)
    return replace(measured, result=result)


def _with_categories_of(rows: pd.DataFrame, schema: Schema) -> Schema:
    """The schema with the categories that these rows have and the training rows had not: they are known to what is compared."""

    def described(feature: Feature) -> Feature:
        if feature.kind == "numeric":
            return feature
        others = sorted({*map(str, rows[feature.name].dropna().unique())} - {*feature.categories})
        check_texts(others, feature.name, "the reference table")
        BINS.require(len(feature.categories) + len(others) + 1, f"the reference table: column `{feature.name}`")
        return structs.replace(feature, categories=(*feature.categories, *others))

    return structs.replace(schema, features=tuple(map(described, schema.features)))


def _against_bundle(
    bundle: Bundle,
    current: PartitionedTable,
    reference_rows: SourceTable | Table | pd.DataFrame | None,
    settings: Drift | None,
    evaluate: Evaluate | None,
    note: str | None,
    time: datetime | None,
    threads: int,
    engine: Engine | None,
) -> MeasuredBatch:
    schema, profile = bundle.schema, bundle.profile
    rule = profile.rule if settings is None else drift_rule(settings)
    settings = settings or Drift()
    trees = bundle_leaves(bundle)
    if reference_rows is not None:
        before = conform_current(as_source(reference_rows, "the reference table"), schema)
        features = model_frame(before, schema)
        scores = score_frame(bundle, features)
        # The model may have learnt from these rows; the bundle's calibration and performance are of rows it did not learn from.
        leaves = trees.count(features) if trees else None
        held_out = HeldOut(scores, rows=before, leaves=leaves, calibration=profile.calibration)
        columns = [one.column for one in profile.segments]
        described = _with_categories_of(before, schema)
        made = build_profile(before, described, settings, held_out, threads, segment_columns=columns)
        profile = structs.replace(made, performance=profile.performance)
    counted_columns = profile_columns(profile, schema.target)
    read = _Reading(
        bundle.onnx, schema, counted_columns, trees is not None, bundle.digest, None, settings.log_days, threads
    )
    if _is_decision_log(current):
        newest = max(counted_parts(_newest_decision, current, engine), default=None)
        if newest is not None:
            read = replace(read, as_of=looked_at(newest, time))
    counted = _merged(counted_parts(partial(_count_partition, read), current, engine))
    if counted is None:
        raise InputError(f"{current.name} has a header and no rows; it needs rows")
    counts, decisions, outcomes = counted.counts, None, None
    if counted.decisions is not None and read.as_of is not None:
        decisions = counted.decisions.outcomes(read.as_of, settings.performance)
        recent = counted.decisions.recent(read.as_of, settings.log_days)
        counts = replace(counts, scores=counted.scores[recent])
        outcomes = KnownOutcomes(decisions.matured_labels, counted.scores)
        note = "; ".join(filter(None, [note, decisions.note, _older_words(recent, settings.log_days)]))
    measured = measure_counts(
        profile,
        counted_columns,
        counts,
        in_model=trees.batch(counts.rows, counts.cells, schema.feature_names) if trees and counts.cells else None,
        model=bundle.digest,
        rule=rule,
        evaluate=evaluate,
        outcomes=outcomes,
        note=note or None,
        threads=threads,
    )
    if decisions is None:
        return MeasuredBatch(measured, counted.newest, counted.problem)
    month_rule = structs.replace(rule, family_error=vintage_family_error(rule.family_error, decisions.judged_months))
    thresholds = thresholds_of(evaluate, profile.performance)

    def judge(labels: Floats, of_month: Floats) -> PerformanceDrift | None:
        return measured_drift(labels, of_month, profile.calibration, profile.performance, thresholds, month_rule)

    result = with_vintages(measured, list(decisions.vintages(counted.scores, judge)), decisions.selection)
    return MeasuredBatch(result, counted.newest, counted.problem)


@dataclass(frozen=True)
class _Reading:
    """What it takes to count a part of a batch, wherever that is done.

    `as_of` is when one looks at a decision log: rows of the last `log_days` before are counted; None for a batch that is none.
    """

    onnx: CheckedOnnx
    schema: Schema
    columns: CountedColumns
    has_leaves: bool
    model: str
    as_of: np.datetime64 | None
    log_days: int
    threads: int


@dataclass(frozen=True)
class _Counted:
    """A part of a batch. Of a decision log `decisions` has every row, and `scores` has those of the same rows.

    `newest` is the day of its newest row; `problem` is why nobody can tell, empty where somebody can.
    """

    counts: BatchCounts
    decisions: DecisionRows | None
    scores: Floats
    newest: date | None
    problem: str


def _count_partition(read: _Reading, partition: Partition) -> _Counted | None:
    return _merged(_count_batch(read, batch) for batch in partition.batches(counted_texts(read.schema)))


def _count_batch(read: _Reading, batch: SourceTable) -> _Counted:
    rows = conform_rows(batch, read.schema)
    features = model_frame(rows, read.schema)
    scores, matrix = score_onnx(read.onnx, features), code_matrix(features)
    trees = served_leaves(read.onnx.content) if read.has_leaves else None
    newest, problem = None, ""
    try:
        newest = newest_day(batch, read.schema)
    except InputError as error:
        problem = str(error)
    decisions = decision_rows(rows, read.schema.target, read.model)
    if read.as_of is None:
        if decisions is not None and decisions.newest is not None:
            raise InputError(
                f"{batch.name} is a decision log, and the first file of the table is none; keep them apart"
            )
        leaves = trees.cells(matrix) if trees else None
        counts = count_batch(read.columns, rows, scores, leaves, read.threads)
        return _Counted(counts, None, np.empty(0), newest, problem)
    if decisions is None:
        raise InputError(f"{batch.name} is no decision log, and the first file of the table is one; keep them apart")
    recent = decisions.recent(read.as_of, read.log_days)
    leaves = trees.cells(matrix[recent]) if trees else None
    counts = count_batch(read.columns, rows[recent], scores[recent], leaves, read.threads)
    return _Counted(replace(counts, scores=None, labels=None), decisions, scores, newest, problem)


def _merged(parts: Iterable[_Counted]) -> _Counted | None:
    """All parts together, None where there is none."""
    decisions, scores = list[DecisionRows](), [np.empty(0)]
    days, problems = list[date](), list[str]()

    def sums() -> Iterator[BatchCounts]:
        for part in parts:
            if part.decisions is not None:
                decisions.append(part.decisions)
                scores.append(part.scores)
            days.extend([part.newest] if part.newest else [])
            problems.extend([part.problem] if part.problem else [])
            yield part.counts

    counts = merged_counts(sums())
    if counts is None:
        return None
    return _Counted(
        counts,
        merged_decisions(decisions) if decisions else None,
        np.concatenate(scores),
        max(days, default=None) if not problems else None,
        problems[0] if problems else "",
    )


def _is_decision_log(table: PartitionedTable) -> bool:
    """Whether the table says when its rows were decided, by what its first part says of its columns."""
    schema = table.schema
    if schema is None:
        first = next(iter(table.partitions[0].batches()), None)
        schema = None if first is None else first.columns.schema
    return schema is not None and has_decisions(schema)


def _newest_decision(partition: Partition) -> np.datetime64 | None:
    """When the newest decision of a part was made, in UTC; None where nobody says of any."""
    found = [
        newest.to_datetime64()
        for batch in partition.batches()
        if has_decisions(batch.columns.schema)
        if not pd.isna(newest := pd.to_datetime(batch.cells(LOG_TIME).to_pandas(), utc=True).dt.tz_localize(None).max())
    ]
    return max(found).astype("datetime64[us]") if found else None


def _older_words(recent: NDArray[np.bool_], days: int) -> str:
    others = int((~recent).sum())
    if not others:
        return ""
    batch = f"the batch is the {int(recent.sum()):,} decisions of the last {days:,} days (drift.log_days)"
    return f"{batch}; of the other {others:,} only outcomes count"
