"""A plugin of pytest that runs, instead of the tests once, for each mutant those that reach its function until one fails.

First all tests run without a mutant, in a process forked from this one: how long does each take, and which functions does it
call? Then each mutant has a process like that one, in which the code of its function is exchanged.
"""

from __future__ import annotations

import ast
import functools
import inspect
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, Literal, NoReturn

import pytest
from _pytest.runner import runtestprotocol
from mutation.draw import Mutant

Outcome = Literal["killed", "survived", "timeout", "no tests"]
PROJECT = "trained_project"  # the fixture of the tests that take longer than all others together: they are left out
PATIENCE = 10.0  # a mutant hangs that takes so many times as long as its tests, and so many seconds, and more


class Trial:
    """Mutants, and what becomes of them, in their order; those beyond had no time."""

    def __init__(self, mutants: Sequence[Mutant], seconds: float, minutes: float, workers: int) -> None:
        self.mutants, self.seconds, self.workers = mutants, seconds, workers
        self.deadline = time.monotonic() + 60 * minutes
        self.outcomes: dict[Mutant, Outcome] = {}
        self.tests: dict[FunctionType, list[pytest.Item]] = {}
        self.duration: dict[pytest.Item, float] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("the tests cannot be collected")
        functions = {mutant: _function(mutant) for mutant in self.mutants}
        self._observe([test for test in session.items if PROJECT not in getattr(test, "fixturenames", ())], functions)
        self._try_all(functions)
        return True

    def _observe(self, tests: Sequence[pytest.Item], functions: dict[Mutant, FunctionType]) -> None:
        """How long each test takes without a mutant, and which of the functions it calls; in a process like a mutant's."""
        originals = {function: mutant.original for mutant, function in functions.items()}
        self.tests = {function: [] for function in originals}
        with tempfile.TemporaryDirectory() as folder:
            notes = Path(folder, "notes.json")
            process = os.fork()
            if process == 0:
                _in_own_process(lambda: _write_notes(notes, tests, originals))
            os.waitpid(process, 0)
            if not notes.exists():
                raise pytest.UsageError("the process that runs the tests without a mutant ended early")
            for test, note in zip(tests, json.loads(notes.read_text()), strict=False):
                if note["failure"]:
                    raise pytest.UsageError(f"{test.nodeid} fails without a mutant:\n{note['failure']}")
                self.duration[test] = note["duration"]
                for place, function in enumerate(originals):
                    if place in note["reached"]:
                        self.tests[function].append(test)

    def _try_all(self, functions: dict[Mutant, FunctionType]) -> None:
        waiting = list(reversed(self.mutants))
        running: dict[int, tuple[Mutant, float]] = {}
        while running or (waiting and time.monotonic() < self.deadline):
            while waiting and len(running) < self.workers and time.monotonic() < self.deadline:
                mutant = waiting.pop()
                tests = self.chosen_tests(functions[mutant])
                if not tests:
                    self.outcomes[mutant] = "no tests"
                    continue
                limit = (sum(self.duration[test] for test in tests) + PATIENCE) * PATIENCE
                running[_fork(mutant, functions[mutant], tests)] = mutant, time.monotonic() + limit
            self._collect(running)

    def _collect(self, running: dict[int, tuple[Mutant, float]]) -> None:
        """Note what has ended, and end what hangs."""
        for process, (mutant, limit) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and time.monotonic() > limit:
                os.killpg(process, signal.SIGKILL)
                os.waitpid(process, 0)
                self.outcomes[mutant] = "timeout"
                del running[process]
            elif ended:
                self.outcomes[mutant] = "survived" if status == 0 else "killed"
                del running[process]
        time.sleep(0.005)

    def chosen_tests(self, function: FunctionType) -> list[pytest.Item]:
        """Of the tests that reach a function the quickest, in all at most so many seconds; the quickest one always."""
        chosen: list[pytest.Item] = []
        spent = 0.0
        for test in sorted(self.tests[function], key=lambda test: (self.duration[test], test.nodeid)):
            spent += self.duration[test]
            if chosen and spent > self.seconds:
                break
            chosen.append(test)
        return chosen


def _with_following(tests: Sequence[pytest.Item]) -> list[tuple[pytest.Item, pytest.Item | None]]:
    return list(zip(tests, [*tests[1:], None], strict=True))


def _function(mutant: Mutant) -> FunctionType:
    """The function of the kit that the mutant was made from."""
    found: Any = import_module(".".join(mutant.path.with_suffix("").parts))
    for name in mutant.function.split("."):
        found = vars(found)[name]
    function = inspect.unwrap(getattr(found, "__func__", found))  # of a class method, or within a decorator
    assert isinstance(function, FunctionType), mutant.name  # noqa: S101
    return function


def _with_first_statement(function: str, statement: str) -> str:
    tree = ast.parse(function)
    definition = tree.body[0]
    assert isinstance(definition, ast.FunctionDef)  # noqa: S101
    definition.body[:0] = ast.parse(statement).body
    return ast.unparse(tree)


def exchange(function: FunctionType, changed: str) -> None:
    """Give the function, wherever it is known, the code and the defaults of `changed`."""
    names = dict(function.__globals__)  # so that the module keeps its own
    exec(compile(f"from __future__ import annotations\n{changed}", function.__code__.co_filename, "exec"), names)  # noqa: S102
    other = names[function.__name__]
    function.__code__, function.__defaults__ = other.__code__, other.__defaults__
    function.__kwdefaults__ = other.__kwdefaults__


def _fork(mutant: Mutant, function: FunctionType, tests: Sequence[pytest.Item]) -> int:
    process = os.fork()
    if process == 0:
        _in_own_process(lambda: _passes(mutant, function, tests))
    return process


def _in_own_process(work: Callable[[], bool]) -> NoReturn:
    """End this process, forked and silent, with 0 where the work is true, else with 1."""
    try:
        os.setsid()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        for module in list(sys.modules.values()):
            for value in list(vars(module).values()) if module.__name__.startswith(("lockgate", "test")) else ():
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()  # it was filled without the mutant
        os._exit(0 if work() else 1)
    except BaseException:
        os._exit(1)


def _passes(mutant: Mutant, function: FunctionType, tests: Sequence[pytest.Item]) -> bool:
    """Whether none of the tests fails with the mutant; the first that does is the last."""
    exchange(function, mutant.changed)
    return not any(_failure(test, following) for test, following in _with_following(tests))


def _write_notes(notes: Path, tests: Sequence[pytest.Item], originals: Mapping[FunctionType, str]) -> bool:
    """Write of each test, up to the first that fails, how it failed, how long it took and which functions it called, by place."""
    reached: set[int] = set()
    for place, (function, original) in enumerate(originals.items()):
        function.__globals__[f"reached_{place}"] = partial(reached.add, place)
        exchange(function, _with_first_statement(original, f"reached_{place}()"))
    found: list[dict[str, Any]] = []
    for test, following in _with_following(tests):
        reached.clear()
        began = sum(os.times()[:4])
        failure = _failure(test, following)
        found.append({"failure": failure, "duration": sum(os.times()[:4]) - began, "reached": sorted(reached)})
        if failure:
            break
    notes.write_text(json.dumps(found))
    return True


def _failure(test: pytest.Item, following: pytest.Item | None) -> str:
    """The report of the test, if it fails."""
    reports = runtestprotocol(test, nextitem=following, log=False)
    return next((report.longreprtext or "it failed" for report in reports if report.failed), "")
