"""The one limit for MLflow: a block that waits is ended, where the system has a signal for it, and never believed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from lockgate.config.request_budget import RequestBudget

WAITED = r"waited for 0\.1 s in all \(LOCKGATE_MLFLOW_SECONDS"
ENDS = """
import sys
import lockgate.cli.command as command
command.clients_may_hang = lambda: True
command.Program("ends", callback=lambda: sys.exit({end}))()
"""


def test_a_block_that_waits_is_interrupted() -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=WAITED), RequestBudget(0.1, 1).spending():
        time.sleep(30)
    assert time.monotonic() - start < 10


def test_where_nothing_can_be_interrupted_a_late_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "SIGALRM")  # as on Windows
    with pytest.raises(TimeoutError, match=WAITED), RequestBudget(0.1, 1).spending():
        time.sleep(0.3)


@pytest.mark.parametrize(("end", "code"), [("None", 0), ("3", 3), ("'no'", 1)])
def test_a_command_whose_clients_may_hang_ends_with_its_own_code(end: str, code: int) -> None:
    assert subprocess.run([sys.executable, "-c", ENDS.format(end=end)], check=False).returncode == code
