"""Evidently's page: the same bytes for the same data, nothing sent, and never an exception."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lockgate.drift.evidently_report import write_evidently_html

RUNS = """
import os, socket, sys
from pathlib import Path
import numpy as np
import pandas as pd

def refuse(*arguments):
    raise RuntimeError("the network was used")
socket.socket.connect = refuse

from lockgate.drift.evidently_report import write_evidently_html

random = np.random.default_rng(0)
frames = [pd.DataFrame({"income": random.normal(size=400), "purpose": random.choice(["a", "b", "c"], 400)})
          for _ in range(2)]
folder = Path(sys.argv[1])
lines = [write_evidently_html(*frames, ["income"], ["purpose"], folder / name) for name in ("first", "second")]
assert lines == [None, None], lines
assert (folder / "first").read_bytes() == (folder / "second").read_bytes()
assert b"income" in (folder / "first").read_bytes()
assert "DO_NOT_TRACK" in os.environ and "iterative_telemetry" not in sys.modules

line = write_evidently_html(*frames, ["absent"], [], folder / "first")
assert "absent" in line and len(line.splitlines()) == 1, line
assert [path.name for path in folder.iterdir()] == ["second"]
"""


def frame(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"income": np.arange(rows, dtype=np.float64), "purpose": ["a"] * rows})


def test_pages_are_equal_and_no_failure_raises_without_network_or_noise(tmp_path: Path) -> None:
    """In a process of its own, where no socket connects; two pages and one refusal."""
    done = subprocess.run(
        [sys.executable, "-c", RUNS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_evidently_there_is_a_line_and_no_older_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "evidently", None)
    page = tmp_path / "drift.html"
    page.write_text("yesterday's")
    line = write_evidently_html(frame(300), frame(300), ["income"], ["purpose"], page)
    assert line is not None
    assert "\n" not in line
    assert line.startswith(
        "no Evidently page (this needs the package evidently, which is not installed; run pip install 'lockgate[evidently]'"
    )
    assert not page.exists()


def test_an_interrupt_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("lockgate.drift.evidently_report._render", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_evidently_html(frame(3), frame(3), ["income"], [], tmp_path / "drift.html")
