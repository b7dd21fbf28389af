"""A copy of the tree that act can run: committed, with `$/` resolved, and nothing third-party in it that has no stand-in."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from lockgate.dvc.stages import kit_stages

ROOT = Path(__file__).parents[2]
STAND_INS = ROOT / "tests/e2e/stand_ins"
SHELL = ROOT / "tests/e2e/act_shell"
PROJECT = ROOT / "tests/project"
# What is the project's own in a copy of the kit, and so nothing that a test may count on.
OF_THE_PROJECT = ("params.yaml", "dvc.yaml", "dvc.lock", ".dvc/config", "pipeline", "data", "models", "reports")
KIT = "OWNER/lockgate"
# Those whose real form act 0.2.89 runs without GitHub's servers; see stand_ins/README.md for the others.
RUN_AS_THEY_ARE = ("actions/checkout", "actions/cache")
USES = re.compile(r"^(?P<start>\s*(?:-\s+)?uses:\s*)(?P<what>[^\s#]+)", re.MULTILINE)
# act 0.2.89 knows neither `$/` nor `concurrency.queue` nor `cache-mode`.
UNKNOWN = re.compile(r"^\s*(queue|cache-mode):.*\n", re.MULTILINE)
# What only GitHub knows: which file the job is in, and in which commit of which repository. See `_where_the_job_is`.
OF_THE_JOB = re.compile(r"\bjob\.workflow_(repository|file_path|sha|ref)\b")
AUTHOR = ("-c", "user.name=act", "-c", "user.email=act@example.invalid", "-c", "commit.gpgsign=false")


class UnknownActionError(Exception):
    """A workflow uses an action that has no stand-in."""


def git(folder: Path, *arguments: str) -> str:
    """What `git` says, in `folder`."""
    ran = subprocess.run(["git", *AUTHOR, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"git {' '.join(arguments)}: {ran.stderr}"
    return ran.stdout.strip()


def clone_tree(folder: Path) -> None:
    """Clone this repository into `folder` and lay the files being edited over it."""
    git(ROOT, "clone", "--quiet", str(ROOT), str(folder))
    git(folder, "checkout", "--quiet", "-B", "main")
    for tracked in git(folder, "ls-files").splitlines():
        if not (ROOT / tracked).exists():
            (folder / tracked).unlink(missing_ok=True)
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    for file in listed:
        if (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, folder / file)


def copy_tree(folder: Path, name: str, own_project: bool = True) -> None:
    """Clone this repository as it stands into `folder`, resolve `$/`, and commit that.

    The copy has the project that lies here, or with `own_project` that of the tests in its place.
    """
    clone_tree(folder)
    if own_project:
        remove_project(folder)
        shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
        stages = kit_stages().replace("cmd: lockgate train ", "cmd: python pipeline/train.py ")
        (folder / "dvc.yaml").write_text(stages)
        (folder / ".dvc/config").write_text("[core]\n    analytics = false\n")
    _own_repository(folder, name)
    _resolve(folder, pin(folder))
    _where_the_job_is(folder, KIT, pin(folder))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "The tree as act runs it")


def remove_project(folder: Path) -> None:
    """Take everything away that is the project's own in a copy of the kit."""
    for name in OF_THE_PROJECT:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def use_from_elsewhere(folder: Path, kit: Path, name: str) -> None:
    """Make `folder` the repository `name`, its `OWNER/lockgate/...@<anything>` pinned to the kit's copy, and commit."""
    _own_repository(folder, name)
    for file in _yaml_files(folder):
        text = re.sub(rf"({re.escape(KIT)}/[^\s@]+)@\S+", rf"\1@{pin(kit)}", file.read_text())
        file.write_text(UNKNOWN.sub("", text))
    _where_the_job_is(folder, name, "refs/heads/main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Begin")


def export(kit: Path, folder: Path) -> Path:
    """The kit's last commit as files, as a runner downloads an action; without tests, since act copies it often."""
    folder.mkdir()
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=kit, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract", "--exclude=tests"], input=archive, cwd=folder, check=True)
    return folder


def pin(kit: Path) -> str:
    """The commit by which others name the kit's copy: its first, which never changes while the copy is edited."""
    return git(kit, "rev-list", "--max-parents=0", "HEAD").splitlines()[-1]


def stand_ins_for(*folders: Path) -> dict[str, Path]:
    """`owner/name@sha` to its stand-in's folder, for every third-party action used below `.github` of the folders.

    Raises UnknownActionError, naming file and action, where there is none.
    """
    found = {}
    for folder in folders:
        for file in _yaml_files(folder):
            for match in USES.finditer(file.read_text()):
                what = match["what"].strip("\"'")
                if what.startswith((f"{KIT}/", f"{KIT}@", "./", "$/")):
                    continue
                path, _, version = what.partition("@")
                action = "/".join(path.split("/")[:2])
                stand_in = STAND_INS / f"{action.replace('/', '+')}@{version}"
                if not (stand_in / Path(*path.split("/")[2:]) / "action.yml").is_file():
                    raise UnknownActionError(
                        f"{file.relative_to(folder)} uses {what}, which has no stand-in {stand_in.name} in tests/e2e/stand_ins"
                    )
                found[f"{action}@{version}"] = stand_in
    return found


