"""How far a batch is from what a bundle's model was trained on, or from another table: the public `measure_drift`."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.limits import BINS
from lockgate.config.params import Drift, Evaluate
from lockgate.data.dataset import conform_current
from lockgate.data.names import check_texts
from lockgate.data.source_table import SourceTable
from lockgate.data.tables import Table, as_source
from lockgate.documents.document import MAX_SENTENCE
from lockgate.documents.drift_json import DriftResult, PerformanceDrift
from lockgate.documents.profile_json import SCORE
from lockgate.documents.schema_json import Feature, Schema
from lockgate.drift.bins import Floats
from lockgate.drift.evidently_report import why_no_page
from lockgate.drift.family_error import vintage_family_error
from lockgate.drift.measurement import KnownOutcomes, measure_against_profile, measure_tables, thresholds_of
from lockgate.drift.performance import measured_drift
from lockgate.drift.profile import HeldOut, build_profile, drift_rule
from lockgate.drift.vintages import decision_outcomes, with_vintages
from lockgate.model.bundle import Bundle
from lockgate.model.features import model_frame
from lockgate.model.leaves import bundle_leaves
from lockgate.model.scoring import score_frame


def measure_drift(
    reference: Bundle | SourceTable | Table | pd.DataFrame,
    current: SourceTable | Table | pd.DataFrame,
    *,
    reference_rows: SourceTable | Table | pd.DataFrame | None = None,
    settings: Drift | None = None,
    evaluate: Evaluate | None = None,
    note: str | None = None,
    time: datetime | None = None,
    threads: int = 1,
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

    Deterministic, the same for any number of threads. Raises InputError naming a column that is absent, has changed its
    type, or holds infinite values or labels of a third class.
    """
    if time is not None and time.tzinfo is None:
        raise InputError("the time of measure_drift has no zone; give it one, such as datetime.now(UTC)")
    batch = as_source(current, "the current table")
    if isinstance(reference, Bundle):
        result = _against_bundle(reference, batch, reference_rows, settings, evaluate, note, time, threads)
    elif reference_rows is not None:
        raise InputError(
            "reference_rows stand for the training rows of a bundle, and the reference is a table; leave one out"
        )
    else:
        table = as_source(reference, "the reference table")
        result = measure_tables(table, batch, settings or Drift(), evaluate=evaluate, note=note, threads=threads)
    columns = sum(feature.kind != SCORE for feature in result.features)
    notes = [why_no_page(columns, (settings or Drift()).evidently), result.note]
    shown_time = None if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return replace(
        result, time=shown_time, current=batch.sha256, note="; ".join(filter(None, notes))[:MAX_SENTENCE] or None
    )


def _with_categories_of(rows: pd.DataFrame, schema: Schema) -> Schema:
    """The schema with the categories that these rows have and the training rows had not: they are known to what is compared."""

    def described(feature: Feature) -> Feature:
        if feature.kind == "numeric":
            return feature
        others = sorted({*map(str, rows[feature.name].dropna().unique())} - {*feature.categories})
        check_texts(others, feature.name, "the reference table")
        BINS.require(len(feature.categories) + len(others) + 1, f"the reference table: column `{feature.name}`")
        return replace(feature, categories=(*feature.categories, *others))

    return replace(schema, features=tuple(map(described, schema.features)))


def _against_bundle(
    bundle: Bundle,
    current: SourceTable,
    reference_rows: SourceTable | Table | pd.DataFrame | None,
    settings: Drift | None,
    evaluate: Evaluate | None,
    note: str | None,
    time: datetime | None,
    threads: int,
) -> DriftResult:
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
        profile = replace(made, performance=profile.performance)
    batch = conform_current(current, schema)
    features = model_frame(batch, schema)
    scores = score_frame(bundle, features)
    decisions = decision_outcomes(batch, schema.target, bundle.digest, time, settings.performance)
    rows, row_scores, outcomes = batch, scores, None
    if decisions:
        recent = decisions.recent(settings.log_days)
        rows, features, row_scores = batch[recent], features[recent], scores[recent]
        if schema.target in batch.columns:
            outcomes = KnownOutcomes(decisions.matured_labels, scores)
        note = "; ".join(filter(None, [note, decisions.note, _older_words(recent, settings.log_days)]))
    measured = measure_against_profile(
        profile,
        rows,
        scores=row_scores,
        leaves=trees.batch(features) if trees else None,
        model=bundle.digest,
        rule=rule,
        evaluate=evaluate,
        target=schema.target,
        outcomes=outcomes,
        note=note or None,
        threads=threads,
    )
    if decisions is None:
        return measured
    month_rule = replace(rule, family_error=vintage_family_error(rule.family_error, decisions.judged_months))
    thresholds = thresholds_of(evaluate, profile.performance)

    def judge(labels: Floats, of_month: Floats) -> PerformanceDrift | None:
        return measured_drift(labels, of_month, profile.calibration, profile.performance, thresholds, month_rule)

    return with_vintages(measured, list(decisions.vintages(scores, judge)), decisions.selection)


def _older_words(recent: NDArray[np.bool_], days: int) -> str:
    others = int((~recent).sum())
    if not others:
        return ""
    batch = f"the batch is the {int(recent.sum()):,} decisions of the last {days:,} days (drift.log_days)"
    return f"{batch}; of the other {others:,} only outcomes count"
