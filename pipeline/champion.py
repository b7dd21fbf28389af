"""`lockgate champion`: an earlier model's predictions of the rows that the new one is judged on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.command import Command, existing_file, say

if TYPE_CHECKING:
    from pipeline.core.project.reproduction import Stage


@click.command(cls=Command)
@click.option("--base", required=True, help="The commit whose model is the champion, such as main.")
@existing_file("Take the stages from this dvc.yaml where that commit has none.", "--stages", "stages_path")
def champion(base: str, stages_path: Path | None) -> None:
    """Score an earlier commit's model on the test rows here; write reports/champion.parquet.

    The model comes from DVC's cache where an earlier run left it there, and is trained again from that commit's own
    parameters and data where not. In a checkout of the kit itself that commit's own code does both.

    \b
    Example:
        lockgate champion --base main
        lockgate gate --champion reports/champion.parquet
    """
    from pipeline.core.common import layout
    from pipeline.core.common.errors import InputError
    from pipeline.core.common.files import write_file
    from pipeline.core.common.params import read_params
    from pipeline.core.project.earlier import checkout_of
    from pipeline.core.project.projects import reproduce_project
    from pipeline.core.project.scoring import score_elsewhere

    if not layout.TEST_DATA.is_file():
        raise InputError(f"{layout.TEST_DATA} does not exist, so there are no rows to score; run `dvc repro`")
    with checkout_of(base) as folder:
        read_params(folder / layout.PARAMS)
        stages = reproduce_project(folder, stages_path, say, ("train",), Path(".dvc/cache"))
        if not (folder / layout.MODELS / "manifest.json").is_file():
            raise InputError(f"commit {base} has no model to compare with: {_failed(stages)}; see DVC's output above")
        predictions = score_elsewhere(folder, layout.TEST_DATA.read_bytes(), say)
    write_file(layout.REPORTS / "champion.parquet", predictions)
    trained = any(stage.name == "train" and stage.how == "ran" for stage in stages)
    say(f"the champion is the model of {base}, {'trained again' if trained else 'restored from the cache'}")


def _failed(stages: list[Stage]) -> str:
    return ", ".join(stage.name for stage in stages if stage.how == "failed") + " failed"


if __name__ == "__main__":
    champion()
