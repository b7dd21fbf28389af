"""`lockgate champion`: an earlier model's predictions of the rows that the new one is judged on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lockgate.champion.base_commit import checkout_of
from lockgate.champion.registry import score_registered
from lockgate.champion.score import score_elsewhere
from lockgate.cli.command import Command, existing_file, say
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import write_file
from lockgate.config.params import read_params, read_policy
from lockgate.dvc.reproduce import reproduce_project

if TYPE_CHECKING:
    from lockgate.dvc.reproduce import Stage


@click.command(cls=Command)
@click.option("--base", help="The commit whose model is the champion, such as main.")
@existing_file("Do as `gate.champion.source` of this params file says.  [default: base]", "--policy", "policy_path")
@existing_file("Take the stages from this dvc.yaml where that commit has none.", "--stages", "stages_path")
def champion(base: str | None, policy_path: Path | None, stages_path: Path | None) -> None:
    """Score an earlier model on the test rows here; write reports/champion.parquet.

    A commit's model comes from DVC's cache where an earlier run left it there, and is trained again from that commit's
    own parameters and data where not. In a checkout of the kit itself that commit's own code does both. Where the
    policy has its champion from a file, or none, there is nothing to do.

    \b
    Example:
        lockgate champion --base main
        lockgate gate --champion reports/champion.parquet
    """
    source = read_policy(policy_path)[1].champion.source if policy_path else "base"
    if source in ("none", "file"):
        say(f"gate.champion.source is {source}: nothing to score")
        return
    if not layout.TEST_DATA.is_file():
        raise InputError(f"{layout.TEST_DATA} does not exist, so there are no rows to score; run `dvc repro`")
    if source == "base" and not base:
        raise InputError("the champion is the base commit's model, and no commit is named; give --base")
    test = layout.TEST_DATA.read_bytes()
    scored = (
        score_registered(test, say) if base is None or source == "registry" else _score_base(base, test, stages_path)
    )
    write_file(layout.REPORTS / "champion.parquet", scored)


def _score_base(base: str, test: bytes, stages_path: Path | None) -> bytes:
    with checkout_of(base) as folder:
        read_params(folder / layout.PARAMS)
        stages = reproduce_project(folder, stages_path, say, ("train",), Path(".dvc/cache"))
        if not (folder / layout.MODELS / "manifest.json").is_file():
            raise InputError(f"commit {base} has no model to compare with: {_failed(stages)}; see DVC's output above")
        scored = score_elsewhere(folder, test, say)
    trained = any(stage.name == "train" and stage.how == "ran" for stage in stages)
    say(f"the champion is the model of {base}, {'trained again' if trained else 'restored from the cache'}")
    return scored


def _failed(stages: list[Stage]) -> str:
    return ", ".join(stage.name for stage in stages if stage.how == "failed") + " failed"


if __name__ == "__main__":
    champion()
