"""The current batch against a bundle's frozen profile, or against another table: judged and put into words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd
from msgspec.structs import replace
from numpy.typing import ArrayLike

from lockgate.config.errors import InputError
from lockgate.config.params import Drift, Evaluate
from lockgate.config.progress import ProgressBar
from lockgate.data.dataset import conform_features, infer_features
from lockgate.data.partitions import Partition, PartitionedTable
from lockgate.data.source_table import SourceTable
from lockgate.documents.document import MAX_SENTENCE
from lockgate.documents.drift_json import (
    MAX_FEATURES,
    MOVED,
    DriftResult,
    EstimatedPerformance,
    ModelDrift,
    PerformanceDrift,
)
from lockgate.documents.profile_json import (
    SCORE,
    Calibration,
    DriftRule,
    FeatureProfile,
    HeldOutPerformance,
    LabelCounts,
    LeafCounts,
    PairCounts,
    Profile,
    Segments,
)
from lockgate.documents.schema_json import (
    LOG_SCORE,
    RESERVED_PREFIX,
    ROW_KEY,
    Y_SCORE,
    Y_TRUE,
    Feature,
    Reading,
)
from lockgate.drift.batch_counts import BatchCounts, CountedColumns, count_batch, merged_counts
from lockgate.drift.bins import Floats, float_values
from lockgate.drift.calibration import fit_calibration
from lockgate.drift.cells import ModelBatch
from lockgate.drift.drift_rule import overall
from lockgate.drift.effects import HeldOutScores
from lockgate.drift.estimated_performance import estimated_performance
from lockgate.drift.family_error import feature_error
from lockgate.drift.feature_entries import feature_entries
from lockgate.drift.feature_pairs import pair_batch
from lockgate.drift.label_drift import count_labels, label_drift
from lockgate.drift.measured_performance import performance_of
from lockgate.drift.model_drift import model_drift
from lockgate.drift.performance import (
    Metric,
    confronted_estimate,
    gate_thresholds,
    judged_estimate,
    measured_drift,
    thresholds_met,
)
from lockgate.drift.profile import drift_rule, profile_features, with_scores
from lockgate.drift.segments import find_segments
from lockgate.engine.engine import Engine, LocalEngine
from lockgate.metrics.sorted_rows import Numbers

# What calls scores so: tables of predictions, the decision log, and what `lockgate score` writes.
SCORE_COLUMNS = (Y_SCORE, LOG_SCORE, "probability")


Made = TypeVar("Made")


@dataclass(frozen=True)
class KnownOutcomes:
    """Labels (0, 1 or NaN) and the scores of the same rows, None where there are none.

    They need not be those of the batch: outcomes come late.
    """

    labels: Numbers
    scores: Numbers | None


def measure_against_profile(
    profile: Profile,
    current: pd.DataFrame,
    *,
    scores: ArrayLike | None = None,
    model: str | None = None,
    rule: DriftRule | None = None,
    evaluate: Evaluate | None = None,
    target: str | None = None,
    note: str | None = None,
    threads: int = 1,
) -> DriftResult:
    """How far `current`, which has the profile's columns in any order, is from it; the profile's own rule by default.

    `scores` is the model's probability of each row, shape (rows,): without it the score is left out and nothing is estimated.
    `model` is the bundle's digest. `target` names the column of labels (0, 1 or missing) where there may be one. The rest is as
    `measure_counts` says. Raises InputError naming a column that is absent, has changed its type, or holds labels other than 0
    and 1.
    """
    columns = profile_columns(profile, target, is_scored=scores is not None)
    return measure_counts(
        profile,
        columns,
        count_batch(columns, current, scores, threads=threads),
        model=model,
        rule=rule,
        evaluate=evaluate,
        note=note,
        threads=threads,
    )


def profile_columns(profile: Profile, target: str | None, *, is_scored: bool = True) -> CountedColumns:
    """What is counted of a batch to hold it against a profile."""
    features = profile.features if is_scored else profile.features[:-1]
    return CountedColumns(features, profile.segments, profile.pairs, target)


def measure_counts(
    profile: Profile,
    columns: CountedColumns,
    counts: BatchCounts,
    *,
    in_model: ModelBatch | None = None,
    outcomes: KnownOutcomes | None = None,
    model: str | None = None,
    rule: DriftRule | None = None,
    evaluate: Evaluate | None = None,
    note: str | None = None,
    threads: int = 1,
) -> DriftResult:
    """How far a batch, of which the profile's `columns` are counted, is from the profile; the profile's own rule by default.

    `in_model` are the rows in the leaves of the model's trees, where the profile counts those. A changed rate of labels warns like
    a feature, performance is judged, too few labels are no news and leave the status alone. `evaluate` has the gate's
    thresholds; without it they are the defaults, as far as the held-out rows meet them. `outcomes` are of other rows, in place
    of the batch's own labels.
    """
    reference = _Reference(
        features=columns.features,
        n=profile.n,
        labels=profile.labels,
        calibration=profile.calibration,
        segments=profile.segments,
        performance=profile.performance,
        thresholds=thresholds_of(evaluate, profile.performance),
        name="at registration",
        leaves=profile.leaves,
        pairs=profile.pairs,
    )
    if in_model is None and profile.pairs and counts.cells:
        in_model = pair_batch(profile.pairs, counts.rows, counts.cells)
    batch = _Batch(counts, columns.target, outcomes or _own_outcomes(counts), in_model)
    return _measured(reference, batch, rule or profile.rule, model, note, threads)


def measure_tables(
    reference: SourceTable,
    current: PartitionedTable,
    settings: Drift,
    *,
    evaluate: Evaluate | None = None,
    note: str | None = None,
    threads: int = 1,
    engine: Engine | None = None,
) -> DriftResult:
    """How far `current` is from `reference`, every column of it that can be binned by what it holds.

    What a column is and how its cells are read is decided by the reference; so is `current` read. The note names the other
    columns with what they hold. A column that is called as one of `SCORE_COLUMNS` and holds probabilities is the score, whoever
    made it; `y_true`, with 0 and 1, holds labels, which `current` may lack. Other columns that the kit writes itself, row keys
    and those of the decision log, are left out. `evaluate` has the gate's thresholds; without it they are the defaults, as far as
    the reference meets them. `engine` counts the parts of `current`; the reference is in memory. Raises InputError naming a column
    that `current` lacks, that has changed its type, or that holds infinite values, and for a reference without rows.
    """
    if reference.columns.num_rows == 0:
        raise InputError(f"{reference.name} has no rows, so that nothing says what its columns are; it needs rows")
    typed = infer_features(_without_own_columns(reference))
    kinds = {feature.name: feature for feature in typed.features}
    score = next((name for name in SCORE_COLUMNS if name in kinds and _are_probabilities(typed.table[name])), None)
    target = Y_TRUE if Y_TRUE in kinds and _are_labels(typed.table[Y_TRUE]) else None
    compared = [feature for feature in typed.features if feature.name not in (score, target)]
    if score:
        compared.append(kinds[score])  # the score is the last
    profiles = profile_features(typed.table, compared, settings.bins, threads)
    labels = calibration = performance = None
    if target:
        labels = count_labels(typed.table[target])
    if score:
        profiles = (*profiles[:-1], replace(profiles[-1], kind=SCORE))
        known = typed.table.dropna(subset=[target]) if target else typed.table.head(0)
        if target and len(known):
            calibration = fit_calibration(known[target], known[score])
            performance = performance_of(known[target], known[score])
        scored = HeldOutScores(typed.table[score], calibration, None)
        profiles = (*with_scores(profiles[:-1], typed.table, scored, threads), profiles[-1])
    read = _TableReading(
        columns=CountedColumns(profiles, target=target),
        features=tuple(compared),
        labels=kinds[target] if target else None,
        readings=typed.readings,
        score=score,
    )
    counts = merged_counts(counted_parts(partial(_count_partition, read), current, engine))
    if counts is None:
        raise InputError(f"{current.name} has a header and no rows; it needs rows")
    left_out = [f"{name} ({what})" for name, what in typed.left_out.items()]
    notes = [*([note] if note else []), *([f"not compared: {', '.join(left_out)}"] if left_out else [])]
    return _measured(
        _Reference(
            features=profiles,
            n=len(typed.table),
            labels=labels,
            calibration=calibration,
            performance=performance,
            thresholds=thresholds_of(evaluate, performance),
            name="in the reference",
        ),
        _Batch(counts, target, _own_outcomes(counts)),
        drift_rule(settings),
        None,
        "; ".join(notes)[:MAX_SENTENCE] or None,
        threads,
    )


def counted_parts(
    count: Callable[[Partition], Made | None], table: PartitionedTable, engine: Engine | None
) -> Iterator[Made]:
    """What `count` makes of each part of a table that has rows, wherever the engine works, with a bar where a person watches."""
    with ProgressBar(f"counting {table.name}", len(table.partitions)) as bar:
        for found in (engine or LocalEngine()).map(count, table.partitions):
            bar.advance()
            if found is not None:
                yield found


@dataclass(frozen=True)
class _TableReading:
    """How the columns of a table without a schema are read: by what the reference holds."""

    columns: CountedColumns
    features: tuple[Feature, ...]
    labels: Feature | None
    readings: Mapping[str, Reading]
    score: str | None


def _count_partition(read: _TableReading, partition: Partition) -> BatchCounts | None:
    texts = [one.name for one in read.features if one.kind == "categorical"]
    return merged_counts(_count_table(read, batch) for batch in partition.batches(texts))


def _count_table(read: _TableReading, batch: SourceTable) -> BatchCounts:
    has_labels = read.labels is not None and read.labels.name in batch.names
    features = [*read.features, *([read.labels] if read.labels and has_labels else [])]
    rows = conform_features(batch, features, read.readings)
    return count_batch(read.columns, rows, _scores(rows[read.score], batch) if read.score else None)


@dataclass(frozen=True)
class _Reference:
    """What a batch is held against: bins, the score's last if there is one, rows, known labels, and how good the scores were.

    `thresholds` are the gate's, and `name` says in sentences where the reference is from. Two tables have neither leaves nor pairs.
    """

    features: Sequence[FeatureProfile]
    n: int
    labels: LabelCounts | None
    calibration: Calibration | None
    performance: HeldOutPerformance | None
    thresholds: Mapping[Metric, float]
    name: str
    segments: Sequence[Segments] = ()
    leaves: LeafCounts | None = None
    pairs: PairCounts | None = None


@dataclass(frozen=True)
class _Batch:
    """Counted rows, in the cells of the model too, and known outcomes, called `target`; None where there are none."""

    counts: BatchCounts
    target: str | None
    outcomes: KnownOutcomes | None
    in_model: ModelBatch | None = None


def _own_outcomes(counts: BatchCounts) -> KnownOutcomes | None:
    return None if counts.labels is None else KnownOutcomes(counts.labels, counts.scores)


def _measured(
    reference: _Reference, batch: _Batch, rule: DriftRule, model: str | None, note: str | None, threads: int
) -> DriftResult:
    if len(reference.features) > MAX_FEATURES:
        found = f"{len(reference.features):,} features, the score counted as one of them"
        raise InputError(f"there are {found}, and drift is measured of at most {MAX_FEATURES:,}; leave columns out")
    counts = batch.counts
    known = None if batch.outcomes is None else count_labels(batch.outcomes.labels)
    error = feature_error(rule.family_error, len(reference.features))
    entries = feature_entries(reference.features, counts.features, error, rule, threads)
    label = None
    if known is not None and known.n:
        label = label_drift(str(batch.target), reference.labels, known, error, rule)
    plain = [one for one in reference.features if one.kind != SCORE]
    everywhere = [one.found.counts for one in counts.features[: len(plain)]]
    segments = find_segments(reference.segments, plain, counts.segments, everywhere, counts.rows, rule)
    absent = [f"`{one.column}`" for one, found in zip(reference.segments, counts.segments, strict=True) if not found]
    if absent:
        note = "; ".join(filter(None, [note, f"no segments by {', '.join(absent)}, which the batch does not have"]))
    performance, estimated = _performance(reference, batch, rule)
    # Held-out rows are a part of the training rows: where they alone are too few, the other rules have the word.
    statuses = [one.status for one in entries if one.kind != SCORE or one.status != "insufficient-data"]
    statuses += [label.status] if label and label.status != "insufficient-data" else []
    statuses += [one.status for one in segments]
    in_model = _model_drift(reference, batch.in_model, rule)
    statuses += [one.status for one in (performance, estimated, in_model) if one and one.status in MOVED]
    return DriftResult(
        status=overall(statuses),
        model=model,
        current=None,
        n_reference=reference.n,
        n_current=counts.rows,
        warn=rule.warn,
        alert=rule.alert,
        note=note and note[:MAX_SENTENCE],
        label=label,
        estimated=estimated,
        performance=performance,
        model_drift=in_model,
        segments=segments,
        features=entries,
    )


def _performance(
    reference: _Reference, batch: _Batch, rule: DriftRule
) -> tuple[PerformanceDrift | None, EstimatedPerformance | None]:
    """Measured where labels are known; the estimate is judged where they are too few."""
    scores, outcomes = batch.counts.scores, batch.outcomes
    if scores is None:
        return None, None
    held_out = (reference.calibration, reference.performance, reference.thresholds, rule)
    measured = None
    if outcomes is not None and outcomes.scores is not None:
        measured = measured_drift(outcomes.labels, outcomes.scores, *held_out, reference.name)
    if measured is None or measured.status == "insufficient-data":
        return measured, judged_estimate(scores, *held_out)
    return measured, confronted_estimate(estimated_performance(scores, reference.calibration), measured)


def thresholds_of(evaluate: Evaluate | None, performance: HeldOutPerformance | None) -> dict[Metric, float]:
    """What the gate asks for; of the defaults, where nobody says it, what the held-out rows meet."""
    if evaluate is None:
        return thresholds_met(gate_thresholds(Evaluate()), performance)
    return gate_thresholds(evaluate)


def _model_drift(reference: _Reference, batch: ModelBatch | None, rule: DriftRule) -> ModelDrift | None:
    """`batch` has the rows in the cells that the reference is counted in."""
    if batch is None:
        return None
    if batch.method == "leaves" and reference.leaves:
        trees, n = reference.leaves.trees, reference.leaves.n
    elif batch.method == "pairs" and reference.pairs:
        trees, n = reference.pairs.counts, reference.pairs.n
    else:
        return None
    return model_drift(np.concatenate([np.asarray(tree, np.int64) for tree in trees]), n, batch, rule)


def _without_own_columns(table: SourceTable) -> SourceTable:
    """The table without the columns that the kit writes beside its scores."""
    own = [
        name
        for name in table.names
        if name == ROW_KEY or (name.startswith(RESERVED_PREFIX) and name not in SCORE_COLUMNS)
    ]
    return dataclasses.replace(table, columns=table.columns.drop_columns(own))


def _are_probabilities(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and bool(column.between(0.0, 1.0).all())


def _are_labels(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column.dtype) and bool(column.dropna().isin([0, 1]).all())


def _scores(column: pd.Series, table: SourceTable) -> Floats:
    wrong = ~column.between(0.0, 1.0).to_numpy()
    if wrong.any():
        raise InputError(
            f"{table.name}: column `{column.name}` holds {int(wrong.sum()):,} values that are no probabilities, the first in "
            f"{table.place(int(wrong.argmax()))}; in the reference it holds scores from 0 to 1: correct it, or rename it in both"
        )
    return float_values(column)
