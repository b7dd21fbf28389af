"""Before anything is built: the tag, the bundle, the champion, the verdict and its hand-over."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from lockgate.champion.score import score_champion
from lockgate.ci.release import stored
from lockgate.ci.release.champion import fetch_champion
from lockgate.ci.release.stored import locked_manifest, require_locked
from lockgate.ci.release.version import parse_tag, require_releasable
from lockgate.cli.command import Command, existing_file, params_option, say
from lockgate.cli.release_options import branch_option, bundle_option, commit_option, verdict_option
from lockgate.config import layout
from lockgate.config.files import read_bytes, sha256_bytes, write_file
from lockgate.config.params import read_params
from lockgate.documents.gate_json import GateResult
from lockgate.github.client import open_repository, settings_from_environment
from lockgate.github.step import set_outputs
from lockgate.model.bundle import MANIFEST, verify_bundle
from lockgate.model.predictions import read_champion_predictions
from lockgate.project import Project


@click.command(cls=Command)
@click.argument("name")
@commit_option
@branch_option
def tag(name: str, commit: str, default_branch: str) -> None:
    """Check that the tag NAME is a version, still at this commit, and on the default branch."""
    version = parse_tag(name)
    require_releasable(open_repository(settings_from_environment()), version, commit, default_branch)
    say(f"{version.tag} is {commit[:12]} on {default_branch}")


@click.command(cls=Command)
@commit_option
@branch_option
@click.option("--workflow", default="pr.yml", show_default=True, help="The workflow whose push runs store the bundle.")
@click.option("--artifact", default="bundle", show_default=True, help="Its artifact.")
@bundle_option
def take_bundle(commit: str, default_branch: str, workflow: str, artifact: str, folder: Path) -> None:
    """Take the bundle that the default branch's run of this commit stored, where it is the one of dvc.lock.

    Where there is none, nothing is written, and `dvc repro` makes it.
    """
    settings = settings_from_environment()
    locked = stored.locked_manifest(Path("dvc.lock"), folder / MANIFEST)
    repository = open_repository(settings)
    found = stored.find_artifact(repository, artifact, commit, workflow, default_branch)
    if found is None:
        say(f"no run of {workflow} on {default_branch} has stored a bundle of {commit[:12]}: it is reproduced")
    else:
        bundle = stored.take_bundle(settings, found, folder, locked)
        say(f"took {bundle.digest[:12]} from run {found.run}")
        report = stored.find_artifact(repository, "report", commit, workflow, default_branch)
        md5 = stored.locked_md5(Path("dvc.lock"), layout.TRAIN_REPORT)
        if report is not None and stored.take_training_report(settings, report, layout.TRAIN_REPORT, md5):
            say(f"and {layout.TRAIN_REPORT}, so that nothing is trained again")
    set_outputs({"taken": str(found is not None).lower()})


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
        write_file(output, score_champion(found, layout.TEST_DATA))
    say(f"the champion is {found.digest[:12]}")
    set_outputs({"argument": f"--champion={output}", "predictions": str(output)})


@click.command(cls=Command)
@params_option
@bundle_option
@verdict_option
@existing_file("The champion's predictions that the gate compared with.", "--champion", "champion_path")
def hand_over(params_path: Path, folder: Path, gate_path: Path, champion_path: Path | None) -> None:
    """Score and decide once more, and write to the outputs which bundle passed with which verdict.

    Ends with an error unless the bundle is dvc.lock's and its verdict a pass that scoring again bears out.
    """
    require_locked(folder / MANIFEST, locked_manifest(Path("dvc.lock"), folder / MANIFEST))
    bundle = verify_bundle(folder)
    # Read once: what is checked is what is hashed.
    gate_json = read_bytes(gate_path, GateResult.HOW_TO_FIX)
    predictions = read_champion_predictions(champion_path) if champion_path else None
    result = Project(settings=params_path).require_passed(bundle, gate_json, gate_path, predictions)
    values = {"digest": bundle.digest, "verdict": result.verdict, "verdict-digest": sha256_bytes(gate_json)}
    for line in set_outputs(values):
        say(line)
