"""`lockgate nightly`: what this run's drift means together with the runs before it, and the issue about it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from lockgate.ci.nightly.gravest_fact import gravest_fact
from lockgate.ci.nightly.history import (
    AlarmOn,
    decide,
    history_bytes,
    is_alarming,
    merge_runs,
    nightly_run,
    read_history,
)
from lockgate.ci.nightly.issue import update_issue
from lockgate.ci.nightly.issue_text import Links, drift_summary, run_text
from lockgate.ci.nightly.publish import DRIFT_FILE, HISTORY_FILE, read_previous_runs, upload
from lockgate.ci.nightly.publish import publish as publish_on_branch
from lockgate.ci.retrain.start import retrains_since, start_retrain
from lockgate.ci.stored_bundle import fetch_bundle
from lockgate.cli.command import Command, Decorated, existing_file, name_option, params_option, say, utc_time, warn
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import sha256_file, write_file, write_files
from lockgate.config.model_name import suffixed
from lockgate.config.params import params_or_defaults
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.nightly_json import NightlyDecision, NightlyRun
from lockgate.github.client import GitHubError, open_repository, settings_from_environment
from lockgate.github.step import add_summary, set_outputs
from lockgate.report.nights import nights_files

DRIFT = layout.DRIFT
HISTORY, DECISION = layout.REPORTS / "history.json", layout.REPORTS / "nightly.json"
MAKE_DRIFT = "make it with `lockgate drift --time now`"
drift_option = click.option("--drift", "drift_path", type=click.Path(path_type=Path), default=DRIFT, show_default=True)
history_option = click.option(
    "--history", "history_path", type=click.Path(path_type=Path), default=HISTORY, show_default=True
)
decision_option = click.option(
    "--decision", "decision_path", type=click.Path(path_type=Path), default=DECISION, show_default=True
)

reference_option = existing_file("The table that the batch was compared with, where that was no model.", "--reference")
server_option = click.option(
    "--server", envvar="GITHUB_SERVER_URL", default="https://github.com", help="For links to runs."
)


def publish_branch_option(help_text: str) -> Callable[[Decorated], Decorated]:
    """The branch's name, empty where it is left out or `none`, which a variable of GitHub's can say and empty not."""
    return click.option(
        "--publish-branch",
        default="none",
        show_default=True,
        callback=lambda _ctx, _option, value: "" if value == "none" else value,
        help=help_text,
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def nightly() -> None:
    """Decide on an alarm, keep the issue about it, publish drift.json, start a retrain.

    Each needs GITHUB_REPOSITORY and GITHUB_TOKEN, as a job of GitHub Actions has them.
    """


@nightly.command(cls=Command)
@params_option
@drift_option
@reference_option
@click.option("--alarm-on", type=click.Choice(["warn", "alert"]), default="warn", show_default=True)
def summary(params_path: Path, drift_path: Path, reference: Path | None, alarm_on: AlarmOn) -> None:
    """Write the result of `lockgate drift` into the step's outputs and the job's summary."""
    result = DriftResult.read_file(drift_path, MAKE_DRIFT)
    run = nightly_run(result, 0, 1, datetime.now(UTC), _identity(reference))
    rule = params_or_defaults(params_path).drift.history
    add_summary(drift_summary(result))
    set_outputs(
        {
            "status": run.status,
            "alarm": is_alarming(run, alarm_on),
            "psi": "" if run.psi is None else f"{run.psi:.4f}",
            # A column's name may hold anything, and an output is one line.
            "worst": " ".join(run.worst.split()),
            "model": result.model or "",
            "history-k": rule.k,
            "history-n": rule.n,
        }
    )


@nightly.command(cls=Command)
@click.option("--branch", envvar="GITHUB_REF_NAME", required=True, help="The branch whose runs stored bundles.")
@name_option
def bundle(branch: str, name: str) -> None:
    """Bring the newest bundle that a run on the branch stored into models/, verified."""
    settings = settings_from_environment()
    digest = fetch_bundle(settings, open_repository(settings), branch, layout.MODELS, name)
    say(f"fetched the bundle {digest[:12]} into {layout.MODELS}/")


@nightly.command(cls=Command)
@params_option
@drift_option
@history_option
@decision_option
@click.option("--run", envvar="GITHUB_RUN_ID", type=click.IntRange(min=0), required=True, help="This run's number.")
@click.option("--attempt", envvar="GITHUB_RUN_ATTEMPT", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--branch", envvar="GITHUB_REF_NAME", required=True, help="The branch whose previous runs count.")
@publish_branch_option("The branch with the published copy of the history; `none`: there is none.")
@click.option("--k", type=click.IntRange(min=1), default=2, show_default=True, help="Runs that make an alarm ...")
@click.option("--n", type=click.IntRange(min=1), default=3, show_default=True, help="... of this many.")
@click.option("--alarm-on", type=click.Choice(["warn", "alert"]), default="warn", show_default=True)
@reference_option
@server_option
@name_option
def history(
    params_path: Path,
    drift_path: Path,
    history_path: Path,
    decision_path: Path,
    reference: Path | None,
    run: int,
    attempt: int,
    branch: str,
    publish_branch: str,
    k: int,
    n: int,
    alarm_on: AlarmOn,
    server: str,
    name: str,
) -> None:
    """Add this run to the runs before it, and decide: alarm, watching, clear or unknown.

    Previous runs are known from their artifacts and from the published copy; what is lost or damaged is named and costs
    its own runs only.
    """
    if k > n:
        raise InputError(f"--k is {k} and --n is {n}; k of the last n runs make an alarm, so k is at most n")
    now = datetime.now(UTC)
    result = DriftResult.read_file(drift_path, MAKE_DRIFT)
    params = params_or_defaults(params_path)
    thresholds = {**params.evaluate.floors, **params.evaluate.ceilings}
    this = nightly_run(result, run, attempt, now, _identity(reference), thresholds)
    settings = settings_from_environment()
    repository = open_repository(settings)
    previous = read_previous_runs(settings, repository, branch, publish_branch, now, name)
    problems = previous.problems
    decision = decide([*previous.runs, this], k, n, alarm_on, params.drift.history.stale_days)
    decision = msgspec.structs.replace(decision, fact=gravest_fact(result, decision.stale))
    before = max((known.time for known in previous.runs if known.run != run), default=now)
    try:
        retrains = retrains_since(repository, f"{suffixed('retrain', name)}.yml", branch, before)
    except GitHubError as error:
        retrains, problems = (), (*problems, f"retrains could not be looked for: {error}")
    this = msgspec.structs.replace(this, state=decision.state, fact=decision.fact, retrains=retrains)
    runs = merge_runs([*previous.runs, this])
    for problem in problems:
        warn(problem)
    write_file(history_path, history_bytes(runs))
    decided = NightlyDecision(decision=decision, run=this, problems=problems, issue=None)
    write_file(decision_path, decided.to_bytes())
    links = Links(server.rstrip("/"), settings.repository, publish_branch, name)
    add_summary(run_text(decision, result, runs, links))
    set_outputs({"state": decision.state})
    say(f"drift of this run: {this.status}; {decision.alarmed} of {decision.judged} runs alarmed, {k} of {n} do")
    say(f"decision: {decision.state}")
    if decision.fact:
        say(decision.fact)


@nightly.command(cls=Command)
@drift_option
@history_option
@decision_option
@publish_branch_option("The branch that the page of nights is published on, to link to; `none`: none.")
@server_option
@name_option
def issue(
    drift_path: Path, history_path: Path, decision_path: Path, publish_branch: str, server: str, name: str
) -> None:
    """Open, rewrite, reopen or close the model's one issue labelled `drift`, as `lockgate nightly history` decided."""
    decided = NightlyDecision.read_file(decision_path)
    drift = DriftResult.read_file(drift_path, MAKE_DRIFT)
    settings = settings_from_environment()
    links = Links(server.rstrip("/"), settings.repository, publish_branch, name)
    now = datetime.now(UTC)
    runs = _runs(history_path, now)
    update = update_issue(open_repository(settings), decided.decision, drift, runs, links, now, name)
    write_file(decision_path, msgspec.structs.replace(decided, issue=update).to_bytes())
    # Until a retrain was started every night of an alarm asks for one; not where somebody dismissed the alarm.
    # Nor for a stale batch alone: newer training data would answer something else.
    alarms = decided.decision.retrain and update.action != "dismissed"
    began = decided.decision.began if alarms else None
    set_outputs(
        {"issue": update.number, "issue-action": update.action, "alarm-began": began.isoformat() if began else ""}
    )
    about = "" if update.number is None else f" #{update.number}"
    say(f"issue{about}: {update.action}")


