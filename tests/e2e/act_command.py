"""What `scripts/act` runs: find the workflows that an event starts, run each in a copy of the tree, and tell how it went."""

from __future__ import annotations

import fnmatch
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
from e2e.act import Project, copy_of_the_tree, pull_request, pushed, tool_cache
from e2e.act_tree import KIT, ROOT, UnknownActionError, git
from fake_github import FakeGitHub
from ruamel.yaml import YAML

WORKFLOWS = ROOT / ".github/workflows"
OF_THE_KIT = "github.event.repository.is_template"


class Refused(click.ClickException):
    """What the user can put right: one line, and the exit code that `lockgate` has for it."""

    exit_code = 2


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("event")
@click.argument("workflow", required=False)
@click.option("--tag", help="The tag pushed, for `push`.")
@click.option("--branch", default="main", show_default=True, help="The branch pushed, for `push`.")
@click.option("--base", help="The commit a pull request is against.  [default: where HEAD left main, else its parent]")
@click.option("--input", "inputs", multiple=True, metavar="NAME=VALUE", help="An input of `workflow_dispatch`.")
@click.option("--secret", "secrets", multiple=True, metavar="NAME=VALUE", help="A secret; none is needed.")
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A configuration variable.")
@click.option("--payload", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The event as JSON.")
@click.option("--api-url", help="A server that stands for the GitHub API.  [default: a fake one, made for the run]")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where caches and artifacts are kept from run to run.  [default: in the user's cache folder]",
)
@click.option(
    "--actions",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with clones called `checkout` and `cache`: those actions run as they are, in place of their stand-ins.",
)
@click.option("--verbose", is_flag=True, help="Show act's own log.")
def main(
    event: str,
    workflow: str | None,
    tag: str | None,
    branch: str,
    base: str | None,
    inputs: tuple[str, ...],
    secrets: tuple[str, ...],
    variables: tuple[str, ...],
    payload: Path | None,
    api_url: str | None,
    state: Path | None,
    actions: Path | None,
    verbose: bool,
) -> None:
    """Run the workflows that EVENT starts in a project (or only WORKFLOW) as the files stand, uncommitted changes included.

    Jobs run as processes of this machine, in a copy of the tree, with stand-ins for third-party actions.

    \b
    Examples:
        scripts/act pull_request
        scripts/act schedule
        scripts/act push --tag model-v1.2.3
        scripts/act workflow_dispatch retrain.yml --input pull-request=false
    """
    chosen = [workflow] if workflow else started_by(event, tag, branch)
    for name in chosen:
        if not (WORKFLOWS / name).is_file():
            raise Refused(f"no workflow {name}; there are {', '.join(_names())}")
    if not chosen:
        raise Refused(f"no workflow starts on {event}; name one of {', '.join(_names())}")
    state = (state or tool_cache() / "state").absolute()
    bad = False
    with tempfile.TemporaryDirectory(prefix="lockgate-act-") as folder, FakeGitHub({"repository": KIT}) as fake:
        project = copy_of_the_tree(Path(folder) / "project", own_project=False)
        if tag:
            project.git("tag", "--force", tag)
        # Branches that a workflow pushes or makes through the API stay in here, and go with it.
        fake.state["git_dir"] = str(Path(folder) / "remote.git")
        git(project.path, "clone", "--quiet", "--bare", ".", fake.state["git_dir"])
        for name in chosen:
            click.secho(f"== {name} on {event}", bold=True)
            try:
                ran = project.run(
                    name,
                    event,
                    state=state,
                    payload=json.loads(payload.read_text()) if payload else _payload(event, project, tag, branch, base),
                    inputs=_pairs(inputs, "--input") if event == "workflow_dispatch" else None,
                    secrets=_pairs(secrets, "--secret"),
                    variables=_pairs(variables, "--var"),
                    api_url=api_url or fake.url,
                    run_id=_next_run_id(state),
                    ref=f"refs/tags/{tag}" if tag else None,
                    actions=actions.absolute() if actions else None,
                    show=_printer(verbose),
                )
            except UnknownActionError as error:
                raise Refused(str(error)) from None
            click.echo(ran.summary)
            for job, conclusion in ran.jobs.items():
                line = f"{conclusion:>8}  {sum(ran.seconds.get(job, {}).values()):6.1f} s  {job}"
                click.secho(line, fg="green" if conclusion == "success" else "red")
            click.echo(f"artifacts: {state / 'artifacts' / str(ran.run_id)}")
            for request in fake.requests:
                if request.method != "GET":
                    click.echo(f"asked of GitHub: {request.method} {request.path} ({request.status})")
            fake.requests.clear()
            bad = bad or ran.code != 0
    sys.exit(1 if bad else 0)


def started_by(event: str, tag: str | None, branch: str) -> list[str]:
    """The workflow files that the event starts, by their `on`; without those that sleep in a project's copy of the kit."""
    found = []
    for name in _names():
        document = YAML(typ="safe", pure=True).load(WORKFLOWS / name)
        if all(OF_THE_KIT in str(job.get("if")) for job in document["jobs"].values()):
            continue
        triggers = document.get("on", document.get(True)) or {}
        events = {one: {} for one in triggers} if isinstance(triggers, list) else triggers
        events = {events: {}} if isinstance(events, str) else events
        if event in events and (event != "push" or _pushed_to(events[event] or {}, tag, branch)):
            found.append(name)
    return found


def _pushed_to(filters: dict[str, Any], tag: str | None, branch: str) -> bool:
    patterns = filters.get("tags" if tag else "branches")
    if patterns is None:
        return not any(key in filters for key in ("tags", "branches"))
    return any(fnmatch.fnmatch(tag or branch, pattern) for pattern in patterns)


def _payload(event: str, project: Project, tag: str | None, branch: str, base: str | None) -> dict[str, Any]:
    if event == "pull_request":
        return pull_request(project, git(ROOT, "rev-parse", base) if base else _base())
    if event == "push":
        return (
            {"ref": f"refs/tags/{tag}", "after": project.git("rev-parse", "HEAD")} if tag else pushed(project, branch)
        )
    return {"schedule": "17 3 * * *"} if event == "schedule" else {}


def _base() -> str:
    """Where HEAD left main; HEAD itself on main, whose working tree is then the change."""
    for main_branch in ("origin/main", "main"):
        known = git(ROOT, "branch", "--all", "--list", main_branch, "--format=%(refname:short)")
        if known:
            return git(ROOT, "merge-base", "HEAD", main_branch)
    return git(ROOT, "rev-parse", "HEAD")


def _names() -> list[str]:
    return sorted(path.name for path in WORKFLOWS.glob("*.yml"))


def _pairs(values: tuple[str, ...], option: str) -> dict[str, str]:
    for value in values:
        if "=" not in value:
            raise Refused(f"{option} {value}: write NAME=VALUE")
    return dict(value.split("=", 1) for value in values)


def _next_run_id(state: Path) -> int:
    kept = state / "artifacts"
    known = [int(path.name) for path in kept.iterdir() if path.name.isdigit()] if kept.is_dir() else []
    return max(known, default=0) + 1


def _printer(verbose: bool) -> Any:
    def show(line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            click.echo(line.rstrip())
            return
        text = str(entry.get("msg", "")).rstrip()
        if (
            verbose
            or entry.get("raw_output")
            or text.lstrip().startswith(("⭐", "❌", "🏁"))
            or entry["level"] == "error"
        ):
            click.echo(f"[{str(entry.get('job', 'act')).strip()}] {text}")

    return show


if __name__ == "__main__":
    main(prog_name="scripts/act")
