"""What workflows count on of actions/checkout and actions/cache, and what a run shows of it: the real ones, and the stand-ins."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from e2e.act import Project, pull_request
from e2e.act_tree import RUN_AS_THEY_ARE, STAND_INS, git

RECORD = STAND_INS / "record.json"
PINNED = [
    folder.name.replace("+", "/")
    for name in RUN_AS_THEY_ARE
    for folder in STAND_INS.glob(f"{name.replace('/', '+')}@*")
]
CHECKOUT, CACHE = PINNED
HEAD = "permissions: {}\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n"

Observed = dict[str, str]


@dataclass(frozen=True)
class Case:
    """A step and what is looked at after it. `event` is the run's; a run finds what runs before it kept in their caches."""

    name: str
    steps: str
    event: str = "workflow_dispatch"


LOOK_AT_CHECKOUT = """\
      - if: always()
        env: {REF: "${{ steps.tried.outputs.ref }}", COMMIT: "${{ steps.tried.outputs.commit }}"}
        run: |
          {
            echo "commit=$(git log -1 --format=%s "$COMMIT")"
            echo "commits=$(git log --format=%s --first-parent | paste -sd, -)"
            echo "parents=$(git cat-file -p HEAD | grep -c ^parent)"
            echo "first-parent-is-here=$(git cat-file -e HEAD^1 2>/dev/null && echo yes || echo no)"
            echo "refs=$(git for-each-ref --format='%(refname)' refs/remotes/origin refs/tags | grep -v HEAD$ | paste -sd, -)"
            echo "ref-given=${REF:+yes}"
            echo "files=$(git ls-files -- ':!.github' | paste -sd, -)"
            echo "changed=$(git status --porcelain | paste -sd, -)"
            echo "credentials=$(git config --local --includes --name-only --get-regexp 'extraheader|credential' | paste -sd, -)"
          } >>"$GITHUB_OUTPUT"
"""
LOOK_AT_CACHE = """\
      - if: always()
        env:
          OUTCOME: ${{ steps.tried.outcome }}
          HIT: ${{ steps.tried.outputs.cache-hit }}
          MATCHED: ${{ steps.tried.outputs.cache-matched-key }}
          PRIMARY: ${{ steps.tried.outputs.cache-primary-key }}
        run: |
          {
            echo "outcome=$OUTCOME"
            echo "hit=$HIT"
            echo "matched=$MATCHED"
            echo "primary=$PRIMARY"
            echo "kept=$(cd kept 2>/dev/null && find . -type f | sort | xargs -r head -n 1 -q | paste -sd, -)"
          } >>"$GITHUB_OUTPUT"
"""


def checkout(**given: str) -> str:
    """A checkout with these inputs, whose `_` is a dash, and a look at what it left."""
    lines = "".join(f"          {name.replace('_', '-')}: {json.dumps(value)}\n" for name, value in given.items())
    return (
        f"      - id: tried\n        uses: {CHECKOUT}\n"
        + (f"        with:\n{lines}" if given else "")
        + LOOK_AT_CHECKOUT
    )


def cache(kind: str, before: str = "", **given: str) -> str:
    """What `before` says in the shell, then a cache of the folder `kept` with these inputs, and a look at what came of it."""
    owner, _, sha = CACHE.partition("@")
    inputs = {"path": "kept", **given}
    lines = "".join(f"          {name.replace('_', '-')}: {json.dumps(value)}\n" for name, value in inputs.items())
    first = f"      - run: {json.dumps(before)}\n" if before else ""
    tried = (
        f"      - id: tried\n        continue-on-error: true\n        uses: {owner}{kind}@{sha}\n        with:\n{lines}"
    )
    return first + tried + LOOK_AT_CACHE