@nightly.command(cls=Command)
@drift_option
@history_option
@click.option(
    "--repository", envvar="GITHUB_REPOSITORY", default="", help="OWNER/NAME, for links to runs; empty: there are none."
)
@server_option
@name_option
def page(drift_path: Path, history_path: Path, repository: str, server: str, name: str) -> None:
    """Draw the nights in reports/: nights.html for a browser, nights.md with its pictures for GitHub.

    Performance over time, PSI by feature and night, months of decisions, alarms and the retrains that answered. Needs no network.
    """
    drift = DriftResult.read_file(drift_path, MAKE_DRIFT)
    links = Links(server.rstrip("/") if repository else "", repository)
    files = nights_files(_runs(history_path, datetime.now(UTC)), drift, links.run, name)
    write_files(layout.REPORTS, files)
    say(f"wrote {', '.join(str(layout.REPORTS / file) for file in files)}")


@nightly.command(cls=Command)
@drift_option
@history_option
@publish_branch_option("The branch that drift.json goes to; `none`: none.")
@click.option("--put-url", envvar="LOCKGATE_PUT_URL", default="", help="An https address to PUT drift.json to.")
@click.option("--put-header", envvar="LOCKGATE_PUT_HEADER", default="", help="A header for it, as `Name: value`.")
@server_option
@name_option
def publish(
    drift_path: Path, history_path: Path, publish_branch: str, put_url: str, put_header: str, server: str, name: str
) -> None:
    """Put drift.json where a running service can read it: a branch of its own, a bucket, or both.

    The branch gets the history and the page of the nights too.
    """
    drift = DriftResult.read_file(drift_path, MAKE_DRIFT)
    if publish_branch:
        settings = settings_from_environment()
        links = Links(server.rstrip("/"), settings.repository, publish_branch, name)
        pages = nights_files(_runs(history_path, datetime.now(UTC)), drift, links.run, name)
        documents = {DRIFT_FILE: drift_path.read_bytes(), HISTORY_FILE: history_path.read_bytes()}
        repository = open_repository(settings)
        commit = publish_on_branch(repository, publish_branch, {**documents, **pages}, name)
        say(f"published {drift_path} on branch {publish_branch} ({commit[:12]})")
    if put_url:
        upload(put_url, put_header, drift_path.read_bytes())
        say(f"published {drift_path} at the address in put-url")


