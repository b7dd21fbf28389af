"""Before anything is built: the tag, the stored bundle, what was measured, the champion, the verdict and its hand-over."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from lockgate.champion.score import champion_table
from lockgate.ci.hand_over import take_project
from lockgate.ci.release import stored
from lockgate.ci.release.champion import fetch_champion
from lockgate.ci.release.prepared_rows import own_preparation, prepare_again, require_same_rows
from lockgate.ci.release.version import parse_tag, parse_tag_of, require_releasable
from lockgate.cli.command import Command, existing_file, params_option, say
from lockgate.cli.release_options import branch_option, bundle_option, commit_option, model_option, verdict_option
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes, sha256_bytes, write_file
from lockgate.config.model_name import suffixed
from lockgate.config.params import read_params
from lockgate.documents.gate_json import GateResult
from lockgate.dvc.lock import DVC_LOCK
from lockgate.github.client import open_repository, settings_from_environment
from lockgate.github.step import add_summary, set_outputs
from lockgate.model.bundle import MANIFEST, verify_bundle
from lockgate.model.predictions import read_champion_table
from lockgate.project import Project

workflow_option = click.option(
    "--workflow", default="pr.yml", show_default=True, help="The workflow whose push runs store the bundle."
)


@click.command(cls=Command)
@click.argument("name")
@model_option
@commit_option
@branch_option
def tag(name: str, model: str, commit: str, default_branch: str) -> None:
    """Check that the tag NAME is a version of this model, still at this commit, and on the default branch."""
    version = parse_tag_of(model, name)
    require_releasable(open_repository(settings_from_environment()), version, commit, default_branch)
    say(f"{version.tag} is {commit[:12]} on {default_branch}")


@click.command(cls=Command)
@model_option
@commit_option
@branch_option
@workflow_option
@bundle_option
def take_bundle(model: str, commit: str, default_branch: str, workflow: str, folder: Path) -> None:
    """Take the bundle that the default branch's run of this commit stored, where it is the one of dvc.lock.

    Where there is none, nothing is written, and `dvc repro` makes it; so it does without a dvc.lock.
    """
    settings = settings_from_environment()
    locked = stored.locked_md5(DVC_LOCK, folder / MANIFEST)
    repository = open_repository(settings)
    found = locked and stored.find_artifact(repository, suffixed("bundle", model), commit, workflow, default_branch)
    if not locked:
        say(f"{DVC_LOCK} names no {folder / MANIFEST}: the model is made here")
    elif not found:
        say(f"no run of {workflow} on {default_branch} has stored a bundle of {commit[:12]}: it is reproduced")
    else:
        bundle = stored.take_bundle(settings, found, folder, locked)
        say(f"took {bundle.digest[:12]} from run {found.run}")
        report = stored.find_artifact(repository, suffixed("report", model), commit, workflow, default_branch)
        md5 = stored.locked_md5(DVC_LOCK, layout.TRAIN_REPORT)
        if report is not None and stored.take_training_report(settings, report, layout.TRAIN_REPORT, md5):
            say(f"and {layout.TRAIN_REPORT}, so that nothing is trained again")
    set_outputs({"taken": bool(found)})


@click.command(cls=Command)
@params_option
@model_option
@commit_option
@branch_option
@workflow_option
@click.option(
    "--artifact", type=click.Path(path_type=Path), required=True, help="The artifact of the job that measured."
)
def take_measured(
    params_path: Path, model: str, commit: str, default_branch: str, workflow: str, artifact: Path
) -> None:
    """Take into this clean checkout what the job that ran the project's code handed over, as a stranger's.

    Its bundle has to be the model of this commit: of dvc.lock, or else the one that the default branch's run stored. Where
    the preparation of the data is the kit's own, the rows are prepared once more and have to be the same.
    """
    project = Project(settings=params_path)
    own = own_preparation(project)
    prepared = prepare_again(project) if own is None else None
    locked = stored.locked_md5(DVC_LOCK, layout.MODELS / MANIFEST)
    digest = None
    if locked is None:
        settings = settings_from_environment()
        repository, name = open_repository(settings), suffixed("bundle", model)
        found = stored.find_artifact(repository, name, commit, workflow, default_branch)
        digest = None if found is None else stored.stored_digest(settings, found)
    bundle = take_project(artifact, Path())
    if bundle is None:
        raise InputError(f"there is no bundle in {artifact}; look at what the job measure ran")
    stored.require_model_of_commit(bundle, locked, digest, commit)
    if prepared is not None:
        require_same_rows(prepared, Path())
    words = (
        "The rows are the source's: prepared once more by the kit, train and test are the same bytes."
        if own is None
        else f"That the rows are the source's is the word of the project's `prepare`: {own}."
    )
    add_summary(words)
    say(f"{bundle.digest[:12]} is the model of {commit[:12]}", words)


@click.command(cls=Command)
@params_option
@click.argument("name")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="Where its predictions go.")
def champion(params_path: Path, name: str, output: Path) -> None:
    """Score the test rows with the model of the release before the tag NAME, where the policy compares with one."""
    params = read_params(params_path)
    if params.gate.champion.source == "none":
        say("gate.champion.source is none: there is no champion to beat")
        set_outputs({"argument": "", "predictions": ""})
        return
    with tempfile.TemporaryDirectory(prefix="lockgate-") as work:
        found = fetch_champion(open_repository(settings_from_environment()), parse_tag(name), Path(work))
        if found is None:
            say("there is no earlier release: this is the first model")
            set_outputs({"argument": "--first-model", "predictions": ""})
            return
        write_file(output, champion_table(found, None, Path(), say))
    say(f"the champion is {found.digest[:12]}")
    set_outputs({"argument": f"--champion={output}", "predictions": str(output)})


@click.command(cls=Command)
@params_option
@bundle_option
@verdict_option
@existing_file("The champion's predictions that the gate compared with.", "--champion", "champion_path")
def hand_over(params_path: Path, folder: Path, gate_path: Path, champion_path: Path | None) -> None:
    """Score and decide once more, and write to the outputs which bundle passed with which verdict.

    Ends with an error unless its verdict is a pass that scoring again bears out.
    """
    bundle = verify_bundle(folder)
    # Read once: what is checked is what is hashed.
    gate_json = read_bytes(gate_path, GateResult.HOW_TO_FIX)
    project = Project(settings=params_path)
    champion = read_champion_table(champion_path, prepare=project.params.prepare) if champion_path else None
    result = project.require_passed(bundle, gate_json, gate_path, champion)
    values = {"digest": bundle.digest, "verdict": result.verdict, "verdict-digest": sha256_bytes(gate_json)}
    for line in set_outputs(values):
        say(line)
