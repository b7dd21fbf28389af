"""What `scripts/mutate` draws, which tests a mutant gets, and what it makes of the results."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mutation.drawn_order import main as run_in_drawn_order
from mutation.quickest_first import pytest_collection_modifyitems
from mutation.run import Draw, Mutant, choose_tests, report

ORIGINAL = 'def f(a):\n    if a > 1:\n        raise ValueError("too large for this", "x")\n    return a\n'


def mutant(changed: str, name: str = "f") -> Mutant:
    return Mutant(name, Path("lockgate/f.py"), ORIGINAL, changed)


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


@pytest.mark.parametrize(
    ("codes", "code", "words"),
    [
        ([1] * 19 + [0], 0, "19 of 20 mutants killed, 19 by a test that failed and 0 by one that did not end: 95.0%"),
        ([1] * 18 + [36, 0], 0, "18 by a test that failed and 1 by one that did not end"),
        ([1] * 18 + [0, 33], 1, "18 of 20 mutants killed"),
        ([1] * 18 + [0, -11], 1, "18 of 20 mutants killed"),
        ([1] * 19 + [None], 1, "19 of 19 mutants killed"),
        ([1] * 19 + [None], 1, "these are the first 19 of 20, a fair sample: there was no time for the others"),
        (
            [1] * 9 + [0, None, 1] + [1] * 8,
            1,
            "9 of 10 mutants killed",
        ),  # nobody knows how long the one untried would take
        ([None] + [1] * 19, 1, "no mutant was tried in time; give more --minutes"),
    ],
)
def test_what_no_test_noticed_survived(
    codes: list[int | None], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = tuple(mutant(ORIGINAL.replace("a > 1", "a >= 1"), f"f{number}") for number in range(20))
    found = {f"f{number}": ended for number, ended in enumerate(codes)}
    assert report(Draw(drawn, 99, 3), found, 0.95, 60.0) == code
    shown = capsys.readouterr().out
    assert words in shown
    if 0 in codes:
        assert f"survived: lockgate/f.py f{codes.index(0)}\n-    if a > 1:\n+    if a >= 1:\n" in shown


def test_the_share_has_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    drawn = tuple(mutant(ORIGINAL, f"f{number}") for number in range(400))
    report(Draw(drawn, 999, 0), {f"f{number}": int(number >= 20) for number in range(400)}, 0.95, 60.0)
    assert "95.0%, 95 % interval 92.4% to 96.7% (Wilson)" in capsys.readouterr().out


def test_mutants_are_run_in_the_order_of_their_names_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    program = SimpleNamespace(cli=ran.extend, estimated_worst_case_time=len)
    monkeypatch.setitem(sys.modules, "mutmut.__main__", program)
    run_in_drawn_order(["run", "--max-children", "1", "slow", "quick", "middling"])
    assert ran[3:] == ["slow", "quick", "middling"]
    assert sorted(["middling", "quick", "slow"], key=program.estimated_worst_case_time) == ran[3:]


def test_a_mutant_gets_the_quickest_tests_that_reach_it(tmp_path: Path) -> None:
    file = tmp_path / "mutants" / "mutmut-stats.json"
    file.parent.mkdir()
    stats = {
        "duration_by_test": {"slow": 9.0, "quick": 1.0, "middling": 2.0},
        "tests_by_mangled_function_name": {"f": ["slow", "middling", "quick"], "g": ["slow"], "h": []},
    }
    file.write_text(json.dumps(stats))
    choose_tests(tmp_path, 3.0)
    chosen = json.loads(file.read_text())["tests_by_mangled_function_name"]
    assert chosen == {"f": ["quick", "middling"], "g": ["slow"], "h": []}


def items(*nodes: str) -> list[Any]:
    return [SimpleNamespace(nodeid=node, path=Path(node.split("::")[0])) for node in nodes]


def names(found: Iterable[Any]) -> list[str]:
    return [item.nodeid for item in found]


def test_the_quickest_file_comes_first_and_a_file_stays_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    collected = items("a.py::one", "a.py::two", "b.py::one", "c.py::new")
    pytest_collection_modifyitems(collected)
    assert names(collected) == ["a.py::one", "a.py::two", "b.py::one", "c.py::new"]  # nothing is known yet
    durations = {"a.py::one": 0.5, "a.py::two": 3.0, "b.py::one": 2.0}
    (tmp_path / "mutmut-stats.json").write_text(json.dumps({"duration_by_test": durations}))
    pytest_collection_modifyitems(collected)
    assert names(collected) == ["c.py::new", "b.py::one", "a.py::one", "a.py::two"]
