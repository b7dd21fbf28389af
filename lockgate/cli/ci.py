"""`lockgate ci`: what the actions run, a command each."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import click

from lockgate.ci.quality_gate import (
    CHAMPION_SOURCES,
    FIRST_MODEL,
    ChampionSource,
    Change,
    FirstModel,
    base_of,
    champion_of,
    documents_of,
    params_at,
    require_consistent,
)
from lockgate.cli.command import Command, existing_file, say, warn
from lockgate.cli.main import main
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.policy_json import PolicyDifference
from lockgate.dvc.reproduce import update_imports
from lockgate.github.step import StepTimes, add_summary, set_outputs, warning_line
from lockgate.model.bundle import MANIFEST

POLICY = layout.REPORTS / "policy.yaml"
POLICY_DIFFERENCE = layout.REPORTS / "policy.json"
POLICY_WORDS = layout.REPORTS / "policy.md"
MARKUP = str.maketrans("", "", "`<>")  # what Markdown would take for code or for HTML
CHAMPION = layout.REPORTS / "champion.parquet"


@click.group()
def ci() -> None:
    """Steps of the actions, as the workflows run them.

    Outputs go to the file that GITHUB_OUTPUT names, the report to the one that GITHUB_STEP_SUMMARY names.
    """


@ci.command(cls=Command)
@click.option(
    "--base", default="", help="The commit whose policy and model are the measure; zeros where none came before."
)
@click.option("--branch", default="", help="The branch that was pushed.")
@click.option("--default-branch", default="", help="The repository's.")
@existing_file("Judge by this params file instead of the base commit's.", "--policy", "policy_path")
@click.option("--minimums", default="", help="Platform minimums, as YAML text.")
@click.option(
    "--champion", type=click.Choice(CHAMPION_SOURCES), help="Where the champion is from, whatever the policy says."
)
@existing_file("The champion's predictions of the same rows.", "--champion-predictions", "champion_path")
@existing_file("Judge this table instead of the bundle's predictions.", "--predictions", "predictions_path")
@click.option("--first-model", type=click.Choice(FIRST_MODEL), default="auto", show_default=True)
@click.option(
    "--report", "report_folder", type=click.Path(path_type=Path), required=True, help="Its JSON files go here."
)
@click.pass_context
def judge(
    ctx: click.Context,
    base: str,
    branch: str,
    default_branch: str,
    policy_path: Path | None,
    minimums: str,
    champion: ChampionSource | None,
    champion_path: Path | None,
    predictions_path: Path | None,
    first_model: FirstModel,
    report_folder: Path,
) -> None:
    """Judge a change by the base commit's policy and model; write the verdict and the whole report.

    Ends with 0 for every verdict: the output `verdict` says which, and is `error` where none could be reached. The
    champion that should exist and cannot be had is no error either: the gate blocks, and says why.
    """
    set_outputs({"verdict": "error"})  # until there is another
    # Whatever the commit carries here is no result of this run.
    for path in (layout.GATE, POLICY, POLICY_DIFFERENCE, POLICY_WORDS, CHAMPION):
        path.unlink(missing_ok=True)
    commit, begins = base_of(base, branch, default_branch)
    change = Change(commit, begins, predictions_path, champion, champion_path, first_model)
    require_consistent(change)
    times = StepTimes()
    try:
        _judge(ctx, change, policy_path, minimums, times)
    finally:
        _report(ctx, change, report_folder, times)


def _judge(ctx: click.Context, change: Change, policy_path: Path | None, minimums: str, times: StepTimes) -> None:
    if not layout.PARAMS.is_file():
        if change.predictions is None:
            raise InputError(
                f"there is no {layout.PARAMS} in {Path.cwd()}; check the repository out first, and run in its folder"
            )
        layout.PARAMS.write_text("{}\n")
    base_params = params_at(change.base) if change.base else None
    with tempfile.TemporaryDirectory(prefix="lockgate-policy-") as name:
        _run(
            ctx,
            "policy",
            base=policy_path or _written(Path(name, "base.yaml"), base_params),
            minimums=_written(Path(name, "minimums.yaml"), minimums.encode() if minimums.strip() else None),
            champion=change.champion,
        )
    set_outputs({"policy-changed": PolicyDifference.read_file(POLICY_DIFFERENCE).changed})
    champion = champion_of(change, base_params is not None)
    champion_path = _score_champion(ctx, change.base, times) if champion.scored else champion.predictions
    try:
        with times.timed("gate"):
            _run(
                ctx,
                "gate",
                policy=POLICY,
                predictions=change.predictions,
                champion=champion_path,
                first_model=champion.first_model,
            )
    except click.ClickException as error:
        # A block ends with an error too; its verdict is read below.
        if not layout.GATE.is_file():
            raise InputError(f"no verdict could be reached: {error.format_message()}") from error
    result = GateResult.read_file(layout.GATE)
    set_outputs({"verdict": result.verdict, "model": result.model, "counted": True})
    if result.verdict != "pass":
        say(warning_line(f"the gate says {result.verdict}: " + "; ".join(result.blocking_reasons())))


def _score_champion(ctx: click.Context, base: str | None, times: StepTimes) -> Path | None:
    """The champion's predictions; None where the policy has it elsewhere, or where there is none to be had."""
    try:
        with times.timed("champion"):
            _run(ctx, "champion", base=base, policy=POLICY)
    except click.ClickException as error:
        problem = error.format_message()
        say(warning_line(f"there is no champion: {problem}"))
        add_summary(f"There is no champion to compare with: {problem.translate(MARKUP)}")
    return CHAMPION if CHAMPION.is_file() else None


