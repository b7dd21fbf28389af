"""Mutants of what decides, drawn by a seed, and the share of them that a test kills.

mutmut makes the mutants, in a copy of the checkout, and runs for each the tests that reach its function. A mutant that only
changes a text of two words or more, a sentence for people, is left out of the draw, and counted: its difference to the
original disappears where both have every such text blanked. Nothing in the code is exempt.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import difflib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import libcst
import numpy as np
from mutmut.mutation.diff_apply import read_functions_from_index
from mutmut.stats import status_by_exit_code

from lockgate.metrics.curves import wilson

ROOT = Path(__file__).resolve().parents[2]
# What decides: the gate, the rule of drift and what it counts, the documents, and what the registry does with a model.
DECIDING = (
    "lockgate/gate/*",
    "lockgate/drift/bins.py",
    "lockgate/drift/drift_rule.py",
    "lockgate/drift/gamma_quantile.py",
    "lockgate/drift/label_drift.py",
    "lockgate/drift/measurement.py",
    "lockgate/drift/psi.py",
    "lockgate/documents/*",
    "lockgate/registry/promote.py",
    "lockgate/registry/promotions.py",
    "lockgate/registry/register.py",
    "lockgate/registry/registry.py",
)
# The tests of these rooms and of those that rest on them directly; what other tests would notice counts for nothing here.
TESTS = (
    "tests/cli/test_gate.py",
    "tests/cli/test_policy.py",
    "tests/unit/test_bundle.py",
    "tests/unit/test_damaged_files.py",
    "tests/unit/test_decisions.py",
    "tests/unit/test_document.py",
    "tests/unit/test_drift_measurement.py",
    "tests/unit/test_drift_rule.py",
    "tests/unit/test_escaping.py",
    "tests/unit/test_evaluation.py",
    "tests/unit/test_gamma_quantile.py",
    "tests/unit/test_gate_checks.py",
    "tests/unit/test_gate_json.py",
    "tests/unit/test_judge.py",
    "tests/unit/test_label_drift.py",
    "tests/unit/test_made_documents.py",
    "tests/unit/test_names.py",
    "tests/unit/test_order_statistics.py",
    "tests/unit/test_performance.py",
    "tests/unit/test_power.py",
    "tests/unit/test_profile.py",
    "tests/unit/test_promotions.py",
    "tests/unit/test_psi.py",
    "tests/unit/test_quality_gate.py",
    "tests/unit/test_recheck.py",
    "tests/unit/test_register.py",
    "tests/unit/test_registry.py",
    "tests/unit/test_report_documents.py",
    "tests/unit/test_report_drift.py",
    "tests/unit/test_report_markdown.py",
    "tests/unit/test_signed_verdict.py",
    "tests/unit/test_staleness.py",
    "tests/unit/test_terminal.py",
    "tests/unit/test_text.py",
)
UNTRIED = "not checked"  # mutmut's word for a mutant that has not been run
NO_MUTANT = "no.such.mutant"  # mutmut then makes the mutants, times the tests, and finds that it has nothing to run
SETTINGS = {
    "source_paths": ["lockgate"],
    "pytest_add_cli_args": ["-p", "no:randomly", "-p", "mutation.quickest_first"],
    # A mutant has (seconds of its tests + 10) * 10 seconds: beyond, it hangs, and not only because the machine is busy.
    "timeout_constant": 10.0,
    "timeout_multiplier": 10.0,
}


@dataclass(frozen=True)
class Mutant:
    """A changed function, as mutmut names it, beside the function that it was made from."""

    name: str
    path: Path
    original: str
    changed: str

    @property
    def is_of_words(self) -> bool:
        """Whether the two differ in a text of two words or more alone."""
        return _without_sentences(self.original) == _without_sentences(self.changed)

    @property
    def difference(self) -> str:
        """The lines that differ."""
        lines = difflib.unified_diff(self.original.splitlines(), self.changed.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---"))


@dataclass(frozen=True)
class Draw:
    """Mutants in the order in which a seed drew them, and how many were passed over because they only change words."""

    mutants: tuple[Mutant, ...]
    made: int
    of_words: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Print each survivor as a difference, and the share killed; ends with 1 where it is under `--floor`."""
    parser = argparse.ArgumentParser(
        prog="scripts/mutate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--count", type=int, default=400, help="mutants to draw (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="mutants at once (default: %(default)s)")
    parser.add_argument("--floor", type=float, default=0.95, help="share to be killed (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=120, help="for all of it (default: %(default)s)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=40,
        help="of tests for a mutant: the quickest that reach it (default: %(default)s)",
    )
    parser.add_argument("--only", nargs="+", default=DECIDING, help="patterns of the files to change")
    options = parser.parse_args(arguments)

    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "checkout"
        copy_checkout(copy, options.only)
        run_mutmut(copy, [NO_MUTANT], options.workers, None)
        choose_tests(copy, options.seconds)
        draw = draw_mutants(copy, options.seed, options.count)
        print(
            f"{draw.made:,} mutants made; seed {options.seed} drew {len(draw.mutants)}, passing over {draw.of_words} that "
            "only change a text of two words or more",
            flush=True,
        )
        left = options.minutes * 60 - (time.monotonic() - start)
        run_mutmut(copy, [mutant.name for mutant in draw.mutants], options.workers, max(left, 1.0))
        codes = exit_codes(copy)
    return report(draw, codes, options.floor, time.monotonic() - start)


def report(draw: Draw, codes: dict[str, int | None], floor: float, seconds: float) -> int:
    """Print what became of the mutants; the exit code."""
    statuses = [status_by_exit_code[codes[mutant.name]] for mutant in draw.mutants]
    tried = statuses.index(UNTRIED) if UNTRIED in statuses else len(statuses)
    if not tried:
        print("no mutant was tried in time; give more --minutes")
        return 1
    found = dict(zip(draw.mutants, statuses[:tried], strict=False))
    by_test, by_time = (sum(status == kind for status in found.values()) for kind in ("killed", "timeout"))
    for mutant, status in found.items():
        if status not in ("killed", "timeout"):
            print(f"{status}: {mutant.path} {mutant.name}\n{mutant.difference}\n")
    killed = by_test + by_time
    low, high = (float(end[0]) for end in wilson(np.array([killed / tried]), np.array([float(tried)]), 0.95))
    print(
        f"{killed} of {tried} mutants killed, {by_test} by a test that failed and {by_time} by one that did not end: "
        f"{killed / tried:.1%}, 95 % interval {low:.1%} to {high:.1%} (Wilson), in {seconds / 60:.0f} minutes"
    )
    if tried < len(statuses):
        print(f"these are the first {tried} of {len(statuses)}, a fair sample: there was no time for the others")
        return 1
    return int(killed < floor * tried)


def copy_checkout(copy: Path, only: Iterable[str]) -> None:
    """The files that git lists, as they are now, with mutmut's settings in pyproject.toml."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    beside = sorted({name.split("/")[0] for name in names} - {"lockgate", "tests", "pyproject.toml"})
    settings = {
        **SETTINGS,
        "only_mutate": list(only),
        "also_copy": beside,
        "pytest_add_cli_args_test_selection": list(TESTS),
    }
    with (copy / "pyproject.toml").open("a") as file:
        file.write("\n[tool.mutmut]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    subprocess.run(["git", "init", "--quiet"], cwd=copy, check=True)  # some tests ask git what the checkout holds
    subprocess.run(["git", "add", "--all"], cwd=copy, check=True)


def run_mutmut(copy: Path, names: Sequence[str], workers: int, seconds: float | None) -> None:
    """Run the mutants in this order; after so many seconds the rest stays untried. Ends the script where mutmut fails."""
    log = copy / "mutmut.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "mutation.drawn_order", "run", "--max-children", str(workers), *names],
            cwd=copy,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "scripts"), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            return
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # its workers too, whatever ended this
            process.wait()
    said = log.read_text()
    if process.returncode and NO_MUTANT not in said:
        sys.exit(f"mutmut ended with {process.returncode}:\n{said[-6000:]}")


def choose_tests(copy: Path, seconds: float) -> None:
    """Keep of the tests that reach a function the quickest, in all at most so many seconds; the quickest one always."""
    path = copy / "mutants" / "mutmut-stats.json"
    stats = json.loads(path.read_text())
    durations = stats["duration_by_test"]
    tests_by_function = stats["tests_by_mangled_function_name"]
    for function, tests in tests_by_function.items():
        quickest = sorted(tests, key=lambda test: (durations[test], test))
        spent = list(itertools.accumulate(durations[test] for test in quickest))
        tests_by_function[function] = [
            test for place, test in enumerate(quickest) if place == 0 or spent[place] <= seconds
        ]
    path.write_text(json.dumps(stats))


def exit_codes(copy: Path) -> dict[str, int | None]:
    """Of each mutant, what its tests ended with; None where it was not tried."""
    found: dict[str, int | None] = {}
    for path in sorted(copy.glob("mutants/lockgate/**/*.meta")):
        found |= json.loads(path.read_text())["exit_code_by_key"]
    return found


def draw_mutants(copy: Path, seed: int, count: int) -> Draw:
    """The first `count` mutants, shuffled by the seed, that change more than words."""
    paths = {
        name: path.relative_to(copy / "mutants").with_suffix("")
        for path in sorted(copy.glob("mutants/lockgate/**/*.meta"))
        for name in json.loads(path.read_text())["exit_code_by_key"]
    }
    names = sorted(paths)
    random.Random(seed).shuffle(names)  # noqa: S311  # a draw that can be repeated
    drawn: list[Mutant] = []
    of_words = 0
    with contextlib.chdir(copy):
        for name in names:
            if len(drawn) == count:
                break
            functions = read_functions_from_index(name, paths[name])
            if functions is None:
                sys.exit(f"mutmut made {name}, and cannot show it")
            original, changed = (libcst.Module([function]).code for function in functions)
            mutant = Mutant(name, paths[name], original, changed)
            if mutant.is_of_words:
                of_words += 1
            else:
                drawn.append(mutant)
    return Draw(tuple(drawn), len(names), of_words)


class _Blanked(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        is_sentence = isinstance(node.value, str) and len(node.value.split()) > 1
        return ast.Constant("") if is_sentence else node


def _without_sentences(source: str) -> str:
    return ast.dump(_Blanked().visit(ast.parse(source)))


if __name__ == "__main__":
    sys.exit(main())
