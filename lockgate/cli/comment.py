"""`lockgate comment`: the report of a finished run as one comment on its pull request."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.ci.pr_comment.artifact import MAX_BYTES, ArtifactError, read_artifact, read_facts, read_zip
from lockgate.ci.pr_comment.plan import Report
from lockgate.ci.pr_comment.post import post
from lockgate.cli.command import Command, name_option, say, warn
from lockgate.config.credentials import without_credentials
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_file
from lockgate.config.layout import CURRENT_DATA
from lockgate.config.model_name import suffixed
from lockgate.github.artifacts import download
from lockgate.github.client import asking, open_repository, settings_from_environment
from lockgate.github.cml import Cml
from lockgate.github.comments import conversation, token_owner
from lockgate.github.runs import NOT_RUN, changed_places, later_run, newest_artifact, pull_of_run
from lockgate.report.facts import ReportFacts
from lockgate.report.markdown import render_markdown
from lockgate.report.run import RunFacts

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository
    from github.WorkflowRun import WorkflowRun

    from lockgate.ci.pr_comment.post import Posted
    from lockgate.github.client import GitHubSettings

ARTIFACT = "report"
# What judges a change: the workflows, and where the kit is in the same repository, the kit.
WORKFLOWS = ".github/"
KIT = ("lockgate/", "requirements/", "action.yml")
# What makes the rows that it is judged on, below the project's folder.
ROWS = ("pipeline/prepare.py", "dvc.yaml")


@dataclass(frozen=True)
class Options:
    """What the command was given."""

    run_id: int
    report: Path | None
    name: str
    working_directory: str
    kit: str
    author: str | None
    cml: Path | None
    cml_seconds: float
    server_url: str
    summary: Path | None
    outputs: Path | None


@click.command(cls=Command)
@click.option("--run-id", type=click.IntRange(min=1), required=True, help="The finished workflow run.")
@click.option(
    "--report", type=click.Path(path_type=Path), help="Its artifact, a folder or a ZIP; without it, it is downloaded."
)
@name_option
@click.option("--working-directory", default=".", show_default=True, help="The project's folder in the repository.")
@click.option("--kit", default="", help="The repository that the kit was called from, OWNER/NAME; empty: this one.")
@click.option("--author", help="Whose comments are ours; without it the token's owner, or github-actions[bot].")
@click.option("--cml", type=click.Path(path_type=Path), help="CML's program; without it the REST API posts.")
@click.option("--cml-seconds", type=click.FloatRange(min=1), default=90.0, show_default=True, help="CML's time limit.")
@click.option("--server-url", envvar="GITHUB_SERVER_URL", default="https://github.com", show_default=True)
@click.option(
    "--summary", type=click.Path(path_type=Path), envvar="GITHUB_STEP_SUMMARY", help="Add the report here too."
)
@click.option(
    "--outputs", type=click.Path(path_type=Path), envvar="GITHUB_OUTPUT", help="Add posted=... and more here."
)
def comment(**options: object) -> None:
    """Post the report of a finished run on its pull request, as exactly one comment.

    The artifact is untrusted, and the headline follows GitHub's own record of the run. Nothing is posted where the pull
    request has a newer head; that is no error. Exit code 2 where a comment should stand and could not be posted.

    \b
        lockgate comment --run-id 15213
        lockgate comment --run-id 15213 --report artifact/ --cml node_modules/.bin/cml
    """
    given = Options(**options)  # type: ignore[arg-type]  # Click has made the values what the options say
    outputs = {"posted": "false", "comment-url": "", "pull-request": "", "note": ""}
    try:
        outputs |= _comment(given)
    except InputError as error:
        outputs["note"] = " ".join(str(error).split())
        raise
    finally:
        _append(given.outputs, "".join(f"{name}={_line(value)}\n" for name, value in outputs.items()))


def _comment(given: Options) -> dict[str, str]:
    settings = settings_from_environment()
    repository = open_repository(settings)
    with asking(f"read run {given.run_id}"):
        run = repository.get_workflow_run(given.run_id)
        run.complete()
    if not run.event.startswith("pull_request"):
        return _nothing(f"run {run.id} was not for a pull request ({run.event})")
    if run.status != "completed":
        return _nothing(f"run {run.id} has not ended ({run.status})")
    if run.conclusion in NOT_RUN:
        return _nothing(f"nothing of run {run.id} has run ({run.conclusion})")
    found = pull_of_run(repository, run)
    if found.pull is None:
        return _nothing(found.why_not)
    later = later_run(repository, run)
    if later is not None:
        return _nothing(f"run {later} is a later one of the same commit, and reports on #{found.pull.number}")
    report = _report(given, settings, run, found.pull)
    _append(given.summary, report.text)
    posted = _post(given, settings, repository, found.pull.number, report)
    for note in posted.notes:
        warn(note)
    where = {"pull-request": str(found.pull.number), "comment-url": posted.comment.url}
    if posted.superseded:
        return {**_nothing(f"a later run has reported on #{found.pull.number} already"), **where}
    poster = "CML posted" if posted.by_cml else "posted"
    say(f"{poster} the report of run {run.id} on #{found.pull.number}: {posted.comment.url}")
    return {**where, "posted": "true", "note": "; ".join(posted.notes)}


def _report(given: Options, settings: GitHubSettings, run: WorkflowRun, pull: PullRequest) -> Report:
    judges = (WORKFLOWS, *(KIT if given.kit.lower() in {"", settings.repository.lower()} else ()))
    rows = tuple(posixpath.normpath(posixpath.join(given.working_directory, name)) for name in ROWS)
    changed = changed_places(pull, (*judges, *rows))
    facts = RunFacts(
        conclusion=run.conclusion or "",
        url=f"{given.server_url.rstrip('/')}/{settings.repository}/actions/runs/{run.id}",
        number=run.id,
        attempt=run.run_attempt,
        commit=run.head_sha,
        changed_judges=tuple(place for place in changed if place in judges),
        changed_rows=tuple(place for place in changed if place in rows),
    )
    try:
        shown = read_facts(_files(given, settings, run), facts, _current_batch())
    except ArtifactError as error:
        shown = ReportFacts(run=replace(facts, refused=str(error)))
    text = render_markdown(replace(shown, name=given.name))
    return Report(suffixed(ARTIFACT, given.name), run.id, run.run_attempt, run.head_sha, text)


def _current_batch() -> str | None:
    """The sha256 of the current batch, where the comment is made in a project that has one."""
    return sha256_file(CURRENT_DATA) if CURRENT_DATA.is_file() else None


def _files(given: Options, settings: GitHubSettings, run: WorkflowRun) -> dict[str, bytes]:
    """The documents of the artifact; raises ArtifactError where there is none, or none that can be used."""
    if given.report is not None:
        return read_artifact(given.report)
    name = suffixed(ARTIFACT, given.name)
    artifact = newest_artifact(run, name)
    if artifact is None:
        raise ArtifactError(f"the run left no report, which would be its artifact {name}")
    if artifact.size_in_bytes > MAX_BYTES:
        raise ArtifactError(f"the artifact has {artifact.size_in_bytes:,} bytes, more than a report can have")
    return read_zip(download(settings, artifact.archive_download_url, f"artifact {artifact.id}", MAX_BYTES))


def _post(given: Options, settings: GitHubSettings, repository: Repository, number: int, report: Report) -> Posted:
    poster = None
    if given.cml is not None:
        url = f"{given.server_url.rstrip('/')}/{settings.repository}"
        poster = Cml(given.cml.resolve(), url, settings.token, given.cml_seconds)
    return post(conversation(repository, number), number, given.author or token_owner(repository), report, poster)


def _nothing(why: str) -> dict[str, str]:
    say(f"nothing posted: {why}")
    return {"posted": "false", "note": why}


def _append(path: Path | None, text: str) -> None:
    if path is not None:
        with path.open("a", encoding="utf-8") as stream:
            stream.write(text)


def _line(value: str) -> str:
    return " ".join(without_credentials(value).split())


if __name__ == "__main__":
    comment()
