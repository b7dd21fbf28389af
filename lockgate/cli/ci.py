"""`lockgate ci`: what the actions run, a command each."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.ci.hand_over import REPRODUCTION, pack_project, take_project
from lockgate.ci.retrain.overrides import apply_overrides
from lockgate.cli.ci_judge import NO_PARAMS, find_champion, judge, reproduce_champion
from lockgate.cli.command import Command, existing_file, name_option, run_command, warn
from lockgate.cli.reproduce import lock_problems
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import write_file
from lockgate.config.terminal import annotate, say
from lockgate.documents.reproduction_json import Reproduction
from lockgate.dvc.cache import cache_state, trim_cache
from lockgate.dvc.reproduce import reproduce_project, update_imports, write_local_settings
from lockgate.github.step import add_summary, add_times, set_outputs, timed
from lockgate.model.bundle import MANIFEST

dvc_config_option = click.option(
    "--dvc-config",
    envvar="LOCKGATE_DVC_CONFIG",
    default="",
    help="The content of .dvc/config.local: what DVC needs to log in to a remote. Better given as LOCKGATE_DVC_CONFIG.",
)
imported_option = click.option(
    "--dvc-update",
    "imported",
    envvar="LOCKGATE_DVC_UPDATE",
    default="",
    help="`.dvc` files of imported data to bring up to date first, one a line.",
)
current_option = click.option(
    "--current", envvar="LOCKGATE_CURRENT", default="", help="The batch; empty: `prepare.current` of params.yaml."
)


@click.group()
def ci() -> None:
    """Steps of the actions, as the workflows run them.

    Outputs go to the file that GITHUB_OUTPUT names, the report to the one that GITHUB_STEP_SUMMARY names.
    """


for command in (find_champion, reproduce_champion, judge):
    ci.add_command(command)


@ci.command(cls=Command)
@imported_option
@current_option
@dvc_config_option
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="What is handed over goes here.")
@click.pass_context
def batch(ctx: click.Context, imported: str, current: str, dvc_config: str, folder: Path) -> None:
    """Pack the bundle and the batch for the job that measures drift: the batch that is named, or that the project prepares.

    Draws Evidently's page of both, best effort.
    """
    _update(imported, dvc_config)
    layout.DRIFT_HTML.unlink(missing_ok=True)
    has_bundle = (layout.MODELS / MANIFEST).is_file()
    if current and has_bundle:
        run_command(ctx, "drift", current=current, keep=True)
    else:
        _name_batch(current)
        _prepare_batch()
        if has_bundle:
            _draw_page(ctx)
    pack_project(Path(), folder, (layout.CURRENT_DATA,))
    add_times()


@ci.command(cls=Command)
@imported_option
@click.option("--model", type=click.Choice(["project", "bundle", "registry"]), default="project", show_default=True)
@existing_file("A table to compare --current with, instead of a model.", "--reference")
@current_option
@dvc_config_option
@click.option(
    "--measured", type=click.Path(path_type=Path), help="What `lockgate ci batch` packed in a job before this one."
)
@click.option("--alarm-on", type=click.Choice(["warn", "alert"]), default="warn", show_default=True)
@name_option
@click.pass_context
def drift(
    ctx: click.Context,
    imported: str,
    model: str,
    reference: Path | None,
    current: str,
    dvc_config: str,
    measured: Path | None,
    alarm_on: str,
    name: str,
) -> None:
    """Measure drift of a batch against the project's bundle, the newest stored one, or the registry's champion.

    The project's own batch is prepared anew each time: DVC does not see that the content behind a URL or in a folder has
    changed. With --measured nothing of the project runs, and with --reference nothing does: two tables are compared.
    """
    if reference is not None:
        _compare_tables(ctx, reference, current, alarm_on)
        return
    if measured is not None:
        needs = [layout.MODELS, layout.CURRENT_DATA] if model == "project" else [layout.CURRENT_DATA]
        take_project(measured, Path(), needs)
        _name_batch(current)
        current = ""
    else:
        _update(imported, dvc_config)
    if model == "bundle":
        run_command(ctx, "nightly", "bundle", f"--name={name}")
    elif model == "registry":
        run_command(ctx, "pull")
    elif not (layout.MODELS / MANIFEST).is_file():
        raise InputError(
            f"there is no bundle in {layout.MODELS}/; run the action `train` before, or let `model` be `bundle` or `registry`"
        )
    if measured is None and not current:
        _prepare_batch()
    with timed("drift"):
        run_command(ctx, "drift", time="now", current=current, no_page=measured is not None)
    run_command(ctx, "nightly", "summary", f"--alarm-on={alarm_on}")
    add_times()


def _compare_tables(ctx: click.Context, reference: Path, current: str, alarm_on: str) -> None:
    if not current:
        raise InputError("`reference` needs `current`: the table to compare with it")
    with timed("drift"):
        run_command(ctx, "drift", time="now", reference=reference, current=current, no_page=True)
    run_command(ctx, "nightly", "summary", f"--alarm-on={alarm_on}", reference=reference)
    add_times()


def _update(imported: str, dvc_config: str) -> None:
    """Bring imported data up to date, with what DVC needs for that."""
    if dvc_config.strip():
        write_local_settings(Path(), dvc_config)
    if names := [name for name in imported.split("\n") if name.strip()]:
        with timed("dvc update"):
            update_imports(names, say)


def _prepare_batch() -> None:
    """Run the project's stage `prepare`, whatever DVC has of it."""
    if not layout.PARAMS.is_file():
        raise InputError(NO_PARAMS.format(Path.cwd()))
    with timed("prepare"):
        stages = reproduce_project(Path(), say, ("prepare",), anew=True)
    if not any(stage.name == "prepare" and stage.how == "ran" for stage in stages):
        failed = ", ".join(stage.name for stage in stages if stage.how == "failed")
        raise InputError(f"the batch could not be prepared (failed: {failed}); the message is above")


def _draw_page(ctx: click.Context) -> None:
    try:
        run_command(ctx, "drift")
    except click.ClickException as error:
        warn(f"no page of the drift: {error.format_message()}")


def _name_batch(current: str) -> None:
    """Let params.yaml name the batch `current`, unless that is empty."""
    if current:
        write_file(layout.PARAMS, apply_overrides(layout.PARAMS, {("prepare", "current"): current}))


@ci.command(cls=Command)
@click.option("--override", "overrides", default="", help="Lines `section.key=value` to write into params.yaml first.")
@click.option("--cache-key", default="", help="The name that the cache is kept under; empty: it is not kept.")
@dvc_config_option
@click.option("--hand-over", type=click.Path(path_type=Path), help="Copy what a judge needs into this folder.")
@click.pass_context
def train(ctx: click.Context, overrides: str, cache_key: str, dvc_config: str, hand_over: Path | None) -> None:
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
            run_command(ctx, "reproduce", override=overrides)
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
    if hand_over is not None:
        pack_project(Path(), hand_over)
        set_outputs({"measured": hand_over})
