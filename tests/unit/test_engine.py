"""What an engine owes to those who have work for it: order, few items ahead, errors where they belong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event, get_ident

import pytest

from lockgate.config.errors import InputError
from lockgate.engine.engine import LocalEngine
from lockgate.project import Project


def square(number: int) -> int:
    return number * number


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    assert list(LocalEngine(workers).map(square, range(50))) == [number * number for number in range(50)]


def test_results_keep_their_order_where_the_first_is_done_last() -> None:
    second_is_done = Event()

    def work(number: int) -> tuple[int, int]:
        if number == 0:
            assert second_is_done.wait(30)
        elif number == 1:
            second_is_done.set()
        return number, get_ident()

    results = list(LocalEngine(2).map(work, range(4)))
    assert [number for number, _ in results] == [0, 1, 2, 3]
    assert len({thread for _, thread in results}) == 2


@pytest.mark.parametrize("workers", [1, 3])
def test_few_items_are_taken_ahead(workers: int) -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = LocalEngine(workers).map(square, items())
    assert next(results) == 0
    assert len(taken) <= workers + 1


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_comes_when_its_turn_comes(workers: int) -> None:
    def work(number: int) -> int:
        if number == 3:
            raise InputError("the third file has no column `age`")
        return number

    results = LocalEngine(workers).map(work, range(10))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="the third file"):
        next(results)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_project_opens_the_engine_of_its_settings(tmp_path: Path, workers: int) -> None:
    (tmp_path / "params.yaml").write_text(f"engine:\n  workers: {workers}\n")
    with Project(tmp_path).open_engine() as engine:
        assert engine.workers == workers
        assert engine.client is None


def test_a_project_without_settings_has_the_default_engine(tmp_path: Path) -> None:
    with Project(tmp_path).open_engine() as engine:
        assert list(engine.map(square, [3])) == [9]


def test_the_environment_overrides_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").write_text("engine:\n  name: dask\n  scheduler: tcp://127.0.0.1:1\n")
    monkeypatch.setenv("LOCKGATE_ENGINE", "local")
    with Project(tmp_path).open_engine() as engine:
        assert engine.client is None


@pytest.mark.parametrize(
    ("variable", "value", "how_to_fix"),
    [
        ("LOCKGATE_ENGINE", "spark", "it must be local or dask"),
        ("LOCKGATE_SCHEDULER", "dask.internal", "it must be an address such as tcp://dask.internal:8786"),
    ],
)
def test_what_the_environment_cannot_say_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, how_to_fix: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InputError, match=f"{variable} is '{value}'; {how_to_fix}"), Project(tmp_path).open_engine():
        pass
