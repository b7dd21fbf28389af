"""What `scripts/mutate` draws, which tests a mutant gets, what becomes of it, and what is made of the results."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mutation.draw import Draw, Mutant, draw_mutants, mutants_of
from mutation.run import DECIDING, ROOT, TESTS, report
from mutation.trial import Outcome, Trial, exchange

ORIGINAL = 'def f(a):\n    if a > 1:\n        raise ValueError("too large for this", "x")\n    return a\n'


def mutant(changed: str, name: str = "f") -> Mutant:
    return Mutant(name, Path("lockgate/f.py"), "f", ORIGINAL, changed)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("too large for this", "XXtoo large for thisXX", True),
        ("too large for this", "TOO LARGE FOR THIS", True),
        ('"x"', '"XXxXX"', False),  # one word may be a key
        ('"too large for this"', "None", False),
        ("a > 1", "a >= 1", False),
    ],
)
def test_only_a_changed_sentence_is_words(before: str, after: str, expected: bool) -> None:
    assert mutant(ORIGINAL.replace(before, after)).is_of_words is expected


def test_a_difference_is_the_lines_that_differ() -> None:
    assert mutant(ORIGINAL.replace("a > 1", "a >= 1")).difference == "-    if a > 1:\n+    if a >= 1:"


MODULE = '''class Gate:
    def opens(self, level: float) -> bool:
        """Where it is level."""
        return level >= 1


def closes(level: float) -> bool:
    return level < 1
'''


def test_mutants_are_functions_and_methods_under_their_own_names() -> None:
    made = list(mutants_of(Path("lockgate/lock.py"), MODULE))
    assert {(one.function, one.original.splitlines()[0]) for one in made} == {
        ("Gate.opens", "def opens(self, level: float) -> bool:"),
        ("closes", "def closes(level: float) -> bool:"),
    }
    assert {one.difference for one in made if one.function == "Gate.opens"} >= {
        "-    return level >= 1\n+    return level > 1",
        "-    return level >= 1\n+    return level >= 2",
    }
    assert {one.name.rpartition("__")[0] for one in made} == {"lockgate.lock.xǁGateǁopens", "lockgate.lock.x_closes"}


def test_what_decides_and_what_tests_it_is_there() -> None:
    deciding = {pattern: {str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)} for pattern in DECIDING}
    assert all(deciding.values()), deciding
    assert set().union(*deciding.values()) >= {"lockgate/gate/judge.py", "lockgate/gate/checks/slice.py"}
    assert not [name for name in TESTS if not (ROOT / name).is_file()]


def test_a_seed_draws_the_same_mutants_again_and_passes_over_words() -> None:
    made = [mutant(ORIGINAL.replace("a > 1", f"a > {number}"), f"f{number}") for number in range(2, 30)]
    words = [mutant(ORIGINAL.replace("too large", "TOO LARGE"), f"g{number}") for number in range(30)]
    first, again = draw_mutants([*made, *words], 1, 9), draw_mutants([*words, *made], 1, 9)
    other = draw_mutants([*made, *words], 2, 9)
    assert first == again
    assert first.mutants != other.mutants
    assert (first.made, len(first.mutants)) == (58, 9)
    assert not [one for one in first.mutants if one.is_of_words]
    assert first.of_words > 0


@pytest.mark.parametrize(
    ("outcomes", "code", "words"),
    [
        (["killed"] * 19 + ["survived"], 0, "19 of 20 mutants killed, 19 by a test that failed and 0 by one that did not"),
        (["killed"] * 18 + ["timeout", "survived"], 0, "18 by a test that failed and 1 by one that did not end"),
        (["killed"] * 18 + ["survived", "no tests"], 1, "18 of 20 mutants killed"),
        (["killed"] * 19 + [None], 1, "these are the first 19 of 20, a fair sample: there was no time for the others"),
        (["killed"] * 9 + ["survived", None] + ["killed"] * 9, 1, "9 of 10 mutants killed"),  # nor for those behind it
        ([None] + ["killed"] * 19, 1, "no mutant was tried in time; give more --minutes"),
    ],
)  # fmt: skip
def test_what_no_test_noticed_survived(
    outcomes: list[Outcome | None], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tuple(mutant(ORIGINAL.replace("a > 1", "a >= 1"), f"f{number}") for number in range(20))
    found = {one: outcome for one, outcome in zip(drawn, outcomes, strict=True) if outcome is not None}
    assert report(Draw(drawn, 99, 3), found, 0.95, 60.0) == code
    shown = capsys.readouterr().out
    assert words in shown
    if "survived" in outcomes:
        assert f"survived: lockgate/f.py f{outcomes.index('survived')}\n-    if a > 1:\n+    if a >= 1:\n" in shown


def test_the_share_has_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = tuple(mutant(ORIGINAL, f"f{number}") for number in range(400))
    found: dict[Mutant, Outcome] = {one: "killed" if place >= 20 else "survived" for place, one in enumerate(drawn)}
    report(Draw(drawn, 999, 0), found, 0.95, 60.0)
    assert "95.0%, 95 % interval 92.4% to 96.7% (Wilson)" in capsys.readouterr().out


@dataclass(frozen=True)
class OfTime:
    """Stands for a test."""

    nodeid: str
    duration: float


def test_a_mutant_gets_the_quickest_tests_that_reach_it() -> None:
    trial: Any = Trial([], seconds=3.0, minutes=1.0, workers=1)
    slow, middling, quick = OfTime("slow", 9.0), OfTime("middling", 2.0), OfTime("quick", 1.0)
    trial.duration = {test: test.duration for test in (slow, middling, quick)}
    f, g, h = "fgh"
    trial.tests = {f: [slow, middling, quick], g: [slow], h: []}
    assert [trial.chosen_tests(function) for function in (f, g, h)] == [[quick, middling], [slow], []]


def test_a_function_is_changed_wherever_it_is_known() -> None:
    def original(level: float = 1.0, *, least: float = 0.5) -> bool:
        return level >= least

    known_elsewhere = original
    exchange(original, "def original(level=2.0, *, least=3.0):\n    return (level, least)\n")
    assert known_elsewhere() == (2.0, 3.0)


KIT = """from functools import lru_cache


