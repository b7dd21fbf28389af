"""`lockgate ci judge` and what goes before it: whether the base commit's model has to be reproduced, and reproducing it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from lockgate.champion.base_commit import reproduced_model
from lockgate.champion.registry import registered_champion
from lockgate.champion.score import champion_table
from lockgate.ci.base import Base, GitHistory, base_of, read_event
from lockgate.ci.default_branch import DefaultBranch
from lockgate.ci.hand_over import REPRODUCTION, pack_champion, read_champion, remove_results, take_project, take_tables
from lockgate.ci.quality_gate import (
    CHAMPION_SOURCES,
    FIRST_MODEL,
    Champion,
    ChampionSource,
    Change,
    FirstModel,
    champion_of,
    documents_of,
    params_at,
    require_consistent,
)
from lockgate.ci.retrain.overrides import apply_overrides, parse_overrides
from lockgate.cli.command import Command, name_option, run_command, say, warn
from lockgate.config import layout
from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import write_file
from lockgate.config.params import read_params
from lockgate.config.terminal import annotate
from lockgate.data.tables import read_stage_table
from lockgate.documents.drift_json import DriftResult
from lockgate.documents.gate_json import GateResult
from lockgate.documents.policy_json import PolicyDifference
from lockgate.documents.reproduction_json import Reproduction
from lockgate.documents.text import REASON_LIMIT
from lockgate.gate.evaluation import evaluate
from lockgate.gate.new_data import comes_from_elsewhere, definition_differences
from lockgate.gate.policy import read_policy_settings
from lockgate.gate.test_set_reuse import history_of
from lockgate.github.client import settings_from_environment
from lockgate.github.step import add_summary, add_times, set_outputs, timed
from lockgate.model.bundle import Bundle, verify_bundle
from lockgate.project import Project
from lockgate.report.escape import code_span
from lockgate.report.markdown import render_markdown

POLICY = layout.REPORTS / "policy.yaml"
POLICY_DIFFERENCE = layout.REPORTS / "policy.json"
POLICY_WORDS = layout.REPORTS / "policy.md"
CHAMPION = layout.REPORTS / "champion.parquet"
NO_PARAMS = "there is no params.yaml in {}; check the repository out first, and run in its folder"
MEASURED_RESULTS = ("success", "failure", "cancelled", "skipped")
# Said where people read the verdict, and in SECURITY.md.
WHOSE_WORD = (
    "Scored, judged and measured by the kit alone, in a job that runs nothing of the project. That the rows are the source's "
    "is the word of the project's `prepare`. Artifacts of a public repository are public."
)
SAME_JOB = (
    "Judged in one job with whatever ran before it, which could have changed the table, the verdict or the kit: it is worth as "
    "much as those steps. `model.yml` judges in a job of its own."
)

Decorated = TypeVar("Decorated", bound=Callable[..., object])


def _file(help_text: str, *names: str) -> Callable[[Decorated], Decorated]:
    """An option that names a file which may come to be there only with the hand-over."""
    return click.option(*names, type=click.Path(path_type=Path), help=help_text)


def _change_options(command: Decorated) -> Decorated:
    """What says against what a change is measured."""
    for option in (
        name_option,
        click.option("--default-branch", default="", help="The repository's."),
        click.option(
            "--bundle-workflow",
            default="pr.yml",
            show_default=True,
            help="File of the workflow whose runs on the default branch store bundles.",
        ),
        click.option("--first-model", type=click.Choice(FIRST_MODEL), default="auto", show_default=True),
        _file("The champion's predictions of the same rows.", "--champion-predictions", "champion_path"),
        click.option(
            "--champion",
            type=click.Choice(CHAMPION_SOURCES),
            help="Where the champion is from, in place of the policy's `gate.champion.source`.",
        ),
        _file("Judge by this params file instead of the base commit's.", "--policy", "policy_path"),
        click.option("--base", default="", help="The commit whose policy and model are the measure, not the event's."),
    ):
        command = option(command)
    return command


@click.command(cls=Command)
@_change_options
def find_champion(
    base: str,
    policy_path: Path | None,
    champion: ChampionSource | None,
    champion_path: Path | None,
    first_model: FirstModel,
    bundle_workflow: str,
    default_branch: str,
    name: str,
) -> None:
    """Whether the base commit's model has to be reproduced, because no run stored one that suffices to compare with.

    The output `reproduce` is true or false. It decides nothing: a judge that finds no champion blocks.
    """
    change = Change(base_of(read_event(), GitHistory(), base), None, champion, champion_path, first_model)
    require_consistent(change)
    base_params = params_at(change.base.commit) if change.base.commit else None
    with tempfile.TemporaryDirectory(prefix="lockgate-policy-") as folder:
        path = policy_path or _written(Path(folder, "base.yaml"), base_params) or layout.PARAMS
        source = champion or read_policy_settings(path).gate.champion.source
    wanted = source == "base" and champion_of(change, base_params is not None).scored and change.base.commit
    with timed("champion looked for"):
        stored = wanted and _stored_one_suffices(change.base, default_branch, bundle_workflow, name)
    set_outputs({"reproduce": bool(wanted and not stored)})
    add_times()


def _stored_one_suffices(base: Base, default_branch: str, workflow: str, name: str) -> bool:
    try:
        runs = DefaultBranch(settings_from_environment(), workflow, default_branch, name)
        bundle = runs.stored_bundle(base.commit or "")
        if bundle is None:
            return False
        new = verify_bundle(layout.MODELS)
        if definition_differences(new, bundle):
            return True  # it scores no rows of these
        if comes_from_elsewhere(new, bundle):
            say(
                "prepare.source is another one: whether rows of the base commit's are among these, its own test rows tell"
            )
            return False
        read_stage_table(layout.TEST_DATA, bundle.schema, "test")
    except InputError as error:
        say(f"no stored model of the base commit can be used: {error}")
        return False
    return True


@click.command(cls=Command)
@click.option("--base", default="", help="The commit whose model it is, not the event's.")
@click.option("--hand-over", type=click.Path(path_type=Path), required=True, help="Model and test rows go here.")
def reproduce_champion(base: str, hand_over: Path) -> None:
    """Reproduce the base commit's model with that commit's own stages, for a judge that runs none of them."""
    found = base_of(read_event(), GitHistory(), base)
    if found.commit is None:
        raise InputError(f"there is no base commit to reproduce: {found.reason}")
    with timed("champion"), reproduced_model(found.commit, say) as (bundle, rows):
        pack_champion(bundle, rows, hand_over)
    add_times()


@dataclass(frozen=True)
class Measured:
    """What the jobs before left: `folder` of the one that ran the project's code, how it ended, the overrides that it ran
    with; `champion` is the folder of the one that reproduced the base commit's model, None where it had not to."""

    folder: Path
    result: str
    overrides: str
    champion: Path | None