def _run(ctx: click.Context, name: str, *steps: str, **options: str | Path | bool | None) -> None:
    """Run another command of ours with the options that are set; it raises a ClickException where it does not end well."""
    command = main.get_command(ctx, name)
    assert command is not None  # noqa: S101
    arguments = [*steps]
    for option, value in options.items():
        flag = f"--{option.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value:
            arguments.append(f"{flag}={value}")
    with command.make_context(name, arguments, parent=ctx) as own:
        command.invoke(own)


@ci.command(cls=Command)
@click.option("--dvc-update", "imported", default="", help="`.dvc` files to bring up to date first, one a line.")
@click.option("--model", type=click.Choice(["project", "bundle", "registry"]), default="project", show_default=True)
@click.option("--current", help="The batch; without it the one that `prepare.current` names is prepared anew.")
@click.option("--alarm-on", type=click.Choice(["warn", "alert"]), default="warn", show_default=True)
@click.pass_context
def drift(ctx: click.Context, imported: str, model: str, current: str | None, alarm_on: str) -> None:
    """Measure drift of a batch against the project's bundle, the newest stored one, or the registry's champion.

    The batch is prepared anew each time: DVC does not see that the content behind a URL or in a folder has changed.
    """
    times = StepTimes()
    if names := imported.split("\n") if imported.strip() else []:
        with times.timed("dvc update"):
            update_imports([name for name in names if name])
    if model == "bundle":
        _run(ctx, "nightly", "bundle")
    elif model == "registry":
        _run(ctx, "pull")
    elif not (layout.MODELS / MANIFEST).is_file():
        raise InputError(
            f"there is no bundle in {layout.MODELS}/; run the action `train` before, or let `model` be `bundle` or `registry`"
        )
    if current is None:
        with times.timed("prepare"):
            _run(ctx, "prepare")
    with times.timed("drift"):
        _run(ctx, "drift", time="now", current=current)
    _run(ctx, "nightly", "summary", f"--alarm-on={alarm_on}")
    add_summary(times.table())


def _written(path: Path, content: bytes | None) -> Path | None:
    if content is None:
        return None
    path.write_bytes(content)
    return path


def _report(ctx: click.Context, change: Change, folder: Path, times: StepTimes) -> None:
    """The whole report into the summary, and its JSON files into one folder, whatever there is, also after an error."""
    shutil.rmtree(folder, ignore_errors=True)
    documents = documents_of(change, layout.REPORTS, layout.MODELS)
    for name, path in documents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    if documents:
        set_outputs({"report": folder})
    layout.REPORT_MARKDOWN.unlink(missing_ok=True)
    try:
        if "drift.json" in documents:
            set_outputs({"drift": DriftResult.read_file(layout.DRIFT).status})
        with times.timed("report"):
            _run(ctx, "report")
        add_summary(layout.REPORT_MARKDOWN.read_text(encoding="utf-8"))
    except (InputError, click.ClickException) as error:
        warn(f"no report: {error}")
    if POLICY_WORDS.is_file():
        add_summary(POLICY_WORDS.read_text(encoding="utf-8"))
    add_summary(times.table())
