"""An earlier commit of this project, checked out beside it with the same DVC cache."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.config.errors import InputError

COMMIT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/@{}^~-]*")


def git(*arguments: str) -> str:
    """What git says in the working directory; raises InputError with its last line where it fails."""
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if ran.returncode != 0:
        raise InputError(f"git {arguments[0]}: {(ran.stderr.strip().splitlines() or ['failed'])[-1]}")
    return ran.stdout.strip()


def resolve(commit: str) -> str:
    """The SHA of a commit that is here.

    Raises InputError where it is no name of a commit, or the commit is not in this clone.
    """
    if not COMMIT.fullmatch(commit):
        raise InputError(f"{commit!r} is no name of a commit")
    try:
        return git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}")
    except InputError:
        raise InputError(
            f"commit {commit} is not in this clone; fetch it (in a workflow: `fetch-depth: 0` of actions/checkout)"
        ) from None


@contextmanager
def checkout_of(commit: str) -> Iterator[Path]:
    """A temporary worktree of the commit, gone afterwards."""
    sha = resolve(commit)
    with tempfile.TemporaryDirectory(prefix="lockgate-base-") as name:
        folder = Path(name) / "project"
        git("worktree", "add", "--quiet", "--detach", str(folder), sha)
        try:
            yield folder
        finally:
            git("worktree", "remove", "--force", str(folder))
