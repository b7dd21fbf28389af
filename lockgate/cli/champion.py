"""`lockgate champion`: an earlier model's predictions of the rows that the new one is judged on."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.champion.base_commit import score_commit
from lockgate.champion.registry import registered_champion
from lockgate.champion.score import champion_table
from lockgate.cli.command import Command, existing_file, say
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import write_file
from lockgate.config.params import read_params, read_policy


@click.command(cls=Command)
@click.option("--base", help="The commit whose model is the champion, such as main.")
@existing_file("Use `gate.champion.source` of this params file.  [default: base]", "--policy", "policy_path")
def champion(base: str | None, policy_path: Path | None) -> None:
    """Score an earlier model on the test rows here; write reports/champion.parquet.

    A commit's model comes from DVC's cache where an earlier run left it there, and is trained again from that commit's
    own parameters, data and stages where not. The kit that runs here scores it. Where the policy has its champion from
    a file, or none, there is nothing to do. Where the data are defined anew no model can be compared on them: the file
    then says so, and the gate goes by `gate.champion.new_data`.

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
        raise InputError(f"{layout.TEST_DATA} does not exist, so there are no rows to score; run `lockgate reproduce`")
    if source == "base" and not base:
        raise InputError("the champion is the base commit's model, and no commit is named; give --base")
    if base is None or source == "registry":
        registered = registered_champion(read_params(layout.PARAMS).register_.model_name, say)
        scored = champion_table(registered, None, Path(), say)
    else:
        scored = score_commit(base, say)
    write_file(layout.REPORTS / "champion.parquet", scored)


if __name__ == "__main__":
    champion()
