"""`lockgate nightly`: what a night's drift means with the nights before it, told on GitHub."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lockgate.ci.nightly.history import Decision, decide, history_document, merge, night_of, night_record, read_history
from lockgate.ci.nightly.issue import keep_issue
from lockgate.ci.nightly.issue_text import Links, drift_summary, night_text
from lockgate.ci.nightly.publish import earlier_nights, upload
from lockgate.ci.nightly.publish import publish as publish_on_branch
from lockgate.ci.stored_bundle import fetch_bundle
from lockgate.cli.command import Command, Decorated, params_option, say, warn
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import read_json, readable_json, write_file
from lockgate.config.params import read_params
from lockgate.documents.schemas import parse_document
from lockgate.github.client import asking, open_repository, settings_from_environment
from lockgate.github.step import add_summary, set_outputs

if TYPE_CHECKING:
    from lockgate.ci.nightly.history import Night

DRIFT, HISTORY, NIGHT = (Path("reports") / name for name in ("drift.json", "drift-history.json", "night.json"))
drift_option = click.option("--drift", "drift_path", type=click.Path(path_type=Path), default=DRIFT, show_default=True)
history_option = click.option(
    "--history", "history_path", type=click.Path(path_type=Path), default=HISTORY, show_default=True
)
night_option = click.option("--night", "night_path", type=click.Path(path_type=Path), default=NIGHT, show_default=True)

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
    """Decide on an alarm, keep the issue about it, publish drift.json, ask for a retrain.

    Each needs GITHUB_REPOSITORY and GITHUB_TOKEN, as a job of GitHub Actions has them.
    """


@nightly.command(cls=Command)
@params_option
@drift_option
@click.option("--alarm-on", type=click.Choice(["warn", "alert"]), default="warn", show_default=True)
def summary(params_path: Path, drift_path: Path, alarm_on: Any) -> None:
    """Tell the step's outputs and the job's summary what `lockgate drift` measured."""
    result = read_json(drift_path, "make it with `lockgate drift --time now`")
    night = night_of(result, 0, 1, datetime.now(UTC))
    rule = read_params(params_path).drift.history
    add_summary(drift_summary(result))
    set_outputs(
        {
            "status": night.status,
            "alarm": night.alarmed(alarm_on),
            "psi": "" if night.psi is None else f"{night.psi:.4f}",
            # A column's name may hold anything, and an output is one line.
            "worst": " ".join(night.worst.split()),
            "model": night.model,
            "history-k": rule.k,
            "history-n": rule.n,
        }
    )


@nightly.command(cls=Command)
@click.option("--branch", envvar="GITHUB_REF_NAME", required=True, help="The branch whose runs stored bundles.")
def bundle(branch: str) -> None:
    """Bring the newest bundle that a run on the branch stored into models/, verified."""
    settings = settings_from_environment()
    digest = fetch_bundle(settings, open_repository(settings), branch, layout.MODELS)
    say(f"fetched the bundle {digest[:12]} into {layout.MODELS}/")


@nightly.command(cls=Command)
@drift_option
@history_option
@night_option
@click.option("--run", envvar="GITHUB_RUN_ID", type=click.IntRange(min=0), required=True, help="This run's number.")
@click.option("--attempt", envvar="GITHUB_RUN_ATTEMPT", type=click.IntRange(min=1), default=1, show_default=True)
@click.option("--branch", envvar="GITHUB_REF_NAME", required=True, help="The branch whose earlier runs count.")
@publish_branch_option("The branch with the published copy of the history; `none`: there is none.")
@click.option("--k", type=click.IntRange(min=1), default=2, show_default=True, help="Nights that make an alarm ...")
@click.option("--n", type=click.IntRange(min=1), default=3, show_default=True, help="... of this many.")
@click.option("--alarm-on", type=click.Choice(["warn", "alert"]), default="warn", show_default=True)
@server_option
def history(
    drift_path: Path,
    history_path: Path,
    night_path: Path,
    run: int,
    attempt: int,
    branch: str,
    publish_branch: str,
    k: int,
    n: int,
    alarm_on: Any,
    server: str,
) -> None:
    """Add this run to the nights before it, and decide: alarm, watching, clear or unknown.

    Earlier nights come from the artifacts of earlier runs and from the published copy; what is lost or damaged is said
    and costs its own nights only.
    """
    if k > n:
        raise InputError(f"--k is {k} and --n is {n}; k of the last n nights make an alarm, so k is at most n")
    now = datetime.now(UTC)
    result = _drift(drift_path)
    tonight = night_of(result, run, attempt, now)
    settings = settings_from_environment()
    earlier = earlier_nights(settings, open_repository(settings), branch, publish_branch, now)
    for problem in earlier.problems:
        warn(problem)
    nights = merge([*earlier.nights, tonight])
    decision = decide(nights, k, n, alarm_on)
    write_file(history_path, readable_json(history_document(nights)))
    decided = {**vars(decision), "tonight": night_record(tonight), "problems": list(earlier.problems)}
    write_file(night_path, readable_json(decided))
    add_summary(night_text(decision, result, nights, Links(server.rstrip("/"), settings.repository)))
    set_outputs({"state": decision.state})
    say(f"drift of this night: {tonight.status}; {decision.alarmed} of {decision.looked} nights alarmed, {k} of {n} do")
    say(f"decision: {decision.state}")


@nightly.command(cls=Command)
@drift_option
@history_option
@night_option
@server_option
def issue(drift_path: Path, history_path: Path, night_path: Path, server: str) -> None:
    """Open, rewrite, reopen or close the one issue labelled `drift`, as `lockgate nightly history` decided."""
    decided = read_json(night_path, "run `lockgate nightly history`")
    decision = Decision(*(decided[key] for key in ("state", "alarmed", "looked", "k", "n")))
    settings = settings_from_environment()
    links = Links(server.rstrip("/"), settings.repository)
    now = datetime.now(UTC)
    nights = _nights(history_path, now)
    kept = keep_issue(open_repository(settings), decision, _drift(drift_path), nights, links, now)
    done = {"issue": kept.number, "issue_action": kept.action, "new_alarm": kept.new_alarm}
    write_file(night_path, readable_json({**decided, **done}))
    set_outputs({"issue": kept.number, "issue-action": kept.action, "new-alarm": kept.new_alarm})
    about = "" if kept.number is None else f" #{kept.number}"
    say(f"issue{about}: {kept.action}")


@nightly.command(cls=Command)
@drift_option
@history_option
@publish_branch_option("The branch that drift.json goes to; `none`: none.")
@click.option("--put-url", envvar="LOCKGATE_PUT_URL", default="", help="An https address to PUT drift.json to.")
@click.option("--put-header", envvar="LOCKGATE_PUT_HEADER", default="", help="A header for it, as `Name: value`.")
def publish(drift_path: Path, history_path: Path, publish_branch: str, put_url: str, put_header: str) -> None:
    """Put drift.json where a running service can read it: a branch of its own, a bucket, or both."""
    _drift(drift_path)
    if publish_branch:
        repository = open_repository(settings_from_environment())
        commit = publish_on_branch(repository, publish_branch, drift_path.read_bytes(), history_path.read_bytes())
        say(f"published {drift_path} on branch {publish_branch} ({commit[:12]})")
    if put_url:
        upload(put_url, put_header, drift_path.read_bytes())
        say(f"published {drift_path} at the address in put-url")


@nightly.command(cls=Command)
@click.option("--workflow", default="retrain.yml", show_default=True, help="The workflow's file.")
@click.option("--ref", envvar="GITHUB_REF_NAME", required=True, help="The branch to run it on.")
@click.option("--issue", "number", type=click.IntRange(min=1), required=True, help="The issue that asks for it.")
def dispatch(workflow: str, ref: str, number: int) -> None:
    """Start the retrain that an alarm asks for. Starting a workflow is all that its token has to be allowed."""
    repository = open_repository(settings_from_environment())
    with asking(f"start {workflow} on {ref}"):
        repository.get_workflow(workflow).create_dispatch(ref, {"drift-issue": str(number)}, throw=True)
    say(f"started {workflow} on {ref} for issue #{number}")


def _drift(path: Path) -> dict[str, Any]:
    """The measurement, held against its schema: it comes from a job that ran the project's code."""
    read_json(path, "make it with `lockgate drift --time now`")
    found: dict[str, Any] = parse_document(path.name, path.read_bytes())
    return found


def _nights(path: Path, now: Any) -> tuple[Night, ...]:
    found = read_history(path.read_bytes(), now) if path.is_file() else None
    if not found:
        raise InputError(f"{path} holds no nights; run `lockgate nightly history`")
    return found


if __name__ == "__main__":
    nightly()
