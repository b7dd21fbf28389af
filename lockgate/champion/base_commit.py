"""The model of an earlier commit of this project, checked out beside it with the same DVC cache."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lockgate.champion.score import champion_table
from lockgate.config import layout
from lockgate.config.errors import InputError
from lockgate.config.files import write_file
from lockgate.config.params import read_params
from lockgate.config.results_number import RESULTS
from lockgate.documents.reproduction_json import StageRun
from lockgate.dvc.reproduce import reproduce_project
from lockgate.dvc.stages import DVC_YAML, read_pipeline, with_results
from lockgate.model.bundle import Bundle, verify_bundle

COMMIT = re.compile(r"[0-9A-Za-z][0-9A-Za-z._/@{}^~-]*")


def git(*arguments: str) -> str:
    """What git says in the working directory; raises InputError with its last line where it fails."""
    ran = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if "not a git repository" in ran.stderr:
        raise InputError(
            "this folder is in no git repository, and so has no base commit; run in a clone of the project"
        )
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


@contextmanager
def reproduced_model(commit: str, show: Callable[[str], None]) -> Iterator[tuple[Bundle, Path]]:
    """The model of `commit`, and the file of that commit's own test rows; both are gone afterwards.

    It comes from DVC's cache where it is there, else that commit's own stages train it again with its parameters.
    Raises InputError where neither gives one.
    """
    prefix = git("rev-parse", "--show-prefix")  # a project may be a folder of its repository
    with checkout_of(commit) as worktree:
        folder = worktree / prefix
        read_params(folder / layout.PARAMS)
        bundle, stages = _model_of(folder, show)
        if bundle is None:
            failed = ", ".join(stage.name for stage in stages if stage.how == "failed") or "no stage"
            raise InputError(f"commit {commit} has no model to compare with: {failed} failed; see DVC's output above")
        trained = any(stage.name == "train" and stage.how == "ran" for stage in stages)
        show(f"the champion is the model of {commit}, {'trained again' if trained else 'restored from the cache'}")
        yield bundle, folder / layout.TEST_DATA


def score_commit(commit: str, show: Callable[[str], None]) -> bytes:
    """The predictions, by the model of `commit`, of the test rows here; see `champion_table`.

    Raises InputError where there is no such model, or it takes neither these rows nor its own.
    """
    with reproduced_model(commit, show) as (champion, own_rows):
        return champion_table(champion, own_rows, Path(), show)


def _model_of(folder: Path, show: Callable[[str], None]) -> tuple[Bundle | None, list[StageRun]]:
    cache = Path(".dvc/cache")
    stages = reproduce_project(folder, show, ("train",), cache)
    bundle = _bundle_in(folder, show)
    dvc_yaml = folder / DVC_YAML
    if bundle is None and read_pipeline(dvc_yaml).results not in (None, RESULTS):
        # Written for another version of the kit: this one makes the model anew.
        write_file(dvc_yaml, with_results(dvc_yaml.read_text(encoding="utf-8"), RESULTS).encode())
        stages = reproduce_project(folder, show, ("train",), cache)
        bundle = _bundle_in(folder, show)
    return bundle, stages


def _bundle_in(folder: Path, show: Callable[[str], None]) -> Bundle | None:
    try:
        return verify_bundle(folder / layout.MODELS)
    except InputError as error:
        show(str(error))
        return None
