"""The files of a project: where its stages read and write, and what they say. The values come from the public functions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec
import pyarrow as pa

from lockgate.config import layout
from lockgate.config.credentials import safe_url
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import read_bytes, sha256_file, staged_files, write_file, write_files
from lockgate.config.limits import IN_MEMORY_BYTES
from lockgate.config.params import SYNTHETIC, Evaluate, Params, Prepare, Read, params_or_defaults, read_params
from lockgate.config.progress import ProgressBar
from lockgate.config.terminal import progress, say, warn
from lockgate.data.dataset import Dataset, LargeDataset, prepare, read_features
from lockgate.data.decision_store import DecisionStore, decision_store, remove_rows
from lockgate.data.download import is_url
from lockgate.data.large_source import LargeSource, bytes_in_parts
from lockgate.data.origin import make_origin, source_name
from lockgate.data.outcomes import (
    STORED,
    LabelledPartition,
    decision_places,
    join_outcomes,
    log_columns,
    made_before,
    matching_labels,
    read_keys,
    read_outcomes,
    rows_of_keys,
)
from lockgate.data.partitions import PartitionedTable, open_partitions
from lockgate.data.source_table import SourceTable, cell_texts, source_of_frame
from lockgate.data.sources import read_source_table, source_sha256
from lockgate.data.split import identifier_keys
from lockgate.data.stage_rows import StageRows
from lockgate.data.stored_folder import folder_of_table, has_room_beside
from lockgate.data.streamed_dataset import prepare_streamed
from lockgate.data.synthetic import generate_applicants, with_synthetic_roles
from lockgate.data.tables import Table, day_metadata, read_newest_day, read_stage_table, table_bytes, write_frames
from lockgate.data.validation import Role
from lockgate.documents.curves_json import CURVES, curve_files, read_curves
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult, NewData
from lockgate.documents.manifest_json import SourceCheck
from lockgate.documents.metrics_json import metrics_to_bytes, read_metrics
from lockgate.documents.profile_json import SCORE
from lockgate.documents.schema_json import DECISION_COLUMNS, DECISION_KEY, LABEL, ROW_KEY, Schema
from lockgate.documents.test_set_history_json import DecisionHistory, PastDecision
from lockgate.documents.train_json import TrainingReport
from lockgate.drift.evidently_report import thinned, why_no_page, write_evidently_html
from lockgate.drift.profile import drift_rule, rule_differences
from lockgate.dvc.lock import require_locked_bytes
from lockgate.dvc.stages import require_watched_files
from lockgate.engine.engine import Engine
from lockgate.engine.open_engine import engine_settings, open_engine
from lockgate.gate.evaluation import Evaluation
from lockgate.gate.evidence import Features, bundle_features
from lockgate.gate.recheck import recheck
from lockgate.gate.shadow_comparison import SHADOW_COLUMNS, ShadowComparison, compare_shadows
from lockgate.model.bundle import PROVENANCE, VERDICT, VERDICT_ENVELOPE, Bundle, verify_bundle, write_bundle
from lockgate.model.contributions import mean_contributions
from lockgate.model.expected_scores import ExpectedScores, scores_of_column, scores_of_table
from lockgate.model.import_model import Imported
from lockgate.model.predictions import Predictions, predictions_metadata, read_evaluated_predictions
from lockgate.model.staleness import Staleness, spread_rows, staleness
from lockgate.model.training import Trained
from lockgate.model.training_parts import trains_in_parts
from lockgate.registry.mlflow_client import connect, shown_uri
from lockgate.registry.provenance import clean_commit, make_provenance, read_provenance
from lockgate.registry.register import Registration
from lockgate.registry.tracking import RunOrigin, log_training
from lockgate.report.columns import column_table
from lockgate.report.drift import drift_table
from lockgate.report.facts import ReportFacts
from lockgate.report.report import Report
from lockgate.signature.signed_verdict import sign_verdict, signing_key, signing_key_of_environment

STAGE_DATA: dict[Role, Path] = {"train": layout.TRAIN_DATA, "test": layout.TEST_DATA, "current": layout.CURRENT_DATA}
FIRST_ZONE = timezone(
    timedelta(hours=14)
)  # where a day begins first: a date of today, wherever, is never one of tomorrow
SMALLEST_SHARE = 1000  # of the bytes that fit in memory: a smaller source is read at once, however it is compressed
ENDED_TOO_EARLY = (
    "the last of {rounds:,} rounds was the best, and the validation loss still fell; raise train.num_boost_round, or "
    "train.learning_rate"
)
SAME_DATA = "the current batch is the test split: no `prepare.current` is set, so this compares the data with itself"
Content = TypeVar("Content")


@dataclass(frozen=True)
class StoredOutcomes:
    """The outcomes that are kept beside the decision log at `location`."""

    location: str

    @cached_property
    def _stored(self) -> pa.Table:
        return decision_store(self.location, "the decision log").read_outcomes(STORED)

    def __call__(self, batch: SourceTable) -> SourceTable:
        """Rows of the log with their outcomes; of any other table as they are."""
        if not {*DECISION_KEY, *DECISION_COLUMNS} <= {*batch.names} or LABEL in batch.names:
            return batch
        if not has_room_beside(folder_of_table(self.location)) or not self._stored.num_rows:
            return batch
        labels = pa.array(matching_labels(batch.columns, self._stored), from_pandas=True)
        return replace(batch, columns=batch.columns.append_column(LABEL, labels))


@dataclass(frozen=True)
class Project:
    """A folder with settings, data, a bundle and reports: `read_*` and the properties read, `write_*` write.

    Whatever is missing or wrong raises InputError with one line; outputs are complete or not there.
    """

    folder: Path = Path()
    settings: Path = layout.PARAMS

    @cached_property
    def params(self) -> Params:
        """The validated settings, every default filled in."""
        return read_params(self.folder / self.settings)

    @property
    def today(self) -> date:
        """The day, in UTC, that an exception to the policy is held against."""
        return datetime.now(UTC).date()

    @property
    def params_or_defaults(self) -> Params:
        """The settings, or the defaults where there is no params.yaml: a table alone needs none."""
        return params_or_defaults(self.settings, self.folder)

    def open_engine(self) -> AbstractContextManager[Engine]:
        """The engine that the settings and the environment choose, until the block ends; Dask's shows where it can be watched.

        Raises InputError where it is not to be had.
        """
        return open_engine(self.params_or_defaults.engine, progress)

    @property
    def chosen_thresholds(self) -> Evaluate | None:
        """The section `evaluate`; None without a params.yaml, since the defaults are nobody's choice."""
        return self.params.evaluate if (self.folder / self.settings).exists() else None

    @property
    def prepare_settings(self) -> Prepare:
        """The section `prepare`; for synthetic data with what their generator knows of its columns."""
        settings = self.params.prepare
        return with_synthetic_roles(settings) if settings.source == SYNTHETIC else settings

    @cached_property
    def _read_in_parts(self) -> tuple[bool, bool]:
        """Whether the source and the current batch are read part by part: large ones are, and those of an engine elsewhere."""
        settings = self.params.prepare
        is_elsewhere = engine_settings(self.params.engine).name == "dask"
        limit = 0 if is_elsewhere else IN_MEMORY_BYTES.value

        def size(key: str, location: str | None) -> int | None:
            if location in (None, SYNTHETIC) or (is_url(location) and not is_elsewhere):
                return None
            return bytes_in_parts(location, key, settings.read, least=limit // SMALLEST_SHARE)

        sizes = size("prepare.source", settings.source), size("prepare.current", settings.current)
        source, current = (found is not None and found > limit for found in sizes)
        return source or (current and sizes[0] is not None), current and sizes[0] is not None

    def read_source(self) -> SourceTable | LargeSource:
        """The table that `prepare.source` names, as it stands there; one that is larger than the memory only where it stands."""
        settings = self.params.prepare
        if not self._read_in_parts[0]:
            return self.read_source_table()
        if running := os.environ.get("DVC_STAGE"):
            require_watched_files(running, settings)
        today = datetime.now(FIRST_ZONE).date()
        return LargeSource(settings.source, "prepare.source", settings.read, source_name(settings.source), today)

    def read_source_table(self) -> SourceTable:
        """The table that `prepare.source` names, in memory."""
        settings = self.params.prepare
        if running := os.environ.get("DVC_STAGE"):
            require_watched_files(running, settings)
        if settings.source == SYNTHETIC:
            return source_of_frame(generate_applicants(settings.rows, settings.seed), "synthetic data")
        table = read_source_table(settings.source, "prepare.source", settings.read)
        return replace(table, name=source_name(settings.source), read_on=datetime.now(FIRST_ZONE).date())

    def read_current(self) -> SourceTable | LargeSource | None:
        """The batch that `prepare.current` names, as `read_source` gives the source; None where the test rows stand for it."""
        settings = self.params.prepare
        if settings.current is None or not self._read_in_parts[1]:
            return self.read_current_table()
        return LargeSource(settings.current, "prepare.current", settings.read, source_name(settings.current))

    def read_current_table(self) -> SourceTable | None:
        """The batch that `prepare.current` names, in memory."""
        settings = self.params.prepare
        if settings.current is None:
            return None
        if settings.current == SYNTHETIC:
            applicants = generate_applicants(settings.current_rows, settings.seed, settings.shock, "current")
            return source_of_frame(applicants, "the synthetic current batch")
        table = read_source_table(settings.current, "prepare.current", settings.read)
        return self.with_outcomes(replace(table, name=source_name(settings.current)), settings.current)

    def with_outcomes(self, batch: SourceTable, location: str) -> SourceTable:
        """A decision log with the outcomes that are kept beside it; any other batch as it is."""
        return StoredOutcomes(location)(batch)

    @contextmanager
    def open_batch(self, location: str, key: str, engine: Engine) -> Iterator[PartitionedTable]:
        """The table that the option `key` names, part by part; a decision log with the outcomes that are kept beside it."""
        with open_partitions(location, key, self.params.prepare.read, engine) as table:
            first = next(iter(table.partitions[0].batches()), None)
            names = set() if first is None else {*first.names}
            is_log = {*DECISION_KEY, *DECISION_COLUMNS} <= names and LABEL not in names
            if is_log and has_room_beside(folder_of_table(location)):
                stored = decision_store(location, "the decision log").read_outcomes(STORED)
                if stored.num_rows:
                    table = replace(table, partitions=tuple(LabelledPartition(one, stored) for one in table.partitions))
            yield table

    def add_outcomes(self, file: str, log: str, digest: str | None, *, allow_unknown: bool) -> None:
        """Keep the outcomes in a table beside the decision log, and say what came of each row."""
        schema, read = self.bundle.schema, self.params_or_defaults.prepare.read
        table = replace(read_source_table(file, "FILE", read), read_on=datetime.now(FIRST_ZONE).date())
        given = read_outcomes(table, schema, read)
        store = decision_store(log, "--log")
        joined = join_outcomes(
            given,
            store.log_tables(log_columns(schema)),
            store.read_outcomes(STORED),
            digest or self.bundle.digest,
            allow_unknown=allow_unknown,
            where=table.name,
            log_name=store.log.where,
        )
        if joined.rows.num_rows:
            store.add_outcomes(joined.rows)
        say(joined.summary(given.unlabelled, safe_url(store.outcomes.location)))

    def compare_shadows(self, log: str, confidence: float | None) -> list[ShadowComparison]:
        """The models of a decision log beside the challengers that were in their shadow, with the outcomes that are known."""
        store = decision_store(log, "--log")
        rows = store.read_log([*DECISION_KEY, *SHADOW_COLUMNS])
        labels = matching_labels(rows, store.read_outcomes(STORED))
        gate, evaluate = self.params_or_defaults.gate, self.params_or_defaults.evaluate
        rule = gate.champion
        if confidence is not None:
            rule = rule.model_copy(update={"confidence": confidence})
        found = list(compare_shadows(rows, labels, rule, gate.decide_on, evaluate.seed, store.log.where))
        if not found:
            raise InputError(
                f"{store.log.where} has no scores of a challenger; serve with --shadow and --decision-log to get some"
            )
        return found

    def forget_decisions(self, file: str, log: str, *, only_outcomes: bool) -> None:
        """Remove the decisions that a table names from the log, and their outcomes, or these alone."""
        schema, read = self.bundle.schema, self.params_or_defaults.prepare.read
        keys = read_keys(read_source_table(file, "FILE", read), schema)
        store = decision_store(log, "--log")
        store.log.require_there()  # nothing to remove from a name that is written wrong would sound like done
        store.read_outcomes(STORED)  # nothing else is in that folder, or nothing is removed
        places, without = decision_places(keys, store.log.tables(), store.log.where)
        # Outcomes first: what the log no longer has, no identifier finds.
        outcomes = remove_rows(store.outcomes, lambda table: rows_of_keys(places, table))
        decisions = 0 if only_outcomes else remove_rows(store.log, lambda table: rows_of_keys(keys, table))
        _say_removed(decisions, outcomes, store)
        if without:
            names = ", ".join(f"`{name}`" for name in keys.names)
            warn(
                f"{_counted_files(without)} of the log lack {names}, and by that nothing is removed from them; name these "
                "decisions by request id"
            )

    def forget_expired(self, log: str, time: datetime) -> None:
        """Remove the decisions, and their outcomes, that are older than `decision_log.keep_days` at `time`."""
        days = self.params.decision_log.keep_days
        if days is None:
            raise InputError(
                f"decision_log.keep_days is null in {self.settings}; say there after how many days decisions go"
            )
        store, before = decision_store(log, "--log"), time - timedelta(days=days)
        store.log.require_there()
        store.read_outcomes(STORED)
        outcomes = remove_rows(store.outcomes, lambda table: made_before(table, before))
        decisions = remove_rows(store.log, lambda table: made_before(table, before))
        say(f"decisions are kept {days:,} days; these are from before {before:%Y-%m-%d %H:%M} UTC:")
        _say_removed(decisions, outcomes, store)

    def write_dataset(self, dataset: Dataset | LargeDataset) -> None:
        """Write `data/`, the schema with what it was prepared from, and say what was made of each column.

        The rows of a source that is larger than the memory are read, typed and sorted here, by the engine that is chosen.
        """
        if isinstance(dataset, LargeDataset):
            self._write_large(dataset)
            return
        origin = make_origin(self.params.prepare, dataset.source_sha256)
        for warning in dataset.warnings:
            warn(warning)
        files = {
            layout.TRAIN_DATA.name: table_bytes(dataset.train_table),
            layout.TEST_DATA.name: table_bytes(dataset.test_table),
            layout.CURRENT_DATA.name: table_bytes(dataset.current_table, day_metadata(dataset.newest)),
            layout.DATA_SCHEMA.name: msgspec.structs.replace(dataset.schema, origin=origin).to_bytes(),
        }
        write_files(self.folder / layout.DATA, files)
        say(*column_table(dataset.schema.columns), *dataset.notes, dataset.summary)

    def _write_large(self, dataset: LargeDataset) -> None:
        complete = StoredOutcomes(dataset.current.location) if isinstance(dataset.current, LargeSource) else None
        with self.open_engine() as engine, staged_files(self.folder / layout.DATA) as stage:
            files = {role: stage / path.name for role, path in STAGE_DATA.items()}
            with TemporaryDirectory(prefix="runs-", dir=stage) as runs:
                made = prepare_streamed(
                    dataset.source, dataset.settings, dataset.current, engine, files, Path(runs).absolute(), complete
                )
            origin = make_origin(self.params.prepare, made.source_sha256)
            for warning in made.warnings:
                warn(warning)
            (stage / layout.DATA_SCHEMA.name).write_bytes(
                msgspec.structs.replace(made.schema, origin=origin).to_bytes()
            )
        say(*column_table(made.schema.columns), *made.notes, made.summary)

    @property
    def schema(self) -> Schema:
        """The schema of the prepared data."""
        return Schema.read_file(self.folder / layout.DATA_SCHEMA)

    def read_rows(self, role: Role) -> Table:
        """The prepared rows `train`, `test` or `current`.

        Training rows are held against the prepared schema, the others against the bundle's.
        """
        path = self.folder / STAGE_DATA[role]
        if role != "current":  # which a night prepares anew, whatever is locked
            self._require_locked(STAGE_DATA[role])
        schema = self.schema if role == "train" else self.bundle.schema
        rows = read_stage_table(path, schema, role)
        newest = read_newest_day(path) if role == "current" else None
        return Table(rows, str(path), sha256_file(path), datetime.now(FIRST_ZONE).date(), newest)

    @contextmanager
    def open_current(self) -> Iterator[PartitionedTable]:
        """The prepared batch `data/current.parquet`, part by part. Raises InputError where there is none."""
        path = self.folder / layout.CURRENT_DATA
        read_newest_day(path)  # says how to make the file where it is not there, or is none
        with open_partitions(str(path), "the current batch", Read()) as table:
            yield table

    @property
    def newest_current_day(self) -> date | None:
        """The day of the newest row of the prepared batch, as the file says it."""
        return read_newest_day(self.folder / layout.CURRENT_DATA)

    def read_drawn_rows(self) -> Table | None:
        """Of the training rows as many as Evidently draws at most: best effort, as its page, and None where there are none."""
        try:
            rows = self.stage_rows("train")
            return Table(thinned(rows.frames()), str(rows.path))
        except InputError:
            return None

    def stage_rows(self, role: Role) -> StageRows:
        """`read_rows` for rows that are more than the memory holds: read when they are needed, part by part."""
        path = self.folder / STAGE_DATA[role]
        if role != "current":  # which a night prepares anew, whatever is locked
            self._require_locked(STAGE_DATA[role])
        schema = self.schema if role == "train" else self.bundle.schema
        return StageRows(path, schema, role, datetime.now(FIRST_ZONE).date())

    def stage_rows_if_there(self, role: Role) -> StageRows | None:
        """`stage_rows`, None where the file is not there."""
        return self.stage_rows(role) if (self.folder / STAGE_DATA[role]).is_file() else None

    def training_rows(self, engine: Engine) -> Table | StageRows:
        """The prepared training rows: in memory, or in their file where the model is trained on them part by part."""
        return self.stage_rows("train") if trains_in_parts(self.params.train, engine) else self.read_rows("train")

    def read_test_rows(self, schema: Schema) -> StageRows:
        """The prepared test rows, held against the schema of a bundle that is not here."""
        self._require_locked(layout.TEST_DATA)
        return StageRows(self.folder / layout.TEST_DATA, schema, "test")

    def _require_locked(self, *names: Path) -> None:
        """Raises InputError where one of these files has other bytes than `dvc.lock` says, whoever restored it.

        Behind a URL the content changes although no input that DVC sees does: then a lock says nothing of it.
        """
        if not is_url(self.params_or_defaults.prepare.source):
            require_locked_bytes(self.folder, *names)

    @cached_property
    def _training_bar(self) -> ProgressBar:
        return ProgressBar("training", getattr(self.params.train, "num_boost_round", 1))

    def show_progress(self, _done: int, loss: float) -> None:
        """Another round of training is done: a bar, where a person watches."""
        self._training_bar.advance(note=f"validation log-loss {loss:.5f}")

    @cached_property
    def _tracking(self) -> Any:
        return connect()

    def connect(self) -> None:
        """Raises InputError where MLflow cannot be reached."""
        self._tracking  # noqa: B018

    def read_described_rows(self, table: Path) -> SourceTable:
        """The rows that say what the columns of an imported model are: `data/train.parquet`, or the project's source.

        The source is prepared first. Raises InputError for another table: what was not prepared is in no split.
        """
        path, source = self.folder / table, self.params.prepare.source
        if path.resolve() == (self.folder / layout.TRAIN_DATA).resolve():
            return read_source_table(str(path), "--table", Read())
        if source == SYNTHETIC or is_url(source) or path.resolve() != (self.folder / source).resolve():
            raise InputError(
                f"--table is {table}, and prepare.source {source_name(source)}: evaluating needs rows of the same source; "
                f"write `source: {table}` into the section prepare, or leave --table out to take {layout.TRAIN_DATA}"
            )
        rows = self.read_source_table()
        self.write_dataset(prepare(rows, self.prepare_settings, self.read_current_table()))
        return rows

    def read_expected_scores(self, scores: str, rows: SourceTable) -> ExpectedScores:
        """What an imported model has to give for `read_described_rows`: a column of theirs, or the content of a file."""
        schema = self.schema
        if ROW_KEY in rows.names:
            features, keys = self.read_rows("train").rows, cell_texts(rows.cells(ROW_KEY))
        else:
            features = read_features(rows, schema).to_pandas()
            keys = identifier_keys(rows, schema.id_columns) if schema.id_columns else None
        if scores not in rows.names and (self.folder / scores).is_file():
            given = read_source_table(str(self.folder / scores), "--scores", self.params.prepare.read)
            return scores_of_table(rows, features, keys, given, schema)
        return scores_of_column(rows, features, scores, schema)

    def write_training(self, trained: Trained) -> None:
        """Write the bundle `models/` and `reports/train.json`, log the run to MLflow, and say what was made."""
        self._write_bundle(trained, trained.summary, "trained here")
        partitioning = trained.bundle.manifest.partitioning
        if partitioning:
            say(spread_rows(partitioning))
        elif engine_settings(self.params.engine).name == "dask":
            say(f"engine.name is dask, and a model of the kind {self.params.train.model} is trained here, in memory")

    def write_import(self, imported: Imported) -> None:
        """The same of a model that was trained elsewhere."""
        self._write_bundle(imported.trained, imported.summary, "trained elsewhere and imported")

    def _write_bundle(self, trained: Trained, summary: str, origin: RunOrigin) -> None:
        self._training_bar.close()
        bundle = trained.bundle
        run_id = log_training(self._tracking, bundle, trained.report, self.params.register_.model_name, origin)
        provenance = make_provenance(bundle.digest, mlflow_run_id=run_id)
        write_bundle(bundle, self.folder / layout.MODELS, {PROVENANCE: provenance})
        write_file(self.folder / layout.TRAIN_REPORT, trained.report.to_bytes())
        say(summary)
        if trained.report.ended_too_early:
            warn(ENDED_TOO_EARLY.format(rounds=trained.report.rounds))
        say(f"logged run {run_id} to MLflow at {shown_uri()}")

    @cached_property
    def bundle(self) -> Bundle:
        """The verified bundle in `models/`."""
        return verify_bundle(self.folder / layout.MODELS)

    @property
    def current_bundle(self) -> Bundle:
        """The bundle, where it is of the settings, the source and the data that are there now."""
        self.staleness.require_none()
        return self.bundle

    @property
    def staleness(self) -> Staleness:
        """What differs between the bundle and the settings, the source and the prepared data that are there now."""
        self._require_locked(layout.TRAIN_DATA, layout.TEST_DATA)
        location = self.params.prepare.source
        sha256 = None if location == SYNTHETIC else source_sha256(location, self.folder)
        source: SourceCheck = "synthetic" if location == SYNTHETIC else "unreadable" if sha256 is None else "compared"
        schema, rows = self.folder / layout.DATA_SCHEMA, self.folder / layout.TRAIN_DATA
        prepared = Schema.read_file(schema).origin if schema.is_file() else None
        training_data = sha256_file(rows) if rows.is_file() else None
        return Staleness(staleness(self.bundle.manifest, self.params, sha256, prepared, training_data), source)

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Write predictions, metrics and plots; then raise GateBlockedError where a floor is missed."""
        predictions = evaluation.predictions
        plots = {f"{layout.PLOTS.name}/{name}": plot for name, plot in curve_files(evaluation.curves).items()}
        with staged_files(self.folder / layout.REPORTS) as stage:
            write_frames(stage / layout.PREDICTIONS.name, evaluation.rows(), predictions_metadata(predictions))
            for name, content in {layout.METRICS.name: metrics_to_bytes(evaluation.metrics), **plots}.items():
                (stage / name).parent.mkdir(exist_ok=True)
                (stage / name).write_bytes(content)
        say(evaluation.summary)
        if evaluation.missed:
            raise GateBlockedError(
                "; ".join(f"{check.name}: {check.reason}" for check in evaluation.missed)
                + " (predictions and metrics are written; see `lockgate gate` and `lockgate report`)"
            )

    def read_predictions(self) -> Predictions:
        """What `lockgate evaluate` predicted."""
        self._require_locked(layout.PREDICTIONS)
        return read_evaluated_predictions(self.folder / layout.PREDICTIONS)

    def read_features(self, bundle: Bundle) -> Features:
        """What the model of `bundle` saw: the test rows, and the training rows where they are there."""
        test, train = self.stage_rows("test"), self.stage_rows_if_there("train")
        return bundle_features(bundle, test, train, self.params.prepare)

    def staleness_of(self, predictions: Predictions) -> Staleness:
        """Why `predictions` are not of the bundle, the settings, the source and the data that are there now."""
        test_data = self.folder / layout.TEST_DATA
        if not test_data.is_file():
            raise InputError(
                f"{test_data} does not exist, so nothing says what was predicted; run `lockgate reproduce`"
            )
        found = self.staleness
        reasons = [f"{reason}; run `lockgate reproduce`" for reason in found.reasons]
        if predictions.model != self.bundle.digest:
            judged, there = str(predictions.model)[:12], self.bundle.digest[:12]
            reasons.append(f"the predictions are of model {judged}, not of {there}; evaluate again")
        elif predictions.data != sha256_file(test_data):
            reasons.append(f"the predictions are of other test data than {layout.TEST_DATA}; evaluate again")
        if found.source == "unreadable":
            name = source_name(self.params.prepare.source)
            warn(f"{name} cannot be read here; that {layout.DATA}/ is of it is what its hashes say")
        return Staleness(reasons, found.source)

    def read_decisions(self) -> list[PastDecision]:
        """What was decided here before, on any test set."""
        path = self.folder / layout.TEST_SET_HISTORY
        return list(DecisionHistory.read_file(path).decisions) if path.exists() else []

    def write_verdict(
        self, result: GateResult, history: DecisionHistory, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Write `reports/gate.json` and the history of the test set; `metrics` where no evaluation wrote them."""
        files = {layout.GATE.name: result.to_bytes(), layout.TEST_SET_HISTORY.name: history.to_bytes()}
        if metrics is not None:
            files[layout.METRICS.name] = metrics_to_bytes(metrics)
        # A signature is of the verdict that was here before.
        (self.folder / layout.GATE_ENVELOPE).unlink(missing_ok=True)
        write_files(self.folder / layout.REPORTS, files)

    @property
    def drift_note(self) -> str | None:
        """What whoever reads the drift of the current batch has to know about it."""
        return SAME_DATA if self.params.prepare.current is None else None

    def write_drift(self, result: DriftResult) -> None:
        """Write `reports/drift.json`, and say what it holds."""
        write_file(self.folder / layout.DRIFT, result.to_bytes())
        say(*drift_table(result))

    def wants_drift_page(self, result: DriftResult) -> bool:
        """Whether `drift.evidently` lets Evidently draw a page; where it does not, an older one goes."""
        columns = sum(feature.kind != SCORE for feature in result.features)
        if why_no_page(columns, self.params_or_defaults.drift.evidently) is None:
            return True
        (self.folder / layout.DRIFT_HTML).unlink(missing_ok=True)
        return False

    def draw_drift(self, result: DriftResult, reference: Table | None, current: Table) -> None:
        """Evidently's page `reports/drift.html` about the result's features, best effort: a failure is one warning."""
        if reference is None:
            warn("data/train.parquet is not there for Evidently to draw")
            return
        numeric, categorical = (
            [feature.name for feature in result.features if feature.kind == kind] for kind in ("numeric", "categorical")
        )
        page = self.folder / layout.DRIFT_HTML
        if problem := write_evidently_html(reference.rows, current.rows, numeric, categorical, page):
            warn(problem)

    def warn_of_other_drift_settings(self) -> None:
        """One warning where the settings' section `drift` is not the one that the bundle was trained with."""
        if differences := rule_differences(drift_rule(self.params.drift), self.bundle.profile.rule):
            warn(
                f"{'; '.join(differences)}: this run goes by {self.settings}, the service and its alerts go by the bundle; "
                "train again to give them today's"
            )

    def read_verdict(self) -> GateResult:
        """The verdict in `reports/gate.json`, not yet believed."""
        return GateResult.read_file(
            self.folder / layout.GATE, "run `lockgate gate` first: only what passed is registered"
        )

    def require_passed(
        self, bundle: Bundle, gate_json: bytes, where: Path, champion: Predictions | NewData | None = None
    ) -> GateResult:
        """The verdict in `gate_json`, the content of `where`.

        It is believed only after the test rows were scored with `bundle` and everything was decided once more, the comparison
        too where the champion's predictions are at hand.
        """
        verdict = GateResult.read(gate_json, where)
        features, test_data = self.read_features(bundle), self.stage_rows("test").sha256
        recheck(verdict, bundle, features, test_data, self.params, where, champion, today=self.today)
        return verdict

    def sign_verdict(self, key: str) -> None:
        """Write `reports/gate.json.dsse`: score and decide once more, and sign the verdict with `key`, PEM or its path."""
        signing, bundle, path = signing_key(key), self.current_bundle, self.folder / layout.GATE
        gate_json = read_bytes(path, "run `lockgate gate` first: only what passed is signed")
        self.require_passed(bundle, gate_json, path)
        write_file(self.folder / layout.GATE_ENVELOPE, sign_verdict(gate_json, signing, clean_commit()))
        say(f"signed the verdict on {bundle.digest[:12]} with the key {signing.verify_key.keyid[:12]}")

    def read_training_report(self) -> TrainingReport | None:
        """`reports/train.json`, where it is there."""
        path = self.folder / layout.TRAIN_REPORT
        return TrainingReport.read_file(path) if path.exists() else None

    def files_about(self, digest: str) -> dict[str, bytes]:
        """The files in `reports/` to keep with the bundle `digest`, by name: the verdict, and what else is about it."""
        found = {VERDICT: (self.folder / layout.GATE).read_bytes()}
        if key := signing_key_of_environment():
            found[VERDICT_ENVELOPE] = sign_verdict(found[VERDICT], key, clean_commit())
        elif (self.folder / layout.GATE_ENVELOPE).is_file():
            found[VERDICT_ENVELOPE] = (self.folder / layout.GATE_ENVELOPE).read_bytes()
        for path in (layout.DRIFT, layout.REPORT_MARKDOWN, layout.REPORT_HTML):
            if (self.folder / path).is_file() and digest.encode() in (content := (self.folder / path).read_bytes()):
                found[path.name] = content
        return found

    def write_registration(self, bundle: Bundle, registration: Registration) -> None:
        """Say what happened; a bundle that came from a cache, and so without its provenance, gets one."""
        provenance = self.folder / layout.MODELS / PROVENANCE
        if registration.is_new and not read_provenance(provenance, bundle.digest):
            run_id = registration.version.run_id
            write_file(provenance, make_provenance(bundle.digest, mlflow_run_id=run_id, restored=True))
        for event in registration.events:
            say(event)

    def read_report_facts(self) -> ReportFacts:
        """Whatever the other commands left to report on; a file that is there and broken is an error.

        But for gate.json: a broken one is reported, and must never look like a gate that has not run.
        """
        _ = self.params_or_defaults  # a report is of a project with valid settings
        gate, gate_problem = self._gate_or_problem()
        facts = ReportFacts(
            gate=gate,
            gate_problem=gate_problem,
            metrics=self._read(layout.METRICS, read_metrics),
            drift=self._current_drift(),
            train=self._read(layout.TRAIN_REPORT, TrainingReport.read),
        )
        if not (facts.gate or facts.gate_problem or facts.metrics or facts.drift or facts.train):
            raise InputError(
                f"{layout.REPORTS}/ has nothing to report on; run `lockgate reproduce` and `lockgate gate` first"
            )
        if facts.predictions is not None:
            # The files of a bundle tell nothing about somebody else's table.
            return ReportFacts(gate=facts.gate, metrics=facts.metrics)
        paths = {name: self.folder / layout.PLOTS / f"{name}.json" for name in CURVES}
        curves = read_curves({name: path.read_bytes() for name, path in paths.items() if path.is_file()})
        test_data = self.folder / layout.TEST_DATA
        facts = replace(facts, curves=curves, test_data=sha256_file(test_data) if test_data.is_file() else None)
        try:
            bundle = self.bundle
        except InputError as error:
            warn(f"the report goes without the bundle: {error}")
            return facts
        facts = replace(facts, schema=bundle.schema, training_data=bundle.training_data, params=bundle.params)
        try:
            rows = read_stage_table(test_data, bundle.schema, "test") if test_data.is_file() else None
        except InputError as error:
            warn(f"the report goes without contributions: {error}")
            return facts
        return facts if rows is None else replace(facts, contributions=mean_contributions(bundle, rows))

    def write_report(self, report: Report) -> None:
        """Write `reports/report.md` and `reports/report.html`."""
        pages = {layout.REPORT_MARKDOWN.name: report.markdown, layout.REPORT_HTML.name: report.html}
        write_files(self.folder / layout.REPORTS, {name: page.encode() for name, page in pages.items()})

    def _gate_or_problem(self) -> tuple[GateResult | None, str]:
        try:
            return self._read(layout.GATE, GateResult.read), ""
        except InputError as error:
            return None, str(error)

    def _current_drift(self) -> DriftResult | None:
        """The drift of the batch that is here now: one of another batch would be shown as if it were this one's."""
        drift, batch = self._read(layout.DRIFT, DriftResult.read), self.folder / layout.CURRENT_DATA
        if drift is not None and batch.is_file():
            drift.require_batch(sha256_file(batch))
        return drift

    def _read(self, name: Path, reader: Callable[[bytes, Path], Content]) -> Content | None:
        """The content of a file that may not be there."""
        path = self.folder / name
        return reader(read_bytes(path, "make it again"), path) if path.exists() else None


def _counted_files(names: Sequence[str]) -> str:
    return f"{len(names):,} files ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"


def _say_removed(decisions: int, outcomes: int, store: DecisionStore) -> None:
    if others := store.log.others():
        warn(
            f"{_counted_files(others)} in {safe_url(store.log.location)} are no Parquet files (.parquet), and stay as they are"
        )
    if not decisions and not outcomes:
        say(f"nothing to remove from {safe_url(store.log.location)} and {safe_url(store.outcomes.location)}")
        return
    say(
        f"removed {decisions:,} decisions from {safe_url(store.log.location)} and {outcomes:,} outcomes from "
        f"{safe_url(store.outcomes.location)}"
    )