def real_actions(clones: Path, wanted: Iterable[str], folder: Path) -> dict[str, Path]:
    """`owner/name@sha` to the action itself at that commit, for those of `wanted` that act runs and `clones` has.

    Raises UnknownActionError where a clone has not the pinned commit.
    """
    found = {}
    for action in wanted:
        name, _, sha = action.partition("@")
        clone = clones / name.rpartition("/")[2]
        if name not in RUN_AS_THEY_ARE or not clone.is_dir():
            continue
        target = folder / f"{name.replace('/', '+')}@{sha}"
        target.mkdir(parents=True)
        archive = subprocess.run(["git", "-C", clone, "archive", sha], capture_output=True, check=False)
        if archive.returncode != 0:
            raise UnknownActionError(f"{clone} has no commit {sha}; fetch it from https://github.com/{name}")
        subprocess.run(["tar", "--extract"], input=archive.stdout, cwd=target, check=True)
        found[action] = target
    return found


def _own_repository(folder: Path, name: str) -> None:
    remotes = git(folder, "remote").splitlines()
    git(folder, "remote", "set-url" if "origin" in remotes else "add", "origin", f"https://github.com/{name}.git")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")


SHARED_ENVIRONMENTS = """if [ "$LOCKGATE_CACHE" = true ] || [ -n "${LOCKGATE_ACT_JUDGES:-}" ]; then
  home=${LOCKGATE_ACT_JUDGES:-}
  [ "$LOCKGATE_CACHE" = false ] || home=$(environments)
"""


def _resolve(folder: Path, sha: str) -> None:
    """`$/x` is "this repository at the running commit", wherever the workflow is called from."""
    for file in _yaml_files(folder):
        text = USES.sub(lambda match: match["start"] + _elsewhere(match["what"], sha), file.read_text())
        file.write_text(UNKNOWN.sub("", text).replace("/bin/bash -p -e -o pipefail {0}", f"{SHELL} {{0}}"))
    _replace(folder / "action.yml", ("/bin/bash -p -e -o pipefail {0}", f"{SHELL} {{0}}"))
    actions = folder / ".github/actions"
    # Downloads stay on this machine, so that not every job of every test fetches them again; and where the run says so, jobs that
    # decide share environments, which no other job writes to: to make one anew takes a third of a pull request's time.
    _replace(
        actions / "setup-dvc/run.sh",
        ("--no-cache-dir", ""),
        ("--no-cache", ""),
        ('if [ "$LOCKGATE_CACHE" = true ]; then\n  home=$(environments)\n', SHARED_ENVIRONMENTS),
    )
    # The stand-ins of gh and docker are no programs of the system, and docker's reads two variables.
    _replace(
        actions / "clean-environment",
        ("PATH=/usr/local/sbin", "PATH=${LOCKGATE_ACT_PATH:+$LOCKGATE_ACT_PATH:}/usr/local/sbin"),
        ("known='^(", "known='^(DOCKER_STAND_IN|DOCKER_STAND_IN_PYTHON|"),
    )


def _replace(file: Path, *pairs: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in pairs:
        assert old in text, f"{file}: {old}"
        text = text.replace(old, new)
    file.write_text(text)


def _where_the_job_is(folder: Path, name: str, ref: str) -> None:
    """Tell each job its own workflow file: as `job.workflow_*`, which act does not know, and for the stand-in that signs."""
    for file in sorted((folder / ".github/workflows").glob("*.y*ml")):
        path = f".github/workflows/{file.name}"
        known = {"repository": name, "file_path": path, "sha": ref, "ref": f"{name}/{path}@{ref}"}
        text = OF_THE_JOB.sub(lambda match, known=known: f"'{known[match[1]]}'", file.read_text())
        assert not re.search(r"^env:", text, re.MULTILINE), f"{file.name} has an `env` of its own for all jobs"
        env = f"env:\n  LOCKGATE_ACT_JOB_WORKFLOW: {known['ref']}\n\njobs:"
        file.write_text(re.sub(r"^jobs:", env, text, count=1, flags=re.MULTILINE))


def _elsewhere(what: str, sha: str) -> str:
    return f"{KIT}/{what.removeprefix('$/')}@{sha}" if what.startswith("$/") else what


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / ".github").rglob("*") if path.suffix in (".yml", ".yaml"))
