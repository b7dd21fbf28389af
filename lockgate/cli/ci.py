"""`lockgate ci`: what the actions run, a command each."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.ci.hand_over import REPRODUCTION, pack_project
from lockgate.cli.ci_judge import NO_PARAMS, find_champion, judge, reproduce_champion
from lockgate.cli.command import Command, run_command
from lockgate.cli.reproduce import lock_problems
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.terminal import annotate, say
from lockgate.documents.reproduction_json import Reproduction
from lockgate.dvc.cache import cache_state, trim_cache
from lockgate.dvc.reproduce import update_imports, write_local_settings
from lockgate.github.step import add_summary, add_times, set_outputs, timed
from lockgate.model.bundle import MANIFEST


@click.group()
def ci() -> None:
    """Steps of the actions, as the workflows run them.

    Outputs go to the file that GITHUB_OUTPUT names, the report to the one that GITHUB_STEP_SUMMARY names.
    """


for command in (find_champion, reproduce_champion, judge):
    ci.add_command(command)


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
        run_command(ctx, "nightly", "bundle")
    elif model == "registry":
        run_command(ctx, "pull")
    elif not (layout.MODELS / MANIFEST).is_file():
        raise InputError(
            f"there is no bundle in {layout.MODELS}/; run the action `train` before, or let `model` be `bundle` or `registry`"
        )
    if current is None:
        with timed("prepare"):
            run_command(ctx, "prepare")
    with timed("drift"):
        run_command(ctx, "drift", time="now", current=current)
    run_command(ctx, "nightly", "summary", f"--alarm-on={alarm_on}")
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
