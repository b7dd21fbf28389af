"""`lockgate register`: the bundle that passed its gate becomes a version in the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.cli.command import Command, params_option, say
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_file, write_file
from lockgate.config.params import Params, read_params
from lockgate.documents.gate_json import GateResult
from lockgate.documents.train_json import TrainingReport
from lockgate.gate.evidence import features_of
from lockgate.gate.recheck import recheck
from lockgate.model.bundle import PROVENANCE, verify_bundle
from lockgate.registry.mlflow_client import connect, shown_uri
from lockgate.registry.provenance import git_commit, make_provenance, read_provenance
from lockgate.registry.registry import (
    CHALLENGER,
    CHAMPION,
    VERDICT_TAG,
    aliased_version,
    create_version,
    find_run,
    find_version,
    logged_model,
    move_alias,
    registry_lock,
    tag_verdict,
)
from lockgate.registry.stored_verdict import GATE_TAG, files_about, store_files
from lockgate.registry.tracking import log_evaluation, log_training

if TYPE_CHECKING:
    from lockgate.model.bundle import Bundle
    from lockgate.registry.registry import Version


@click.command(cls=Command)
@params_option
@click.option("--promote", "promoted", is_flag=True, help="Make it the champion as well.")
def register(params_path: Path, promoted: bool) -> None:
    """Register the bundle that passed its gate.

    It becomes one version in MLflow, however often this runs, with the alias `challenger`, and with --promote `champion`.
    Its gate.json is stored with it, and drift.json and the report where they are of this bundle.

    Scores the test rows again and decides again: gate.json is believed only where both agree.
    """
    params = read_params(params_path)
    bundle = verify_bundle(layout.MODELS)
    result = require_project_pass(bundle, params)
    client = connect()
    name = params.register_.model_name
    with registry_lock(name):
        if result.first_model and params.gate.champion.source != "none":
            _refuse_second_first(name, aliased_version(client, name, CHAMPION), bundle)
        version = find_version(client, name, bundle.digest)
        if version is None:
            version = _new_version(client, bundle, result, name)
            say(f"registered {bundle.digest[:12]} as version {version.number} of {name} at {shown_uri()}")
        else:
            say(f"{bundle.digest[:12]} is version {version.number} of {name} at {shown_uri()} already")
            if not version.gate:
                tag_verdict(client, name, version, _stored_evidence(client, bundle, version.run_id))
        for alias in [CHALLENGER, *([CHAMPION] if promoted else [])]:
            now = aliased_version(client, name, alias)
            if now is not None and now.number > version.number:
                _refuse_backwards(alias, name, now, version)
            elif now is None or now.number != version.number:
                move_alias(client, name, alias, version)
                say(f"{alias} is version {version.number}")


def require_project_pass(bundle: Bundle, params: Params) -> GateResult:
    """The project's gate.json, believed only after scoring the test rows and deciding once more."""
    result = GateResult.read_file(layout.GATE, "run `lockgate gate` first: only what passed is registered")
    if not layout.TEST_DATA.is_file():
        raise InputError(f"{layout.TEST_DATA} does not exist, so nothing can be scored again; run `dvc repro prepare`")
    recheck(result, bundle, features_of(bundle, params), sha256_file(layout.TEST_DATA), params, layout.GATE)
    return result


def _new_version(client: Any, bundle: Bundle, result: GateResult, name: str) -> Version:
    run_id = find_run(client, bundle, name)
    if run_id is None:
        # The model was trained elsewhere and came out of DVC's cache: its run is made from what came with it.
        report = TrainingReport.read_file(layout.TRAIN_REPORT, "run `dvc repro train` or `dvc checkout` to have it")
        if report.model != bundle.digest:
            raise InputError(f"{layout.TRAIN_REPORT} is about another model than models/; run `dvc repro train`")
        run_id = log_training(client, bundle, report, name, "restored from DVC's cache")
    provenance = bundle.path(PROVENANCE)
    if not read_provenance(provenance, bundle.digest):
        write_file(provenance, make_provenance(bundle.digest, mlflow_run_id=run_id, restored=True))
    log_evaluation(client, run_id, result)
    tags = {
        VERDICT_TAG: result.verdict,
        GATE_TAG: _stored_evidence(client, bundle, run_id),
        "lockgate.test_data": result.data,
        "lockgate.policy": result.policy,
        "lockgate.training_data": bundle.training_data,
        "lockgate.commit": git_commit() or "unknown",
    }
    return create_version(client, name, bundle.digest, run_id, tags)


def _stored_evidence(client: Any, bundle: Bundle, run_id: str) -> str:
    return store_files(client, logged_model(client, run_id), files_about(bundle.digest))


def _refuse_second_first(name: str, champion: Version | None, bundle: Bundle) -> None:
    if champion is not None and champion.digest != bundle.digest:
        raise InputError(
            f"the gate was told that this is the first model, but {name} has a champion, version {champion.number}; "
            "run `lockgate gate --champion FILE` with that one's predictions"
        )


def _refuse_backwards(alias: str, name: str, now: Version, version: Version) -> None:
    if alias == CHAMPION:
        raise InputError(
            f"{name}: the champion is version {now.number}, newer than this bundle's version {version.number}; "
            f"to roll back on purpose run `lockgate promote {version.number}`"
        )
    say(f"{alias} stays at the newer version {now.number}")


if __name__ == "__main__":
    register()
