"""A thousand damaged bundles are all refused: with one line, within 5 s, and without a crash.

In this process by the service's own loader, and a few of each kind by `lockgate serve` itself. Seeded: the same damage
every time, and --only shows what one kind is refused with.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hardening._damage import DAMAGES, VERDICT
from hardening._service import ROOT
from promises import Promises

from lockgate.config.errors import InputError
from lockgate.config.exit_codes import EXIT_BAD_INPUT
from lockgate.config.layout import GATE, MODELS
from lockgate.service.bundle import read_bundle, require_verdict

LIMIT = 5.0
LONGEST_LINE = 600
Refused = Callable[[Path], str | None]


def main() -> int:
    """Each kind of damage in turn."""
    parser = argparse.ArgumentParser(prog="scripts/harden bundles", description=__doc__)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1, help="of each kind, by a process of their own (default: 1)")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--only", choices=DAMAGES, help="this kind, and print every refusal")
    given = parser.parse_args()
    kinds = [given.only] if given.only else list(DAMAGES)
    promises = Promises()
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        whole, folder = Path(name) / "whole", Path(name) / "damaged"
        shutil.copytree(ROOT / MODELS, whole)
        shutil.copyfile(ROOT / GATE, whole / VERDICT)
        if (problem := refusal_here(whole)) is not None:
            raise SystemExit(f"the whole bundle is refused too: {problem}")
        for kind in kinds:
            wrong, slowest, number = [], 0.0, -(-given.number // len(kinds))
            for one in range(number):
                damage(kind, given.seed + one, whole, folder)
                problem, seconds = timed(refusal_here, folder)
                slowest = max(slowest, seconds)
                wrong += [f"number {one} {problem or 'was taken'}"] if not problem or problem.startswith("!") else []
                if given.only:
                    print(problem)
            for one in range(given.processes):
                damage(kind, given.seed + one, whole, folder)
                problem, seconds = timed(refusal_of_a_process, folder)
                slowest = max(slowest, seconds)
                wrong += [f"process {one} {problem}"] if problem else []
            kept = not wrong and slowest < LIMIT
            said = wrong[0] if wrong else f"{number} and {given.processes} processes, slowest {slowest:.2f} s"
            promises.check(kept, f"refused: {kind}", said)
    return promises.finish()


def damage(kind: str, seed: int, whole: Path, folder: Path) -> None:
    """A fresh copy of the bundle with that damage."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    DAMAGES[kind](random.Random(f"{kind} {seed}"), folder)  # noqa: S311  # the same every time


def timed(refuse: Refused, folder: Path) -> tuple[str | None, float]:
    start = time.monotonic()
    return refuse(folder), time.monotonic() - start


def refusal_here(folder: Path) -> str | None:
    """The line it is refused with; None where it is taken, and with a ! in front what is no refusal but a crash."""
    try:
        bundle = read_bundle(folder)
        require_verdict(bundle.digest, folder, folder / VERDICT, allow_ungated=False)
    except InputError as refused:
        line = str(refused)
        return (
            line
            if line.isprintable() and len(line) <= LONGEST_LINE
            else f"! is refused in {len(line)} characters: {line!r}"
        )
    except BaseException as error:
        return f"! crashes: {type(error).__name__}: {error}"
    return None


def refusal_of_a_process(folder: Path) -> str | None:
    """What is wrong with how `lockgate serve` ends, or None."""
    command = [sys.executable, "-m", "lockgate", "serve", "--bundle", str(folder), "--verdict", str(folder / VERDICT)]
    try:
        ended = subprocess.run([*command, "--port", "0"], cwd=ROOT, capture_output=True, timeout=2 * LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "does not end"
    lines = ended.stderr.decode(errors="replace").splitlines()
    if ended.returncode != EXIT_BAD_INPUT or len(lines) != 1 or not lines[0].startswith("Error: "):
        return f"ends with {ended.returncode}: {' '.join(lines)[-300:]}"
    return None


if __name__ == "__main__":
    sys.exit(main())
