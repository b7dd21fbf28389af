"""`lockgate retrain`: overrides in, and out a pull request for a model that passed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.ci.retrain.imports import imported_files, pack_imports, take_imports
from lockgate.ci.retrain.issue import Answer, answer_issue, answer_text, issue_in_place_of_a_pull_request
from lockgate.ci.retrain.overrides import apply_overrides, parse_overrides
from lockgate.ci.retrain.pull_request import Target, is_unchanged, pack_proposal, read_proposal
from lockgate.ci.retrain.pull_request import propose as push_and_open
from lockgate.ci.retrain.reason import read_reason
from lockgate.cli.command import Command, name_option, params_option, say, warn
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import write_file
from lockgate.config.params import SYNTHETIC, read_params
from lockgate.dvc.reproduce import update_imports, write_local_settings
from lockgate.github.client import GitHubError, GitHubSettings, open_repository, settings_from_environment
from lockgate.github.cml import CmlPoster
from lockgate.github.step import add_summary, set_outputs

if TYPE_CHECKING:
    from github.Repository import Repository

    from lockgate.ci.retrain.issue import Answer
    from lockgate.ci.retrain.pull_request import Open, Proposal, Target


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def retrain() -> None:
    """Prepare a retrain, and propose its result. Training and judging are `dvc repro` and `lockgate gate`."""


imported_option = click.option(
    "--dvc-update",
    "imported",
    envvar="LOCKGATE_DVC_UPDATE",
    default="",
    help="`.dvc` files of imported data, one a line.",
)


@retrain.command(cls=Command)
@params_option
@click.option("--overrides", envvar="LOCKGATE_OVERRIDES", default="", help="Lines `train.max_depth=5`, or YAML.")
@click.option("--source", envvar="LOCKGATE_SOURCE", default="", help="Another `prepare.source`.")
def params(params_path: Path, overrides: str, source: str) -> None:
    """Write overrides into params.yaml; unknown keys are refused, and so is whatever judges the model."""
    found = parse_overrides(overrides)
    if source:
        if ("prepare", "source") in found:
            raise InputError("both --source and the overrides name `prepare.source`; keep one")
        found[("prepare", "source")] = source
        if source != SYNTHETIC and read_params(params_path).prepare.current == SYNTHETIC:
            found.setdefault(("prepare", "current"), None)
    write_file(params_path, apply_overrides(params_path, found))
    for path, value in found.items():
        say(f"{'.'.join(path)}: {value!r}")
    say(f"{len(found)} overrides in {params_path}")


@retrain.command(cls=Command)
@imported_option
@click.option(
    "--dvc-config",
    envvar="LOCKGATE_DVC_CONFIG",
    default="",
    help="What DVC needs to log in to a remote, as its settings.",
)
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="The updated files are copied here.")
def update(imported: str, dvc_config: str, folder: Path) -> None:
    """Bring imported data up to date, before the stages run, and pack their `.dvc` files for the proposal."""
    names = imported_files(imported)
    if dvc_config.strip():
        write_local_settings(Path(), dvc_config)
    update_imports([str(name) for name in names], say)
    pack_imports(names, Path(), folder)


@retrain.command(cls=Command)
@imported_option
@click.option(
    "--imports", type=click.Path(path_type=Path), help="What `lockgate retrain update` packed in another job."
)
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="What is proposed goes here.")
def pack(imported: str, imports: Path | None, folder: Path) -> None:
    """Pack what was judged here for the job that proposes it; what another job left of imported data is checked."""
    names = imported_files(imported)
    if names and imports is None:
        raise InputError("--dvc-update names imported data, and --imports no folder with their updated files")
    if imports is not None:
        take_imports(names, imports, Path())
    pack_proposal(Path(), names, folder)


@retrain.command(cls=Command)
@click.option("--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--base", envvar="GITHUB_REF_NAME", required=True, help="The branch to propose to.")
@click.option("--commit", envvar="GITHUB_SHA", required=True, help="Its commit that the model was trained on.")
@click.option("--run", envvar="GITHUB_RUN_ID", type=click.IntRange(min=0), required=True)
@click.option("--server", envvar="GITHUB_SERVER_URL", default="https://github.com", show_default=True)
@click.option("--issue", "issue_text", envvar="LOCKGATE_ISSUE", default="", help="The issue that the retrain is for.")
@click.option("--cml", default="", help="CML's program, to open the pull request with; empty: the REST API does.")
@click.option("--pull-request/--no-pull-request", default=True, show_default=True)
@click.option("--working-directory", default=".", show_default=True, help="The project's folder in the repository.")
@name_option
def propose(
    folder: Path,
    base: str,
    commit: str,
    run: int,
    server: str,
    issue_text: str,
    cml: str,
    pull_request: bool,
    working_directory: str,
    name: str,
) -> None:
    """Push a branch and see to one pull request, if the model passed the gate; report the outcome on the issue in any case.

    Pushes nothing for any other verdict, and nothing where model and data are what the branch has already.
    """
    if issue_text and not (issue_text.isascii() and issue_text.isdigit() and int(issue_text)):
        raise InputError(f"the issue is {issue_text[:40]!r}; give its number")
    issue = int(issue_text) if issue_text else None
    proposal = read_proposal(folder, working_directory)
    settings = settings_from_environment()
    repository = open_repository(settings)
    page = f"{server.rstrip('/')}/{settings.repository}"
    reason = _reason(settings, repository, base, name) if issue else ""
    target = Target(base, commit, f"{page}/actions/runs/{run}", run, issue, name, reason)
    answer = Answer(proposal.digest, proposal.verdict, target.run_url, reason=reason)
    poster = CmlPoster(Path(cml), page, settings.token, commit).open_pull if cml else None
    outcome, answer = _outcome(repository, proposal, target, poster, answer, page, pull_request)
    set_outputs({"outcome": outcome, "pull-request": answer.pull, "model": proposal.digest})
    add_summary(answer_text(outcome, answer))
    if issue:
        answer_issue(repository, issue, outcome, answer)
    about = f"(model {proposal.digest[:12]}, verdict {proposal.verdict})"
    if outcome == "blocked":
        raise GateBlockedError(f"the gate did not let the retrained model pass {about}; nothing was pushed")
    say(f"retrain: {outcome} {about}")


def _reason(settings: GitHubSettings, repository: Repository, base: str, name: str) -> str:
    """Why the night called: the retrain is none the worse where that cannot be read."""
    try:
        return read_reason(settings, repository, base, name)
    except GitHubError as error:
        warn(f"why this retrain was called could not be read: {error}")
        return ""


def _outcome(
    repository: Repository,
    proposal: Proposal,
    target: Target,
    poster: Open | None,
    answer: Answer,
    page: str,
    wanted: bool,
) -> tuple[str, Answer]:
    if proposal.verdict != "pass":
        return "blocked", answer
    if is_unchanged(repository, proposal, target):
        return "unchanged", answer
    if not wanted:
        return "kept", answer
    proposed = push_and_open(repository, proposal, target, poster)
    if proposed.problem:
        warn(proposed.problem)
    if proposed.pull is not None:
        return "proposed", replace(answer, pull=proposed.pull)
    answer = replace(answer, compare=f"{page}/compare/{target.base}...{proposed.branch}?expand=1")
    say(f"the compare link is in issue #{issue_in_place_of_a_pull_request(repository, answer)}")
    return "branch", answer


if __name__ == "__main__":
    retrain()
