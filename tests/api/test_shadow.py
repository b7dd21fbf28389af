"""A challenger in the shadow: scored as if it were served, logged beside the decision, and without any effect on an answer."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from serving import Client, Server
from starlette.testclient import TestClient
from support import assert_refused, edit_params, invoke, succeed

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import LOG_SHADOW_DECISION, LOG_SHADOW_DIGEST, LOG_SHADOW_SCORE, Feature, Schema
from lockgate.service.application import create_app
from lockgate.service.bundle import VerifiedBundle, read_bundle
from lockgate.service.metrics.layouts import ModelLayout
from lockgate.service.scoring.shadow import MAX_QUEUED_ROWS, ChallengerRows, Shadow
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

LEFT_OUT = "utilisation"


@pytest.fixture(scope="session")
def challenger_folder(trained_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that no gate has seen, trained without one of the features."""
    project = Path(shutil.copytree(trained_project, tmp_path_factory.mktemp("challenger") / "project"))
    edit_params(project, prepare={"kinds": {LEFT_OUT: "drop"}}, train={"max_depth": 2})
    succeed(invoke(project, "prepare"))
    succeed(invoke(project, "train"))
    return project / "models"


@pytest.fixture(scope="session")
def challenger(challenger_folder: Path) -> VerifiedBundle:
    return read_bundle(challenger_folder)


@pytest.fixture
def make_shadowed(bundle: VerifiedBundle, challenger: VerifiedBundle) -> Iterator[Callable[..., Client]]:
    """`make_shadowed(decision_log=folder)`: a service with the challenger in its shadow, which is not started yet."""
    workers: list[Worker] = []

    def make(beside: VerifiedBundle = challenger, **settings: Any) -> Client:
        workers.append(Worker(bundle, "pass", Settings(**settings), challenger=beside))
        return Client(workers[-1])

    yield make
    for worker in workers:
        shadow_of(worker).stop()


def shadow_of(worker: Worker) -> Shadow:
    assert worker.shadow is not None
    return worker.shadow


def started(client: Client) -> Client:
    """With what scores and what writes, but without the threads that are about other things."""
    shadow_of(client.worker).start()
    if client.worker.log is not None:
        client.worker.log.start()
    return client


def stopped(client: Client) -> dict[str, float]:
    """The challenger's series, after the service has ended as it does."""
    shadow_of(client.worker).stop()
    if client.worker.log is not None:
        client.worker.log.stop()
    return shadow_series(client)


def shadow_series(client: Client) -> dict[str, float]:
    digest = shadow_of(client.worker).digest
    return {
        name.removeprefix("lockgate_shadow_")
        .replace(f"digest={digest},", "")
        .replace(f"{{digest={digest}}}", ""): value
        for name, value in client.metrics().items()
        if name.startswith("lockgate_shadow_")
    }


