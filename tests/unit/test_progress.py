"""Bars where a person waits, and nowhere else."""

from __future__ import annotations

import gzip
import io
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lockgate.config import progress
from lockgate.config.params import Params, Read
from lockgate.config.progress import ProgressBar
from lockgate.data import sources
from lockgate.data.sources import read_source_table
from lockgate.metrics import bootstrap
from lockgate.metrics.bootstrap import bootstrap_intervals
from lockgate.project import Project


class Stderr(io.StringIO):
    def __init__(self, *, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Stderr:
    """What a person who watches sees."""
    monkeypatch.delenv("CI", raising=False)
    return Stderr(is_terminal=True)


def train(rounds: int) -> None:
    project = Project()
    project.__dict__["params"] = Params.model_validate({"train": {"num_boost_round": rounds}})
    for done in range(rounds):
        project.show_progress(done + 1, 0.5)
    project._training_bar.close()


def test_a_person_sees_how_far_it_has_come(terminal: Stderr) -> None:
    with redirect_stderr(terminal):
        train(4)
    assert "training" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert "validation log-loss 0.50000" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")


@pytest.mark.parametrize("why", ["CI", "no terminal", "no steps"])
def test_nobody_else_does(monkeypatch: pytest.MonkeyPatch, terminal: Stderr, why: str) -> None:
    if why == "CI":
        monkeypatch.setenv("CI", "true")
    if why == "no terminal":
        monkeypatch.setattr(terminal, "_is_terminal", False)
    with redirect_stderr(terminal), ProgressBar("training", 0 if why == "no steps" else 4) as bar:
        bar.advance(4)
    assert terminal.getvalue() == ""


def test_a_bar_is_drawn_a_limited_number_of_times(terminal: Stderr) -> None:
    with redirect_stderr(terminal), ProgressBar("reading", 1_000_000) as bar:
        for _ in range(100_000):
            bar.advance(10)
    assert 10 < terminal.getvalue().count("\r") <= 2 * progress.MAX_DRAWN + 2


def test_a_label_is_shown_and_obeyed_by_no_terminal(terminal: Stderr) -> None:
    with redirect_stderr(terminal), ProgressBar("reading \x1b[2Ja", 4) as bar:
        bar.advance(4)
    assert "reading" in terminal.getvalue()
    assert "\x1b[2J" not in terminal.getvalue()


@pytest.mark.parametrize("name", ["loans.csv", "loans.csv.gz", "loans.parquet"])
def test_a_large_file_is_read_as_without_a_bar(
    terminal: Stderr, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    table = pd.DataFrame({"a": np.arange(5000), "b": ["x", "y"] * 2500})
    path = tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path)
    else:
        content = table.to_csv(index=False).encode()
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with redirect_stderr(terminal):
        plain = read_source_table(str(path), "--current", Read())
        assert terminal.getvalue() == ""
        monkeypatch.setattr(sources, "LARGE_FILE", 1000)
        assert read_source_table(str(path), "--current", Read()).columns.equals(plain.columns)
    assert "reading " in terminal.getvalue()
    assert "100%" in terminal.getvalue()


def test_resampling_many_rows_has_a_bar_and_the_same_intervals(
    terminal: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    labels, scores = rng.integers(0, 2, 300), rng.random(300)
    with redirect_stderr(terminal):
        plain = bootstrap_intervals(labels, scores, seed=1, resamples=200)
        assert terminal.getvalue() == ""
        monkeypatch.setattr(bootstrap, "LARGE", 300)
        assert bootstrap_intervals(labels, scores, seed=1, resamples=200) == plain
    assert "resampling the test rows" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
