"""`lockgate policy`: the thresholds that judge a change, and how they differ from the change's own."""

from __future__ import annotations

from pathlib import Path

import click

from lockgate.cli.command import Command, existing_file, params_option, say
from lockgate.config import layout
from lockgate.config.files import write_files
from lockgate.gate.policy import (
    Minimums,
    PolicySettings,
    policy_difference,
    policy_file,
    read_minimums,
    read_policy_settings,
    with_minimums,
)
from lockgate.report.policy import render_policy

SOURCES = ("none", "base", "registry", "file")


@click.command(cls=Command)
@params_option
@existing_file("The params file of the base commit; without it the change's own policy judges.", "--base", "base_path")
@existing_file(
    "Platform minimums, YAML with `floors` and `ceilings`; no params file lowers them.", "--minimums", "minimums_path"
)
@click.option(
    "--champion",
    type=click.Choice(SOURCES),
    help="Where the champion is from, in place of the policy's `gate.champion.source`.",
)
def policy(params_path: Path, base_path: Path | None, minimums_path: Path | None, champion: str | None) -> None:
    """Write reports/policy.yaml for `lockgate gate --policy`, and the difference as reports/policy.json.

    The sections `evaluate` and `gate` are those of the base commit, so that a change cannot lower the bar it has to
    clear, with floors raised and ceilings lowered to the platform's minimums.

    \b
    Examples:
        git show main:params.yaml > base.yaml
        lockgate policy --base base.yaml
        lockgate gate --policy reports/policy.yaml
    """
    minimums = read_minimums(minimums_path) if minimums_path else Minimums()
    head = read_policy_settings(params_path)
    base = read_policy_settings(base_path) if base_path else None
    judge = base or head
    gate = judge.gate
    if champion:
        gate = gate.model_copy(update={"champion": gate.champion.model_copy(update={"source": champion})})
    used = with_minimums(PolicySettings(judge.evaluate, gate, head.others), minimums)
    difference = policy_difference(base, head, used)
    write_files(
        layout.REPORTS,
        {
            "policy.yaml": policy_file(used),
            "policy.json": difference.to_bytes(),
            "policy.md": render_policy(difference, minimums != Minimums()).encode(),
        },
    )
    for change in difference.changes:
        say(f"{change.key}: {change.base} -> {change.head}, judged by {change.used} ({change.kind})")
    say(f"wrote {layout.REPORTS}/policy.yaml, policy.json and policy.md")


if __name__ == "__main__":
    policy()