# That GitHub keeps what was saved first under a key is its server's doing, and act's server does not: no case tells.
NEW = "mkdir -p kept/.inner; echo {0} >kept/a; echo hidden >kept/.inner/b"
CASES = (
    Case("checkout: one commit deep", checkout(persist_credentials="false")),
    Case("checkout: the whole history", checkout(persist_credentials="false", fetch_depth="0")),
    Case("checkout: a pull request's merge", checkout(persist_credentials="false"), "pull_request"),
    Case("checkout: a pull request's merge and its base",
         checkout(persist_credentials="false", fetch_depth="0"), "pull_request"),
    Case("checkout: an empty ref is none", checkout(persist_credentials="false", ref="")),
    Case("checkout: another ref", checkout(persist_credentials="false", ref="side")),
    Case("checkout: a commit", checkout(persist_credentials="false", ref="{first}")),
    Case("cache: nothing is there yet", cache("/restore", key="one-1")),
    Case("cache: saved", cache("/save", NEW.format("first"), key="one-1")),
    Case("cache: found", cache("/restore", key="one-1")),
    Case("cache: another key", cache("/save", NEW.format("second"), key="one-2")),
    Case("cache: a prefix finds the newest", cache("/restore", key="one-3", restore_keys="zero-\none-\n")),
    Case("cache: the key itself before any prefix", cache("/restore", key="one-1", restore_keys="one-\n")),
    Case("cache: no part but the beginning is a prefix", cache("/restore", key="two-1", restore_keys="ne-\n")),
    Case("cache: a folder that is not there is not saved", cache("/save", key="one-4")),
    Case("cache: so nothing is found of it", cache("/restore", key="one-4")),
)  # fmt: skip


def repository(folder: Path) -> Project:
    """Three commits on main, a branch beside it, a tag, and a workflow for each case."""
    (folder / ".github/workflows").mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    project = Project(folder, "octo/plain", folder)
    first = project.commit("First", file="1\n")
    project.git("switch", "--quiet", "--create", "side")
    project.commit("Beside", beside="1\n")
    project.git("switch", "--quiet", "main")
    project.git("tag", "v1")
    project.commit("Second", file="2\n")
    workflows = {
        f".github/workflows/{number}.yml": f"on: [{case.event}]\n{HEAD}{case.steps.replace('{first}', first)}"
        for number, case in enumerate(CASES)
    }
    project.commit("Third", **workflows)
    return project


def observe(folder: Path, actions: Path | None = None) -> dict[str, Observed]:
    """What each case's run shows, in their order; `actions` has clones of the real ones, None takes the stand-ins."""
    project = repository(folder / "project")
    observed = {}
    for number, case in enumerate(CASES):
        payload = pull_request(project, project.git("rev-parse", "HEAD^")) if case.event == "pull_request" else None
        ran = project.run(
            f"{number}.yml", case.event, state=folder / "state", payload=payload, actions=actions,
            ref="refs/pull/7/merge" if payload else "refs/heads/main",
        )  # fmt: skip
        project.git("switch", "--quiet", "main")
        observed[case.name] = of_the_look(ran.expect("success", "one").outputs["one"], case)
    return observed


def of_the_look(outputs: Mapping[str, str], case: Case) -> Observed:
    """The outputs of the last step; the action's own are read by it."""
    names = LOOK_AT_CHECKOUT if case.name.startswith("checkout") else LOOK_AT_CACHE
    return {name: outputs[name] for name in sorted(outputs) if f'echo "{name}=' in names}


def record(actions: Path) -> None:
    """Write down what the real ones did."""
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {"actions": PINNED, "cases": observe(Path(folder), actions)}
    RECORD.write_text(json.dumps(found, indent=1) + "\n")


def main() -> None:
    """What `scripts/record-actions FOLDER` does."""
    if len(sys.argv) != 2 or not Path(sys.argv[1], "checkout").is_dir() or not Path(sys.argv[1], "cache").is_dir():
        sys.exit(
            "error: name a folder with clones of actions/checkout and actions/cache in it, called `checkout` and `cache`"
        )
    record(Path(sys.argv[1]).resolve())
    click.echo(RECORD.relative_to(Path.cwd()))


if __name__ == "__main__":
    main()