@click.command(cls=Command)
@_change_options
@click.option("--minimums", default="", help="Platform minimums, as YAML text.")
@_file("Judge this table instead of the bundle's predictions.", "--predictions", "predictions_path")
@click.option("--weight", help="The column of --predictions that says how much each row counts.")
@click.option(
    "--measured", type=click.Path(path_type=Path), help="What the job that ran the project's code handed over."
)
@click.option("--measured-result", type=click.Choice(MEASURED_RESULTS), default="success", help="How that job ended.")
@click.option("--override", "overrides", default="", help="Lines `section.key=value` that it wrote into params.yaml.")
@click.option(
    "--champion-bundle", type=click.Path(path_type=Path), help="What `lockgate ci reproduce-champion` handed over."
)
@click.option(
    "--report", "report_folder", type=click.Path(path_type=Path), required=True, help="Its JSON files go here."
)
@click.pass_context
def judge(
    ctx: click.Context,
    base: str,
    policy_path: Path | None,
    champion: ChampionSource | None,
    champion_path: Path | None,
    first_model: FirstModel,
    bundle_workflow: str,
    default_branch: str,
    name: str,
    minimums: str,
    predictions_path: Path | None,
    weight: str | None,
    measured: Path | None,
    measured_result: str,
    overrides: str,
    champion_bundle: Path | None,
    report_folder: Path,
) -> None:
    """Judge a change by the base commit's policy and model; write the verdict and the whole report.

    With --measured nothing of the project is run: rows and bundle are taken as a stranger's, and scored, judged and measured
    here. Ends with 0 for every verdict: the output `verdict` has it, and is `error` where none could be reached. A champion
    that should exist and cannot be obtained is no error either: the gate blocks, with the reason.
    """
    set_outputs({"verdict": "error"})  # until there is another
    # Whatever the commit carries here is no result of this run.
    if measured:
        remove_results(Path())
    for path in (layout.GATE, POLICY, POLICY_DIFFERENCE, POLICY_WORDS, CHAMPION):
        path.unlink(missing_ok=True)
    found = base_of(read_event(), GitHistory(), base)
    change = Change(found, predictions_path, champion, champion_path, first_model, weight)
    require_consistent(change)
    handed_over = Measured(measured, measured_result, overrides, champion_bundle) if measured else None
    try:
        base_params = params_at(found.commit) if found.commit else None
        _say_base(found, base_params is not None)
        if handed_over is None:
            add_summary(SAME_JOB)
        if not layout.PARAMS.is_file():
            if predictions_path is None:
                raise InputError(NO_PARAMS.format(Path.cwd()))
            layout.PARAMS.write_text("{}\n")
        try:
            if handed_over:
                _take(ctx, handed_over, change)
        finally:  # also without anything to judge the report has the policy, and how the change's own differs
            _write_policy(ctx, champion, policy_path, base_params, minimums)
        runs = _runs_on_default_branch(bundle_workflow, default_branch, name)
        if runs:
            _add_decisions(runs)
        _judge(ctx, change, champion_of(change, base_params is not None), handed_over, runs)
    finally:
        _report(change, report_folder)


