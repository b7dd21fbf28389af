"""Decisions on disk: complete files that the next drift run reads, and a service that does not care when there is none."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from serving import Client
from support import edit_params, invoke, succeed

from lockgate.service.bundle import VerifiedBundle
from lockgate.service.decision_log import DecisionLog
from lockgate.service.metrics.counters import ServiceMetrics


def until(holds: Callable[[], bool]) -> None:
    """Wait for another thread; a deadlock fails after a minute."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def logging_client(make_client: Any, tmp_path: Path) -> Client:
    """A service that logs into `decisions`, a file for every ten rows."""
    client: Client = make_client(decision_log=tmp_path / "decisions", log_rows=10, unseen_categories="missing")
    return client


def log_of(client: Client) -> DecisionLog:
    assert client.worker.log is not None
    return client.worker.log


def test_every_decision_is_there_once_as_it_was_asked_and_answered(
    logging_client: Client, rows: Any, bundle: VerifiedBundle, tmp_path: Path
) -> None:
    log_of(logging_client).start()
    asked = [*rows[:3], {**rows[3], "housing": "houseboat"}]
    answers = [logging_client.ask("/predict", row).json for row in asked]
    batch = logging_client.ask("/predict/batch", {"rows": rows[4:30]}).json
    log_of(logging_client).stop()
    frame = pd.read_parquet(tmp_path / "decisions")
    assert len(frame) == 30
    assert frame["lockgate_request_id"].value_counts()[batch["request_id"]] == 26
    assert set(frame["lockgate_digest"]) == {bundle.digest}
    for row, answer in zip(asked, answers, strict=True):
        logged = frame[frame["lockgate_request_id"] == answer["request_id"]].iloc[0]
        assert (logged["lockgate_score"], logged["lockgate_decision"]) == (answer["probability"], answer["decision"])
        assert {name: None if pd.isna(logged[name]) else logged[name] for name in row} == row
    metrics = logging_client.metrics()
    assert metrics["lockgate_decision_log_rows_total"] == 30
    assert metrics["lockgate_decision_log_dropped_rows_total"] == 0
    assert metrics["lockgate_decision_log_queued_rows"] == 0
    assert not list((tmp_path / "decisions").glob(".*"))


def test_the_folder_is_the_next_drift_runs_batch(
    make_client: Any, rows: Any, trained_project: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(trained_project, tmp_path / "project"))
    client: Client = make_client(decision_log=project / "decisions", log_rows=100, unseen_categories="missing")
    log_of(client).start()
    asked = [{**row, "housing": "houseboat"} if at % 10 == 0 else row for at, row in enumerate(rows[:300])]
    for start in range(0, 300, 50):
        assert client.ask("/predict/batch", {"rows": asked[start : start + 50]}).status == 200
    log_of(client).stop()
    live = {one["name"]: one["psi"] for one in client.ask("/drift").json["live"]["features"]}
    edit_params(project, prepare={"current": "decisions"})
    succeed(invoke(project, "prepare"))
    succeed(invoke(project, "drift"))
    drift = json.loads((project / "reports" / "drift.json").read_bytes())
    assert drift["n_current"] == 300
    by_name = {one["name"]: one for one in drift["features"]}
    assert by_name["housing"]["unseen_share"] == pytest.approx(0.1)
    for name, psi in live.items():
        assert by_name[name]["psi"] == pytest.approx(psi, abs=1e-9), name


