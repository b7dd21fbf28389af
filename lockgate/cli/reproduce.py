"""`lockgate reproduce`: the stages under DVC, what each did, and whether `dvc.lock` is of these files."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import UNSET

from lockgate.ci.retrain.overrides import apply_overrides, parse_overrides
from lockgate.cli.command import Command, params_option, say, warn
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import write_file
from lockgate.config.params import read_params
from lockgate.documents.reproduction_json import Reproduction
from lockgate.dvc.lock import other_bytes, read_lock, stale_entries
from lockgate.dvc.reproduce import reproduce_project
from lockgate.model.bundle import verify_bundle
from lockgate.model.staleness import spread_rows


@click.command(cls=Command)
@click.argument("targets", metavar="[STAGE]...", nargs=-1)
@params_option
@click.option("--override", "overrides", default="", help="Lines `section.key=value` to write into params.yaml first.")
def reproduce(targets: tuple[str, ...], params_path: Path, overrides: str) -> None:
    """Run `dvc repro`, of all stages or of some and what they need, and write reports/reproduction.json.

    First the stages of dvc.yaml are made to depend on the data files and parameters that params.yaml names; where there
    is no dvc.yaml the kit's stages are written there. A model below its floors is no failure here: `lockgate gate`
    decides. What is missing comes from DVC's cache or remote, and is hashed before a stage uses it. Ends with exit code 2
    where data are not what dvc.lock says, where a remote refuses or does not answer within LOCKGATE_DVC_SECONDS, and where
    there is no model.

    \b
    Examples:
        lockgate reproduce
        lockgate reproduce prepare
        lockgate reproduce --override train.max_depth=5
    """
    if params_path != layout.PARAMS:
        raise InputError("DVC reads params.yaml in the working directory; --params names another file")
    changed = parse_overrides(overrides)
    if changed:
        write_file(params_path, apply_overrides(params_path, changed))
    read_params(params_path)  # one clear line, before DVC says it its way
    lock = Path("dvc.lock")
    committed = read_lock(lock)
    stages = reproduce_project(Path(), say, targets)
    reproduced = read_lock(lock)
    # Overrides change what the lock is of; that is their point, and no fault of the commit.
    stale = stale_entries(committed, reproduced) if committed.stages and not changed else []
    differing = other_bytes(committed, reproduced) if committed.stages and not changed else []
    try:
        bundle = verify_bundle(layout.MODELS)
        model, problem, partitioning = bundle.digest, None, bundle.manifest.partitioning
    except InputError as error:
        model, problem, partitioning = None, str(error), UNSET
    result = Reproduction(
        model=model,
        trained=any(stage.name == "train" and stage.how == "ran" for stage in stages),
        is_stale=bool(stale),
        stages=tuple(stages),
        stale=tuple(stale),
        other_bytes=tuple(differing),
        locked=bool(committed.stages),
    )
    write_file(layout.REPORTS / "reproduction.json", result.to_bytes())
    for stage in stages:
        say(f"{stage.name}: {stage.how}, {stage.seconds:.1f} s")
    for line in lock_problems(result):
        warn(line)
    if partitioning:
        say(f"{layout.MODELS}: {spread_rows(partitioning)}")
    if problem:
        failed = ", ".join(stage.name for stage in stages if stage.how == "failed") or "no stage failed"
        raise InputError(f"there is no model: {problem} (failed: {failed}; see DVC's output above)")


def lock_problems(result: Reproduction) -> list[str]:
    """What is wrong with the committed dvc.lock, a line each; empty where it is of these files."""
    problems = []
    if result.is_stale:
        entries = "; ".join(result.stale[:5])
        problems.append(f"the committed dvc.lock is stale ({entries}); commit it as `dvc repro` writes it")
    if result.other_bytes:
        problems.append(
            f"the same inputs gave other bytes here than dvc.lock says: {'; '.join(result.other_bytes[:5])}"
        )
    return problems


if __name__ == "__main__":
    reproduce()