def _say_base(base: Base, has_params: bool) -> None:
    if not base.is_known:
        return
    if base.commit is None:
        add_summary(f"There is no base commit, as {base.reason}: this is the first model.")
    elif not has_params:
        add_summary(f"The base commit `{base.commit[:12]}` has no {layout.PARAMS}: this is the first model.")
    else:
        add_summary(f"Measured against the base commit `{base.commit[:12]}`: {base.reason}.")


def _take(ctx: click.Context, measured: Measured, change: Change) -> None:
    if measured.result != "success":
        raise InputError(
            f"nothing was measured: the job `measure` ended with {measured.result}; its log and its summary say why"
        )
    if overrides := parse_overrides(measured.overrides):
        write_file(layout.PARAMS, apply_overrides(layout.PARAMS, overrides))
    with timed("hand-over checked"):
        if change.predictions is not None:
            tables = [path for path in (change.predictions, change.champion_predictions) if path is not None]
            take_tables(measured.folder, Path(), tables)
            return
        take_project(measured.folder, Path(), with_lock=True)
    if REPRODUCTION.is_file():
        set_outputs({"stale-lock": Reproduction.read_file(REPRODUCTION).is_stale})
    add_summary(WHOSE_WORD)
    with timed("evaluate"):
        project = Project()
        try:
            project.write_evaluation(evaluate(project.bundle, project.stage_rows("test"), project.params))
        except GateBlockedError as error:
            say(str(error))  # the gate decides, by the base commit's floors
    _measure_drift(ctx)


def _measure_drift(ctx: click.Context) -> None:
    """Best effort, as it does not decide: what stands in its way is a warning."""
    try:
        with timed("drift"):
            run_command(ctx, "drift", no_page=True)
    except click.ClickException as error:
        warn(f"drift is not measured: {error.format_message()}")


def _write_policy(
    ctx: click.Context, champion: str | None, policy_path: Path | None, base_params: bytes | None, minimums: str
) -> None:
    with tempfile.TemporaryDirectory(prefix="lockgate-policy-") as name:
        run_command(
            ctx,
            "policy",
            base=policy_path or _written(Path(name, "base.yaml"), base_params),
            minimums=_written(Path(name, "minimums.yaml"), minimums.encode() if minimums.strip() else None),
            champion=champion,
        )
    set_outputs({"policy-changed": PolicyDifference.read_file(POLICY_DIFFERENCE).changed})


