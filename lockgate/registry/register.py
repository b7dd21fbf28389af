"""Registering a bundle that passed: one version however often it is asked for, its aliases moved last and forward only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.params import Params
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import Table, as_table
from lockgate.documents.gate_json import GateResult
from lockgate.documents.train_json import TrainingReport
from lockgate.gate.evidence import bundle_features
from lockgate.gate.recheck import recheck
from lockgate.model.bundle import VERDICT, VERDICT_ENVELOPE, Bundle
from lockgate.model.scored_rows import identity_of
from lockgate.registry.description import version_description
from lockgate.registry.mlflow_client import connect, shown_uri
from lockgate.registry.promote import Comparison, promote_version
from lockgate.registry.provenance import git_commit
from lockgate.registry.registry import (
    CHALLENGER,
    CHAMPION,
    VERDICT_TAG,
    Version,
    aliased_version,
    create_version,
    find_run,
    keep_lowest,
    logged_model,
    move_forward,
    registry_lock,
    run_origin,
    tag_verdict,
    version_uri,
)
from lockgate.registry.stored_verdict import GATE_TAG, is_signed, store_files
from lockgate.registry.tracking import end_abandoned_runs, log_evaluation, log_training


@dataclass(frozen=True)
class Registration:
    """The version that holds the bundle, whether it was made now, and what happened, a line each."""

    version: Version
    is_new: bool
    events: tuple[str, ...]


def register(
    bundle: Bundle,
    verdict: GateResult,
    test_rows: Table | pd.DataFrame | StageRows,
    params: Params,
    *,
    training_rows: Table | pd.DataFrame | StageRows | None = None,
    training: TrainingReport | None = None,
    files: Mapping[str, bytes] | None = None,
    promote: bool = False,
    today: date | None = None,
) -> Registration:
    """Make the bundle a version in MLflow with the alias `challenger`, and with `promote` `champion`.

    The test rows are scored again, and the verdict is decided again: it is believed only where both agree. `training` is the
    report of the run that trained the bundle, needed where this server has no run of it; `files` (name to content) are
    stored beside the bundle, gate.json always. An exception to the policy is held against `today`, in UTC. MLflow is what
    MLFLOW_TRACKING_URI names. An earlier attempt that was cut off is finished, and what it left is cleaned up.
    Raises InputError where the verdict is no pass for exactly this bundle, these rows and this policy, where it claims to be
    the first model and is not, or where an alias would move backwards; GateBlockedError where it does not stand the
    comparison with the champion of this moment. It is a version then, and the champion stays.
    """
    test = _held(test_rows, "the test rows")
    train = None if training_rows is None else _held(training_rows, "the training rows")
    features = bundle_features(bundle, test, train, params.prepare)
    data = identity_of(test)
    recheck(verdict, bundle, features, data, params, VERDICT, today=today)
    stored = {VERDICT: verdict.to_bytes(), **(files or {})}
    client, name, began = connect(), params.register_.model_name, time.time()
    with registry_lock(name):
        if verdict.first_model and params.gate.champion.source != "none":
            _refuse_second_first(name, aliased_version(client, name, CHAMPION), bundle)
        end_abandoned_runs(client, bundle.digest, name, began)
        version = keep_lowest(client, name, bundle.digest)
        is_new = version is None
        if version is None:
            version = _new_version(client, bundle, verdict, name, training, stored)
            events = [f"registered {bundle.digest[:12]} as version {version.number} of {name} at {shown_uri()}"]
        else:
            events = [f"{bundle.digest[:12]} is version {version.number} of {name} at {shown_uri()} already"]
            signed_now = VERDICT_ENVELOPE in stored and not is_signed(version_uri(client, name, version))
            if not version.gate or signed_now:
                sha256 = store_files(client, logged_model(client, version.run_id), stored)
                tag_verdict(client, name, version, sha256)
        moved = move_forward(client, name, CHALLENGER, version)
        events += [moved] if moved else []
        if promote:
            if not is_new:
                _refuse_older(name, aliased_version(client, name, CHAMPION), version)
            try:
                events += promote_version(client, name, version, Comparison(client, name, bundle, test, params))
            except GateBlockedError as blocked:
                raise GateBlockedError(
                    f"registered as version {version.number}, and not promoted: {blocked}"
                ) from blocked
    return Registration(version, is_new, tuple(events))


def _held(rows: Table | pd.DataFrame | StageRows, name: str) -> Table | StageRows:
    return rows if isinstance(rows, StageRows) else as_table(rows, name)


def _new_version(
    client: Any,
    bundle: Bundle,
    verdict: GateResult,
    name: str,
    training: TrainingReport | None,
    stored: Mapping[str, bytes],
) -> Version:
    run_id = find_run(client, bundle, name)
    if run_id is None:
        # The model was trained elsewhere and came out of DVC's cache: its run is made from what came with it.
        if training is None:
            raise InputError("reports/train.json does not exist; run `dvc repro train` or `dvc checkout` to have it")
        if training.model != bundle.digest:
            raise InputError("reports/train.json is about another model than models/; run `dvc repro train`")
        run_id = log_training(client, bundle, training, name, "restored from DVC's cache")
    log_evaluation(client, run_id, verdict)
    model_id = logged_model(client, run_id)
    tags = {
        VERDICT_TAG: verdict.verdict,
        GATE_TAG: store_files(client, model_id, stored),
        "lockgate.test_data": verdict.data,
        "lockgate.policy": verdict.policy,
        "lockgate.training_data": bundle.training_data,
        "lockgate.commit": git_commit() or "unknown",
    }
    if verdict.exception is not None:
        tags["lockgate.exception"] = verdict.exception.sentence
    description = version_description(bundle, verdict, model_id, run_origin(client, run_id))
    return create_version(client, name, bundle.digest, run_id, model_id, tags, description)


def _refuse_older(name: str, champion: Version | None, version: Version) -> None:
    if champion is not None and champion.number > version.number:
        raise InputError(
            f"{name}: the champion is version {champion.number}, newer than this bundle's version {version.number}; "
            f"to roll back on purpose run `lockgate promote {version.number}`"
        )


def _refuse_second_first(name: str, champion: Version | None, bundle: Bundle) -> None:
    if champion is not None and champion.digest != bundle.digest:
        raise InputError(
            f"the gate was told that this is the first model, but {name} has a champion, version {champion.number}; "
            "run `lockgate gate --champion FILE` with that one's predictions"
        )