def test_replicas_that_share_a_folder_overwrite_nothing(
    make_client: Any, rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Containers that were started together have the same process id, and write at the same second."""
    monkeypatch.setattr("lockgate.service.decision_log.datetime", Noon)
    replicas = [make_client(decision_log=tmp_path / "decisions") for _ in range(3)]
    for replica in replicas:
        replica.ask("/predict/batch", {"rows": rows[:7]})
        log_of(replica).start()
    for replica in replicas:
        log_of(replica).stop()
    assert len(pd.read_parquet(tmp_path / "decisions")) == 21


class Noon:
    """A clock that stands still."""

    @staticmethod
    def now(zone: Any) -> datetime:
        return datetime(2026, 11, 27, 12, tzinfo=zone)


def test_rows_that_find_the_queue_full_are_dropped_and_counted(
    logging_client: Client, rows: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for row in rows[:30]:  # nobody writes: the log is not started
        assert logging_client.ask("/predict", row).status == 200
    assert "decision-log-full" not in caplog.text
    for _ in range(2):
        assert logging_client.ask("/predict/batch", {"rows": rows[:1000]}).status == 200
    metrics = logging_client.metrics()
    assert metrics["lockgate_decision_log_dropped_rows_total"] == 2000
    assert metrics["lockgate_decision_log_queued_rows"] == 30
    assert caplog.text.count("decision-log-full waiting=30") == 1  # a line a minute is enough


def test_another_model_begins_a_file_of_its_own(
    logging_client: Client, rows: Any, bundle: VerifiedBundle, tmp_path: Path
) -> None:
    for row in rows[:3]:
        logging_client.ask("/predict", row)
    log_of(logging_client).switch(bundle.schema, "b" * 64)
    for row in rows[3:7]:
        logging_client.ask("/predict", row)
    log_of(logging_client).start()
    log_of(logging_client).stop()
    files = [pd.read_parquet(path) for path in sorted((tmp_path / "decisions").iterdir())]
    assert [set(one["lockgate_digest"]) for one in files] == [{bundle.digest}, {"b" * 64}]
    assert [len(one) for one in files] == [3, 4]


def test_a_switch_writes_what_the_model_before_has_decided(
    logging_client: Client, rows: Any, bundle: VerifiedBundle
) -> None:
    """At once: nothing waits for a minute that will get no further rows."""
    log = log_of(logging_client)
    log.start()
    logging_client.ask("/predict", rows[0])
    log.switch(bundle.schema, "b" * 64)
    logging_client.ask("/predict", rows[1])
    until(lambda: logging_client.metrics()["lockgate_decision_log_rows_total"] == 1)
    assert logging_client.metrics()["lockgate_decision_log_queued_rows"] == 1
    log.stop()


def test_a_worker_whose_event_loop_stands_still_writes_at_once(
    logging_client: Client, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is about to be killed, and what waits then is lost."""
    monkeypatch.setattr("lockgate.service.decision_log.STILL_SECONDS", 0.3)
    log = log_of(logging_client)
    log.start()
    logging_client.ask("/predict", rows[0])
    time.sleep(0.6)
    assert logging_client.metrics()["lockgate_decision_log_queued_rows"] == 1  # no heart beats in this process
    logging_client.worker.metrics.beat()
    until(lambda: logging_client.metrics()["lockgate_decision_log_rows_total"] == 1)
    log.stop()


def test_a_disk_that_is_away_costs_no_prediction_and_recovers(
    logging_client: Client, rows: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    folder = tmp_path / "decisions"
    folder.write_text("a file where the folder should be")
    log = log_of(logging_client)
    log.start()
    for row in rows[:10]:
        assert logging_client.ask("/predict", row).status == 200
    until(lambda: logging_client.metrics()["lockgate_decision_log_failed_writes_total"] > 0)
    assert logging_client.metrics()["lockgate_decision_log_dropped_rows_total"] == 0
    folder.unlink()
    until(lambda: logging_client.metrics()["lockgate_decision_log_rows_total"] == 10)
    failed = logging_client.metrics()["lockgate_decision_log_failed_writes_total"]
    log.stop()
    assert logging_client.metrics()["lockgate_decision_log_failed_writes_total"] == failed
    assert len(pd.read_parquet(folder)) == 10
    assert caplog.text.count("decision-log-failing") == caplog.text.count("decision-log-recovered") == 1


def test_what_cannot_be_written_at_the_end_is_counted(
    logging_client: Client, rows: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "decisions").write_text("a file where the folder should be")
    log = log_of(logging_client)
    log.start()
    logging_client.ask("/predict/batch", {"rows": rows[:7]})
    log.stop()
    metrics = logging_client.metrics()
    assert metrics["lockgate_decision_log_dropped_rows_total"] == 7
    assert metrics["lockgate_decision_log_queued_rows"] == 0
    assert "decision-rows-dropped rows=7" in caplog.text


def test_a_file_that_fails_half_way_leaves_nothing(
    bundle: VerifiedBundle, rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import arro3.io

    from lockgate.service.decision_log import Decided, write_decisions

    def full(_: object, stream: Any, **__: object) -> None:
        stream.write(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arro3.io, "write_parquet", full)
    row = tuple(rows[0].values())
    with pytest.raises(OSError, match="No space"):
        write_decisions(
            [Decided("id", 0.0, [row], [0.1], ["favourable"], [()])], bundle.schema, "d", tmp_path / "a.parquet"
        )
    assert list(tmp_path.iterdir()) == []


def test_metrics_are_those_of_both_threads(logging_client: Client) -> None:
    metrics: ServiceMetrics = logging_client.worker.metrics
    metrics.dropped(2)
    metrics.dropped(3, by_writer=True)
    assert logging_client.metrics()["lockgate_decision_log_dropped_rows_total"] == 5