def rows_by_result(series: dict[str, float]) -> dict[str, int]:
    names = ("scored", "refused", "failed", "dropped")
    return {
        name: int(series[f"rows_total{{result={name}}}"]) for name in names if series[f"rows_total{{result={name}}}"]
    }


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def answers_of(bundle: VerifiedBundle, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the challenger would answer, were it served."""
    served = Client(Worker(bundle, "ungated", Settings(unseen_categories="missing")))
    answer = served.ask("/predict/batch", {"rows": [without(row, LEFT_OUT) for row in rows]}).json
    found: list[dict[str, Any]] = answer["rows"]
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_row_is_scored_as_if_the_challenger_were_served(
    make_shadowed: Callable[..., Client], challenger: VerifiedBundle, rows: Any, tmp_path: Path
) -> None:
    client = started(make_shadowed(decision_log=tmp_path / "decisions", unseen_categories="missing"))
    asked = [*rows[:400], {**rows[400], "housing": "houseboat"}]
    singles = [client.ask("/predict", row).json for row in asked[:3]]
    batch = client.ask("/predict/batch", {"rows": asked[3:]}).json
    series = stopped(client)
    expected = answers_of(challenger, asked)
    log = pd.read_parquet(tmp_path / "decisions").sort_values(["lockgate_time", "lockgate_row"], kind="stable")
    names = ["lockgate_shadow_digest", "lockgate_shadow_score", "lockgate_shadow_decision"]
    assert [name for name in log.columns if "shadow" in name] == names  # renamed, they would be missing in older logs
    assert log[LOG_SHADOW_SCORE].tolist() == [one["probability"] for one in expected]
    assert log[LOG_SHADOW_DECISION].tolist() == [one["decision"] for one in expected]
    assert set(log[LOG_SHADOW_DIGEST]) == {challenger.digest}
    served = [*singles, *batch["rows"]]
    assert log["lockgate_score"].tolist() == [one["probability"] for one in served]
    assert rows_by_result(series) == {"scored": 401}
    both = [(one["decision"], other["decision"]) for one, other in zip(served, expected, strict=True)]
    for pair in {*both}:
        assert series[f"decisions_total{{served={pair[0]},shadow={pair[1]}}}"] == both.count(pair)
    assert len({*both}) > 2
    apart = np.abs([one["probability"] - other["probability"] for one, other in zip(served, expected, strict=True)])
    assert series["score_difference_sum"] == pytest.approx(apart.sum())
    assert series["score_difference_bucket{le=0.05}"] == (apart <= 0.05).sum()
    assert series["score_sum"] == pytest.approx(sum(one["probability"] for one in expected))


def test_answers_are_the_same_bytes_with_and_without(
    make_shadowed: Callable[..., Client], client: Client, rows: Any
) -> None:
    shadowed = started(make_shadowed())
    for path, body in (("/predict", rows[0]), ("/predict/batch", {"rows": rows[:50]}), ("/explain", rows[1])):
        ours = shadowed.ask(path, body, x_request_id="r")
        assert ours.status == 200
        assert ours.body == client.ask(path, body, x_request_id="r").body
    assert rows_by_result(stopped(shadowed)) == {"scored": 51}


def test_health_names_the_challenger(make_shadowed: Callable[..., Client], client: Client) -> None:
    shadowed = make_shadowed()
    health = shadowed.ask("/health").json
    assert (health["shadow"], health["model"]) == (
        shadow_of(shadowed.worker).digest,
        shadowed.worker.state.predictor.bundle.digest,
    )
    assert client.ask("/health").json["shadow"] is None
    assert "lockgate_shadow" not in client.ask("/metrics").body.decode()


def test_rows_that_the_challenger_would_refuse_are_counted_and_not_scored(
    make_shadowed: Callable[..., Client], challenger: VerifiedBundle, rows: Any, tmp_path: Path
) -> None:
    """It takes no terms beyond four years, and nobody whose income is not known."""

    def stricter(feature: Feature) -> Feature:
        if feature.name == "term_months":
            return msgspec.structs.replace(feature, maximum=48.0)
        if feature.name == "income":
            return msgspec.structs.replace(feature, nullable=False)
        return feature

    schema = msgspec.structs.replace(challenger.schema, features=tuple(map(stricter, challenger.schema.features)))
    client = started(make_shadowed(dataclasses.replace(challenger, schema=schema), decision_log=tmp_path / "decisions"))
    strange = [row["term_months"] > 48 or row["income"] is None for row in rows[:300]]
    assert 0 < sum(strange) < 300
    assert client.ask("/predict/batch", {"rows": rows[:300]}).status == 200
    assert rows_by_result(stopped(client)) == {"scored": 300 - sum(strange), "refused": sum(strange)}
    log = pd.read_parquet(tmp_path / "decisions").sort_values("lockgate_row")
    assert log[LOG_SHADOW_SCORE].isna().tolist() == log[LOG_SHADOW_DIGEST].isna().tolist() == strange


def test_categories_that_it_does_not_know_are_taken_as_the_service_takes_them(
    make_shadowed: Callable[..., Client], challenger: VerifiedBundle, rows: Any
) -> None:
    schema = challenger.schema
    place = schema.feature_names.index("housing")
    known = schema.features[place].categories
    feature = msgspec.structs.replace(schema.features[place], categories=(*known[:-1], "houseboat"))
    features = (*schema.features[:place], feature, *schema.features[place + 1 :])
    golden = msgspec.structs.replace(
        challenger.golden,
        rows=tuple(
            {**row, "housing": "houseboat"} if row["housing"] == known[-1] else row for row in challenger.golden.rows
        ),
    )
    beside = dataclasses.replace(challenger, schema=msgspec.structs.replace(schema, features=features), golden=golden)
    unknown = sum(row["housing"] == known[-1] for row in rows[:300])
    assert unknown
    for unseen, expected in (
        ("refuse", {"scored": 300 - unknown, "refused": unknown}),
        ("missing", {"scored": 300}),
    ):
        client = started(make_shadowed(beside, unseen_categories=unseen))
        assert client.ask("/predict/batch", {"rows": rows[:300]}).status == 200
        assert rows_by_result(stopped(client)) == expected


def test_one_that_raises_costs_its_own_scores_and_is_said_once(
    make_shadowed: Callable[..., Client],
    rows: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = started(make_shadowed(decision_log=tmp_path / "decisions"))
    model = shadow_of(client.worker)._model
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(model, "many", raises)
        for start in range(0, 60, 20):
            assert client.ask("/predict/batch", {"rows": rows[start : start + 20]}).status == 200
            until(lambda done=start + 20: rows_by_result(shadow_series(client)) == {"failed": done})  # type: ignore[misc]
    assert [str(record.msg).split()[0] for record in caplog.records] == ["shadow-failing"]
    assert client.ask("/predict/batch", {"rows": rows[60:100]}).status == 200
    assert rows_by_result(stopped(client)) == {"failed": 60, "scored": 40}
    log = pd.read_parquet(tmp_path / "decisions")
    assert len(log) == 100
    assert log[LOG_SHADOW_SCORE].notna().sum() == 40


def raises(_: object) -> None:
    raise MemoryError("no room for a tensor")


def test_scores_that_are_no_numbers_are_failures(
    make_shadowed: Callable[..., Client], rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = started(make_shadowed())
    monkeypatch.setattr(
        shadow_of(client.worker)._model, "many", lambda values: np.where(np.arange(len(values)) < 3, np.nan, 0.25)
    )
    assert client.ask("/predict/batch", {"rows": rows[:10]}).status == 200
    series = stopped(client)
    assert rows_by_result(series) == {"scored": 7, "failed": 3}
    assert series["score_sum"] == 7 * 0.25


def test_behind_a_slow_one_rows_are_dropped_and_every_request_is_answered(
    make_shadowed: Callable[..., Client], rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = started(make_shadowed(decision_log=tmp_path / "decisions", log_seconds=0.1))
    shadow, go_on, entered = shadow_of(client.worker), Event(), Event()
    many = shadow._model.many

    def slow(values: Any) -> Any:
        entered.set()
        assert go_on.wait(60)
        return many(values)

    monkeypatch.setattr(shadow._model, "many", slow)
    assert client.ask("/predict", rows[0]).status == 200
    assert entered.wait(60)
    until(lambda: client.metrics()["lockgate_decision_log_rows_total"] == 1)
    monkeypatch.setattr("lockgate.service.decision_log.SHADOW_SECONDS", 3600.0)  # one that has not kept up gets no more
    full = MAX_QUEUED_ROWS // 1000
    for _ in range(full):
        assert client.ask("/predict/batch", {"rows": rows[:1000]}).status == 200
    assert rows_by_result(shadow_series(client)) == {"dropped": 1000}
    until(lambda: client.metrics()["lockgate_decision_log_rows_total"] == 10_001)
    go_on.set()
    series = stopped(client)
    assert rows_by_result(series) == {"scored": MAX_QUEUED_ROWS - 1000 + 1, "dropped": 1000}
    assert len(pd.read_parquet(tmp_path / "decisions")) == MAX_QUEUED_ROWS + 1


def test_a_file_waits_a_moment_for_the_scores_of_its_last_rows(
    make_shadowed: Callable[..., Client], rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.service.decision_log.SHADOW_SECONDS", 60.0)
    client = started(make_shadowed(decision_log=tmp_path / "decisions", log_rows=1))
    shadow = shadow_of(client.worker)
    many = shadow._model.many

    def slow(values: Any) -> Any:
        time.sleep(0.5)
        return many(values)

    monkeypatch.setattr(shadow._model, "many", slow)
    assert client.ask("/predict", rows[0]).status == 200
    until(lambda: client.metrics()["lockgate_decision_log_rows_total"] == 1)
    assert pd.read_parquet(tmp_path / "decisions")[LOG_SHADOW_SCORE].notna().all()


def test_one_that_is_stopped_drops_what_comes(make_shadowed: Callable[..., Client], rows: Any) -> None:
    client = started(make_shadowed())
    shadow_of(client.worker).stop()
    assert client.ask("/predict", rows[0]).status == 200
    assert rows_by_result(shadow_series(client)) == {"dropped": 1}


def test_what_it_cannot_score_at_the_end_is_dropped_and_counted(
    make_shadowed: Callable[..., Client], rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lockgate.service.scoring.shadow.STOP_SECONDS", 0.0)
    monkeypatch.setattr("lockgate.service.scoring.shadow.POLL_SECONDS", 60.0)
    client = started(make_shadowed())
    assert client.ask("/predict/batch", {"rows": rows[:7]}).status == 200
    shadow = shadow_of(client.worker)
    shadow._stop.set()
    shadow._thread.join(60)
    assert rows_by_result(shadow_series(client)) == {"dropped": 7}


def test_it_rests_as_long_as_it_works(
    make_shadowed: Callable[..., Client], rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = started(make_shadowed())
    shadow = shadow_of(client.worker)
    many = shadow._model.many
    calls: list[float] = []

    def busy(values: Any) -> Any:
        calls.append(time.monotonic())
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        return many(values)

    monkeypatch.setattr(shadow._model, "many", busy)
    assert client.ask("/predict/batch", {"rows": rows[:1000]}).status == 200
    until(lambda: len(calls) == 4)
    assert min(np.diff(calls)) >= 0.2


def test_the_served_model_has_no_shadow_of_itself(
    make_shadowed: Callable[..., Client],
    bundle: VerifiedBundle,
    rows: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As after a promotion: the service starts with the options of before, and is served all the same."""
    with caplog.at_level(logging.WARNING):
        client = started(make_shadowed(bundle))
    assert any(
        str(record.msg).startswith("shadow-off the challenger of --shadow is the served") for record in caplog.records
    )
    assert client.ask("/predict", rows[0]).status == 200
    assert client.ask("/health").json["shadow"] is None
    assert rows_by_result(stopped(client)) == {}


def test_another_served_bundle_keeps_the_challenger_or_ends_it(
    make_shadowed: Callable[..., Client], bundle: VerifiedBundle, challenger: VerifiedBundle, rows: Any
) -> None:
    client = started(make_shadowed())
    worker = client.worker

    def serve(served: VerifiedBundle) -> None:
        layout = ModelLayout(served.profile, served.digest)
        slot = worker.metrics.counters.claim(layout, worker.state.predictor.metrics.slot)
        worker.switch(worker.prepare(served, "pass", slot))

    assert client.ask("/predict", rows[0]).status == 200
    serve(dataclasses.replace(bundle, digest="a" * 64))
    assert client.ask("/health").json["shadow"] == challenger.digest
    assert client.ask("/predict", rows[1]).status == 200
    serve(challenger)
    assert client.ask("/health").json["shadow"] is None
    assert client.ask("/predict", without(rows[2], LEFT_OUT)).status == 200
    serve(bundle)
    assert rows_by_result(stopped(client)) == {"scored": 2}


def test_a_challenger_that_needs_more_than_requests_have_is_refused_before_listening(
    trained_project: Path, challenger_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listen(*_: Any) -> None:
        raise AssertionError("it listened")

    monkeypatch.setattr("lockgate.service.http.supervisor.open_listener", listen)
    options = ("serve", "--port", "0", "--bundle", str(challenger_folder), "--allow-ungated")
    refused = invoke(tmp_path, *options, "--shadow", str(trained_project / "models"))
    assert_refused(
        refused, f"the challenger of --shadow needs `{LEFT_OUT}`, which requests to the served model do not have"
    )
    assert_refused(invoke(tmp_path, *options, "--shadow", "nowhere"), "nowhere")
    spoilt = Path(shutil.copytree(trained_project / "models", tmp_path / "spoilt"))
    (spoilt / "model.onnx").write_bytes(b"")
    assert_refused(invoke(tmp_path, *options, "--shadow", "spoilt"), "spoilt/model.onnx", "corrupted")


def test_a_challenger_that_does_not_give_its_golden_probabilities_is_refused(
    bundle: VerifiedBundle, challenger: VerifiedBundle
) -> None:
    golden = msgspec.structs.replace(challenger.golden, probabilities=(0.5,) * len(challenger.golden.rows))
    with pytest.raises(InputError, match=r"does not give the probabilities in golden\.json"):
        Worker(bundle, "pass", Settings(), challenger=dataclasses.replace(challenger, golden=golden))


def test_the_application_for_other_servers_has_it_too(
    trained_project: Path, challenger_folder: Path, challenger: VerifiedBundle
) -> None:
    verdict = trained_project / "reports/gate.json"
    app = create_app(trained_project / "models", Settings(verdict=verdict, shadow=challenger_folder))
    with TestClient(app) as client:
        assert client.get("/health").json()["shadow"] == challenger.digest


def test_features_are_found_by_name_and_of_one_kind(bundle: VerifiedBundle) -> None:
    schema = bundle.schema

    def with_features(*features: Feature) -> Schema:
        return msgspec.structs.replace(schema, features=features)

    first, *_, last = schema.features
    row = tuple(range(len(schema.features)))
    assert ChallengerRows(schema, with_features(last, first)).rows([row]) == [(row[-1], 0)]
    assert ChallengerRows(schema, with_features(last)).rows([row]) == [(row[-1],)]
    other = msgspec.structs.replace(
        first, kind="categorical" if first.kind == "numeric" else "numeric", categories=("a",)
    )
    with pytest.raises(InputError, match=f"takes `{first.name}` as {other.kind}"):
        ChallengerRows(schema, with_features(other))


def test_a_running_service_scores_all_rows_of_all_workers_until_its_end(
    start_server: Callable[..., Server], challenger: VerifiedBundle, challenger_folder: Path, rows: Any, tmp_path: Path
) -> None:
    log = tmp_path / "decisions"
    server = start_server(
        *("--shadow", str(challenger_folder), "--decision-log", str(log), "--workers", "2", "--drain-seconds", "0")
    )
    assert json.loads(server.ask("GET", "/health")[2])["shadow"] == challenger.digest
    for start in range(0, 800, 100):
        body = json.dumps({"rows": rows[start : start + 100]}).encode()
        assert server.ask("POST", "/predict/batch", body)[0] == 200
    server.terminate()
    assert server.process.wait(30) == 0
    frame = pd.read_parquet(log)
    assert len(frame) == 800
    assert set(frame[LOG_SHADOW_DIGEST]) == {challenger.digest}
