"""A repository with packages `pipeline` and `app` of its own: the kit and they never answer for each other."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from lockgate.ci.callers import CALLERS
from lockgate.cli.main import COMMANDS
from lockgate.config.version import __version__

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
STAGES = """\
stages:
  fit:
    cmd: python -m pipeline.fit
    outs: [fitted.txt]
"""


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A project whose stage is a module of its own package, run with PYTHONPATH=. as its team does."""
    for name in ("pipeline", "app"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "pipeline/fit.py").write_text("import app\nopen('fitted.txt', 'w').write(app.__file__)\n")
    (tmp_path / "dvc.yaml").write_text(STAGES)
    (tmp_path / "params.yaml").write_text("{}\n")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return tmp_path


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ".", **more}


# Every command's module is imported by the process that also has the team's folder on its path, as `lockgate NAME` does.
EVERY_HELP = """
from lockgate.cli.main import COMMANDS, main
for name in COMMANDS:
    main([name, "--help"], prog_name="lockgate", standalone_mode=False)
"""


def test_every_command_works_there(theirs: Path) -> None:
    for command in ([BIN / "lockgate", "--version"], [BIN / "lockgate", "--help"], [sys.executable, "-c", EVERY_HELP]):
        ended = subprocess.run(command, cwd=theirs, env=environment(), capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"{command}: {ended.stderr}"
    assert all(f"Usage: lockgate {name} " in ended.stdout for name in COMMANDS)


def fitted_by(folder: Path) -> Path:
    """Whose `app` the stage found."""
    return folder / (folder / "fitted.txt").read_text()


def test_their_own_stage_finds_their_own_code_by_hand(theirs: Path) -> None:
    subprocess.run([BIN / "dvc", "init", "--quiet"], cwd=theirs, check=True)
    subprocess.run([BIN / "dvc", "repro", "--quiet"], cwd=theirs, env=environment(), check=True)
    assert fitted_by(theirs) == theirs / "app/__init__.py"


def test_their_own_stage_finds_their_own_code_inside_the_actions(theirs: Path) -> None:
    temporary = theirs / ".runner"
    temporary.mkdir()
    ran = subprocess.run(
        [ROOT / ".github/actions/train/run.sh"],
        cwd=theirs,
        env=environment(
            GITHUB_ACTION_PATH=str(ROOT / ".github/actions/train"),
            GITHUB_OUTPUT=str(temporary / "output"),
            GITHUB_STEP_SUMMARY=str(temporary / "summary"),
            LOCKGATE_BIN=str(BIN),
            LOCKGATE_PARAMS="",
            LOCKGATE_SAVE_CACHE="false",
            RUNNER_TEMP=str(temporary),
        ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Running stage 'fit'" in ran.stdout, ran.stdout + ran.stderr
    assert fitted_by(theirs) == theirs / "app/__init__.py"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the kit's wheel, its source distribution and their checksums, as a release makes it."""
    folder = tmp_path_factory.mktemp("built") / "dist"
    command = [sys.executable, ROOT / "scripts/distributions/build.py", f"v{__version__}", folder]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def wheel_of(folder: Path) -> Path:
    return next(folder.glob("*.whl"))


def tracked(folder: str) -> set[str]:
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(listed.stdout.split())


def test_what_is_built_holds_the_kit_and_its_source_the_examples_too(built: Path) -> None:
    kit = tracked("lockgate")
    assert any(name.endswith(".j2") for name in kit)
    wheel = {name for name in zipfile.ZipFile(wheel_of(built)).namelist() if ".dist-info/" not in name}
    assert wheel == kit | {f"lockgate/ci/workflows/{name}" for name in CALLERS}
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    workflows = {f".github/workflows/{name}" for name in CALLERS}
    beside = {"pyproject.toml", "README.md", "LICENSE", "PKG-INFO", ".gitignore", *workflows}
    assert source - kit == beside | tracked("examples")
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=built, check=True)


@pytest.mark.parametrize(
    ("platform", "brought"), [("linux", "xgboost-cpu"), ("win32", "xgboost-cpu"), ("darwin", "xgboost")]
)
def test_all_brings_one_xgboost(built: Path, platform: str, brought: str) -> None:
    """Both are the same module in one folder, and the other one comes with 469 MB of CUDA."""
    with zipfile.ZipFile(wheel_of(built)) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        lines = wheel.read(name).decode().splitlines()
    needs = [Requirement(line.removeprefix("Requires-Dist: ")) for line in lines if line.startswith("Requires-Dist: ")]
    taken = {
        one.name for one in needs if one.marker and one.marker.evaluate({"extra": "all", "sys_platform": platform})
    }
    assert {name for name in taken if name.startswith("xgboost")} == {brought}


def test_another_distribution_with_these_names_comes_and_goes(built: Path, tmp_path: Path) -> None:
    place = tmp_path / "environment"
    uv = [BIN / "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, place], check=True)
    pip = [*uv, "pip"]
    python = ["--python", place / "bin/python"]
    subprocess.run([*pip, "install", *python, "--no-deps", wheel_of(built)], check=True)
    before = contents(place)
    subprocess.run([*pip, "install", *python, other_wheel(tmp_path)], check=True)
    assert {"app", "pipeline"} <= {path.parts[0] for path in contents(place)}
    subprocess.run([*pip, "uninstall", *python, "other"], check=True)
    assert contents(place) == before


def test_an_installed_kit_writes_the_callers_that_a_checkout_writes(built: Path, tmp_path: Path) -> None:
    """What is installed has them; a checkout reads its own workflows."""
    place = tmp_path / "kit"
    zipfile.ZipFile(wheel_of(built)).extractall(place)  # noqa: S202  # just built here
    code = (
        "import lockgate.ci.callers as callers\n"
        "files = callers.caller_files(callers.parse_kit_reference('OWNER/lockgate@v1'))\n"
        "print(callers.__file__, *files.values(), sep='\\n')"
    )
    command = [sys.executable, "-P", "-c", code]
    found = [
        subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\n", 1)
        for path in (place, ROOT)
    ]
    assert found[0][0].startswith(str(place))
    assert found[0][1] == found[1][1] != ""


def contents(place: Path) -> dict[Path, str]:
    """What is installed, each file with its hash."""
    site = next(place.glob("lib/python*/site-packages"))
    return {
        path.relative_to(site): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in site.rglob("*")
        if path.is_file()
    }


def other_wheel(folder: Path) -> Path:
    """A distribution `other` that ships packages called app and pipeline."""
    path = folder / "other-1.0-py3-none-any.whl"
    files = {"app/__init__.py": "", "pipeline/__init__.py": "", "pipeline/fit.py": "x = 1\n"}
    files["other-1.0.dist-info/METADATA"] = "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"
    files["other-1.0.dist-info/WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    files["other-1.0.dist-info/RECORD"] = "".join(f"{name},,\n" for name in [*files, "other-1.0.dist-info/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path