def _runs_on_default_branch(workflow: str, branch: str, name: str) -> DefaultBranch | None:
    """What earlier runs stored, None where there is no token to ask GitHub with."""
    try:
        return DefaultBranch(settings_from_environment(), workflow, branch, name)
    except InputError as error:
        say(f"earlier runs are not asked: {error}")
        return None


def _add_decisions(runs: DefaultBranch) -> None:
    """What the default branch knows of decisions on the test set, beside what the commit itself carries."""
    try:
        history = history_of([*Project().read_decisions(), *runs.decisions()])
    except InputError as error:
        warn(f"decisions that were taken before are not counted: {error}")
        return
    write_file(layout.TEST_SET_HISTORY, history.to_bytes())


def _judge(
    ctx: click.Context, change: Change, champion: Champion, measured: Measured | None, runs: DefaultBranch | None
) -> None:
    predictions = champion.predictions
    if champion.scored:
        try:
            with timed("champion"):
                predictions = _score_champion(ctx, change.base.commit, measured, runs)
        except (InputError, click.ClickException) as error:
            problem = error.format_message() if isinstance(error, click.ClickException) else str(error)
            annotate(f"there is no champion: {problem}")
            add_summary(f"There is no champion to compare with: {code_span(problem, REASON_LIMIT)}")
    try:
        with timed("gate"):
            run_command(
                ctx,
                "gate",
                policy=POLICY,
                predictions=change.predictions,
                weight=change.weight,
                champion=predictions,
                first_model=champion.first_model,
            )
    except click.ClickException as error:
        # A block ends with an error too; its verdict is read below.
        if not layout.GATE.is_file():
            raise InputError(f"no verdict could be reached: {error.format_message()}") from error
    result = GateResult.read_file(layout.GATE)
    set_outputs({"verdict": result.verdict, "model": result.model})
    if result.verdict != "pass":
        annotate(f"the gate says {result.verdict}: " + "; ".join(result.blocking_reasons()))


def _score_champion(
    ctx: click.Context, base: str | None, measured: Measured | None, runs: DefaultBranch | None
) -> Path | None:
    """The champion's predictions; None where the policy has it elsewhere. Raises InputError where it cannot be had."""
    if measured is None:
        run_command(ctx, "champion", base=base, policy=POLICY)
        return CHAMPION if CHAMPION.is_file() else None
    source = read_policy_settings(POLICY).gate.champion.source
    if source in ("none", "file"):
        return None
    if source == "registry":
        champion, own_rows = registered_champion(read_params(layout.PARAMS).register_.model_name, say), None
    elif base is None:
        raise InputError("the champion is the base commit's model, and there is no base commit")
    else:
        champion, own_rows = _base_model(base, measured, runs)
    write_file(CHAMPION, champion_table(champion, own_rows, Path(), say))
    return CHAMPION


def _base_model(base: str, measured: Measured, runs: DefaultBranch | None) -> tuple[Bundle, Path | None]:
    """The base commit's bundle, as the job `champion` reproduced it, with its own test rows, or as its run stored it."""
    if measured.champion is not None:
        say(f"the champion is the model of {base}, as the job `champion` reproduced it")
        return read_champion(measured.champion)
    stored = runs.stored_bundle(base) if runs else None
    if stored is None:
        raise InputError(f"no run stored the model of the base commit {base[:12]}, and no job `champion` reproduced it")
    say(f"the champion is the model of {base}, as its run on the default branch stored it")
    return stored, None


def _report(change: Change, folder: Path) -> None:
    """The whole report into the summary, and its JSON files into one folder, whatever there is, also after an error."""
    shutil.rmtree(folder, ignore_errors=True)
    documents = documents_of(change, layout.REPORTS, layout.MODELS)
    for name, path in documents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    if documents:
        set_outputs({"report": folder})
    try:
        if "drift.json" in documents:
            set_outputs({"drift": DriftResult.read_file(layout.DRIFT).status})
        with timed("report"):
            add_summary(render_markdown(Project().read_report_facts()))
    except InputError as error:
        warn(f"no report: {error}")
    if POLICY_WORDS.is_file():
        add_summary(POLICY_WORDS.read_text(encoding="utf-8"))
    add_times()


def _written(path: Path, content: bytes | None) -> Path | None:
    if content is None:
        return None
    path.write_bytes(content)
    return path
