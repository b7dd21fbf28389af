"""`scripts/image build`: the serving image of one bundle. Prints its id; progress goes to stderr."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from imaging.base import default_base
from imaging.context import BUNDLE, DOCKERFILE, build_context
from imaging.docker import docker
from imaging.package_index import secret_options

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.files import sha256_file
from lockgate.config.layout import GATE, MODELS
from lockgate.config.terminal import say_error
from lockgate.config.version import __version__
from lockgate.model.bundle import verify_bundle


@dataclass(frozen=True)
class Wanted:
    """What to build; None stands for the default that the option of that name describes."""

    bundle: Path
    verdict: Path | None = None
    base: str | None = None
    tag: str | None = None
    version: str | None = None
    revision: str | None = None
    source: str | None = None


def build(wanted: Wanted, project: Path, *, show: bool = True, options: tuple[str, ...] = ()) -> str:
    """Build the image of a bundle of the project in `project`; its id.

    `options` are more of `docker build`. Raises InputError for a bundle that may not be baked into an image.
    """
    bundle = verify_bundle(wanted.bundle)
    own = wanted.bundle / GATE.name
    verdict = wanted.verdict or (own if own.is_file() else project / GATE)
    if not verdict.is_file():
        raise InputError(f"{verdict} does not exist: only a bundle with a verdict is baked in; run `lockgate gate`")
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _git(project, "log", "-1", "--format=%ct") or 0)
    arguments = {
        "BASE": wanted.base or default_base(),
        "BUNDLE": BUNDLE,
        "CREATED": datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "DVC_LOCK": sha256_file(project / "dvc.lock") if (project / "dvc.lock").is_file() else "",
        "MODEL_DIGEST": bundle.digest,
        "REVISION": wanted.revision or _commit(project),
        "SOURCE": wanted.source or _source(),
        "SOURCE_DATE_EPOCH": str(epoch),
        "VERSION": wanted.version or __version__,
    }
    with tempfile.TemporaryDirectory() as folder:
        identity = Path(folder, "id")
        docker(
            "build", "--progress", "plain", "--file", DOCKERFILE, "--iidfile", str(identity),
            *(part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")),
            *(["--tag", wanted.tag] if wanted.tag else []),
            *([] if docker("network", "ls", "--quiet", "--filter", "driver=bridge") else ["--network", "host"]),
            *secret_options(Path(folder)), *options, "-",
            content=build_context(bundle, verdict), show=show,
        )  # fmt: skip
        return identity.read_text().strip()


def _commit(project: Path) -> str:
    """The project's commit, with `-dirty` where tracked files differ from it; empty outside of git."""
    commit = _git(project, "rev-parse", "HEAD")
    changed = commit and _git(project, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}-dirty" if changed else commit


def _source() -> str:
    """Where the project is on GitHub, in its workflows; empty elsewhere."""
    server, repository = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{repository}" if server and repository else ""


def _git(project: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", project, *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def main() -> int:
    """Read the options, build, print the id."""
    parser = argparse.ArgumentParser(prog="scripts/image build", description=__doc__)
    parser.add_argument("--project", type=Path, default=Path(), help="whose commit and dvc.lock the labels name")
    parser.add_argument("--bundle", type=Path, help="the bundle (default: models in the project)")
    parser.add_argument("--verdict", type=Path, help="its gate.json (default: in the bundle, else reports/gate.json)")
    parser.add_argument("--base", help="the base image (default: the Dockerfile's)")
    parser.add_argument("--tag", help="a name for the image")
    parser.add_argument("--version", help="label (default: Lockgate's version)")
    parser.add_argument("--revision", help="label (default: the project's commit)")
    parser.add_argument("--source", help="label (default: the repository, in a workflow)")
    given = vars(parser.parse_args())
    project = given.pop("project")
    given["bundle"] = given["bundle"] or project / MODELS
    try:
        print(build(Wanted(**given), project))
    except InputError as error:
        say_error(str(error))
        return EXIT_BAD_INPUT
    return 0


if __name__ == "__main__":
    sys.exit(main())