def level(height):
    return 2 if height > 3 else 1


@lru_cache
def cached(height):
    return level(height)


def waits(height):
    while height > 0:
        height -= 1
    return height


def unknown(height):
    return height
"""
KIT_TESTS = """import pytest
from lockgate_of_a_test import cached, level, waits


def test_quick():
    assert level(4) == 2


def test_through_a_cache():
    assert cached(3) == 1


def test_waits():
    assert waits(2) == 0


def test_of_a_project(trained_project):
    raise AssertionError("it would take too long")


@pytest.fixture
def trained_project():
    return None
"""
PROGRAM = """import sys
from pathlib import Path
import pytest
import mutation.trial
from mutation.draw import Mutant
from mutation.trial import Trial

mutation.trial.PATIENCE = 1.0

def changed(function, before, after):
    source = Path("lockgate_of_a_test.py").read_text()
    start = source.index(f"def {function}(")
    original = source[start:].split("\\n\\n\\n")[0]
    return Mutant(f"{function} {after}", Path("lockgate_of_a_test.py"), function, original, original.replace(before, after))

trial = Trial([
    changed("level", "else 1", "else 0"),
    changed("level", "height > 3", "height > 3.5"),
    changed("waits", "height -= 1", "height += 1"),
    changed("unknown", "return height", "return None"),
], 10.0, float(sys.argv[1]), 2)
code = pytest.main(["-q", "-p", "no:randomly", "-p", "no:cacheprovider", *sys.argv[2:]], plugins=[trial])
print(int(code), {mutant.name: trial.outcomes.get(mutant) for mutant in trial.mutants})
"""


def run_trial(folder: Path, tests: str, minutes: float) -> str:
    """What the program prints."""
    for name, text in {
        "lockgate_of_a_test.py": KIT,
        "test_it.py": tests,
        "program.py": PROGRAM,
        "pytest.ini": "[pytest]",
    }.items():
        (folder / name).write_text(text)
    path = f"{folder}:{Path(__file__).parents[2] / 'scripts'}"
    found = subprocess.run(
        [sys.executable, "program.py", str(minutes), "test_it.py"],
        cwd=folder, env={"PYTHONPATH": path, "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.stdout + found.stderr


def test_each_mutant_is_run_apart_until_a_test_fails(tmp_path: Path) -> None:
    assert run_trial(tmp_path, KIT_TESTS, 1.0).splitlines()[-1] == (
        "0 {'level else 0': 'killed', 'level height > 3.5': 'survived', 'waits height += 1': 'timeout', "
        "'unknown return None': 'no tests'}"
    )


def test_what_there_is_no_time_for_is_not_run(tmp_path: Path) -> None:
    said = run_trial(tmp_path, KIT_TESTS, 0.0).splitlines()[-1]
    assert said.startswith("0 {'level else 0': None, ")
    assert said.count("None") == 5  # the name of one has the word


def test_a_test_that_fails_without_a_mutant_proves_nothing(tmp_path: Path) -> None:
    said = run_trial(tmp_path, KIT_TESTS.replace("level(4) == 2", "level(4) == 3"), 1.0)
    assert "test_it.py::test_quick fails without a mutant" in said
    assert not said.splitlines()[-1].startswith("0 ")
