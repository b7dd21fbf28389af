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
from lockgate.cli.command import Command, existing_file, warn
from lockgate.cli.main import main
from lockgate.cli.reproduce import lock_problems
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.terminal import annotate, say
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.policy_json import PolicyDifference
from lockgate.documents.reproduction_json import Reproduction
from lockgate.documents.text import REASON_LIMIT
from lockgate.dvc.cache import cache_state, trim_cache
from lockgate.dvc.reproduce import update_imports, write_local_settings
from lockgate.github.step import add_summary, add_times, set_outputs, timed
from lockgate.model.bundle import MANIFEST
from lockgate.report.escape import code_span

POLICY = layout.REPORTS / "policy.yaml"
POLICY_DIFFERENCE = layout.REPORTS / "policy.json"
POLICY_WORDS = layout.REPORTS / "policy.md"
REPRODUCTION = layout.REPORTS / "reproduction.json"
NO_PARAMS = "there is no params.yaml in {}; check the repository out first, and run in its folder"
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
    "--champion",
    type=click.Choice(CHAMPION_SOURCES),
    help="Where the champion is from, in place of the policy's `gate.champion.source`.",
)
@existing_file("The champion's predictions of the same rows.", "--champion-predictions", "champion_path")
@existing_file("Judge this table instead of the bundle's predictions.", "--predictions", "predictions_path")
@click.option("--weight", help="The column of --predictions that says how much each row counts.")
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
    weight: str | None,
    first_model: FirstModel,
    report_folder: Path,
) -> None:
    """Judge a change by the base commit's policy and model; write the verdict and the whole report.

    Ends with 0 for every verdict: the output `verdict` has it, and is `error` where none could be reached. A champion
    that should exist and cannot be obtained is no error either: the gate blocks, with the reason.
    """
    set_outputs({"verdict": "error"})  # until there is another
    # Whatever the commit carries here is no result of this run.
    for path in (layout.GATE, POLICY, POLICY_DIFFERENCE, POLICY_WORDS, CHAMPION):
        path.unlink(missing_ok=True)
    commit, begins = base_of(base, branch, default_branch)
    change = Change(commit, begins, predictions_path, champion, champion_path, first_model, weight)
    require_consistent(change)
    try:
        _judge(ctx, change, policy_path, minimums)
    finally:
        _report(ctx, change, report_folder)


def _judge(ctx: click.Context, change: Change, policy_path: Path | None, minimums: str) -> None:
    if not layout.PARAMS.is_file():
        if change.predictions is None:
            raise InputError(NO_PARAMS.format(Path.cwd()))
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
    champion_path = _score_champion(ctx, change.base) if champion.scored else champion.predictions
    try:
        with timed("gate"):
            _run(
                ctx,
                "gate",
                policy=POLICY,
                predictions=change.predictions,
                weight=change.weight,
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
        annotate(f"the gate says {result.verdict}: " + "; ".join(result.blocking_reasons()))


def _score_champion(ctx: click.Context, base: str | None) -> Path | None:
    """The champion's predictions; None where the policy has it elsewhere, or where there is none to be had."""
    try:
        with timed("champion"):
            _run(ctx, "champion", base=base, policy=POLICY)
    except click.ClickException as error:
        problem = error.format_message()
        annotate(f"there is no champion: {problem}")
        add_summary(f"There is no champion to compare with: {code_span(problem, REASON_LIMIT)}")
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
    if names := imported.split("\n") if imported.strip() else []:
        with timed("dvc update"):
            update_imports([name for name in names if name], say)
    if model == "bundle":
        _run(ctx, "nightly", "bundle")
    elif model == "registry":
        _run(ctx, "pull")
    elif not (layout.MODELS / MANIFEST).is_file():
        raise InputError(
            f"there is no bundle in {layout.MODELS}/; run the action `train` before, or let `model` be `bundle` or `registry`"
        )
    if current is None:
        with timed("prepare"):
            _run(ctx, "prepare")
    with timed("drift"):
        _run(ctx, "drift", time="now", current=current)
    _run(ctx, "nightly", "summary", f"--alarm-on={alarm_on}")
    add_times()


@ci.command(cls=Command)
@click.option("--override", "overrides", default="", help="Lines `section.key=value` to write into params.yaml first.")
@click.option("--cache-key", default="", help="The name that the cache is kept under; empty: it is not kept.")
@click.option(
    "--dvc-config",
    envvar="LOCKGATE_DVC_CONFIG",
    default="",
    help="The content of .dvc/config.local: what DVC needs to log in to a remote. Better given as LOCKGATE_DVC_CONFIG.",
)
@click.pass_context
def train(ctx: click.Context, overrides: str, cache_key: str, dvc_config: str) -> None:
    """Reproduce the stages; report what is wrong with dvc.lock, and whether DVC's cache is worth keeping.

    Ends with exit code 2 where there is no model.
    """
    if not layout.PARAMS.is_file():
        raise InputError(NO_PARAMS.format(Path.cwd()))
    REPRODUCTION.unlink(missing_ok=True)  # one that the commit carries is not of this run
    if dvc_config.strip():
        write_local_settings(Path(), dvc_config)
    before = cache_state()
    failure = None
    try:
        with timed("dvc repro"):
            _run(ctx, "reproduce", override=overrides)
    except click.ClickException as error:
        failure = error
        if not REPRODUCTION.is_file():
            raise
    done = Reproduction.read_file(REPRODUCTION)
    set_outputs({"model": done.model, "trained": done.trained, "stale-lock": done.is_stale})
    for problem in lock_problems(done):
        annotate(problem)
    if done.is_stale:
        add_summary(
            "**`dvc.lock` is stale:** it is not of the files of this commit. How to fix it: `dvc repro`, then commit `dvc.lock`."
        )
    trim_cache(say)
    after = cache_state()
    if cache_key and after != before:
        set_outputs({"cache-key": f"{cache_key}-{after}"})
    if failure is not None:
        raise failure


def _written(path: Path, content: bytes | None) -> Path | None:
    if content is None:
        return None
    path.write_bytes(content)
    return path


def _report(ctx: click.Context, change: Change, folder: Path) -> None:
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
        with timed("report"):
            _run(ctx, "report")
        add_summary(layout.REPORT_MARKDOWN.read_text(encoding="utf-8"))
    except (InputError, click.ClickException) as error:
        warn(f"no report: {error}")
    if POLICY_WORDS.is_file():
        add_summary(POLICY_WORDS.read_text(encoding="utf-8"))
    add_times()