@nightly.command(cls=Command)
@click.option("--workflow", default="retrain.yml", show_default=True, help="The workflow's file.")
@click.option("--ref", envvar="GITHUB_REF_NAME", required=True, help="The branch to run it on.")
@click.option("--issue", "number", type=click.IntRange(min=1), required=True, help="The issue that the retrain is for.")
@click.option("--began", required=True, help="When the alarm began (ISO 8601): one retrain since then is enough.")
def dispatch(workflow: str, ref: str, number: int, began: str) -> None:
    """Start a retrain because of an alarm, unless one was started since it began.

    Starting a workflow is all that its token has to be allowed.
    """
    repository = open_repository(settings_from_environment())
    since = datetime.fromisoformat(utc_time(began, "--began"))
    if start_retrain(repository, workflow, ref, number, since):
        say(f"started {workflow} on {ref} for issue #{number}")
    else:
        say(f"{workflow} ran on {ref} since the alarm began, so none is started for issue #{number}")


def _identity(reference: Path | None) -> str | None:
    return None if reference is None else sha256_file(reference)


def _runs(path: Path, now: datetime) -> tuple[NightlyRun, ...]:
    found = read_history(path.read_bytes(), now) if path.is_file() else None
    if not found:
        raise InputError(f"{path} holds no runs; run `lockgate nightly history`")
    return found


if __name__ == "__main__":
    nightly()
