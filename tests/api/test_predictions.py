"""What the service answers to what it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import xgboost
from serving import Client

from lockgate.documents.schema_json import DecisionRule, Schema
from lockgate.model.features import code_matrix, model_frame
from lockgate.service.bundle import VerifiedBundle


@pytest.fixture(scope="module")
def expected(trained_project: Path) -> np.ndarray:
    """XGBoost's own probabilities for the current batch."""
    import pandas as pd

    schema = Schema.read_file(trained_project / "models" / "schema.json")
    frame = pd.read_parquet(trained_project / "data" / "current.parquet")
    booster = xgboost.Booster(model_file=trained_project / "models" / "model.json")
    return np.asarray(booster.inplace_predict(code_matrix(model_frame(frame, schema)), validate_features=False))


def test_single_rows_have_the_probability_that_xgboost_gives(client: Client, rows: Any, expected: np.ndarray) -> None:
    answers = [client.ask("/predict", row) for row in rows[:200]]
    assert {answer.status for answer in answers} == {200}
    assert [answer.json["probability"] for answer in answers] == pytest.approx(expected[:200].tolist(), abs=1e-6)


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_row_has_the_same_bits_alone_and_in_a_batch(client: Client, rows: Any, size: int) -> None:
    answer = client.ask("/predict/batch", {"rows": rows[:size]})
    alone = [client.ask("/predict", row).json["probability"] for row in rows[: min(size, 200)]]
    assert [row["probability"] for row in answer.json["rows"]][: len(alone)] == alone


def test_decisions_follow_the_threshold(client: Client, rows: Any, bundle: VerifiedBundle) -> None:
    answers = client.ask("/predict/batch", {"rows": rows}).json["rows"] if len(rows) <= 1000 else []
    answers = answers or client.ask("/predict/batch", {"rows": rows[:1000]}).json["rows"]
    found = {(row["probability"] < bundle.decision.threshold, row["decision"]) for row in answers}
    assert found == {(True, "favourable"), (False, "unfavourable")}


def test_whole_numbers_may_be_written_as_fractions_are(client: Client, rows: Any) -> None:
    row = next(row for row in rows if None not in row.values())
    written = {name: float(value) if isinstance(value, int) else value for name, value in row.items()}
    assert client.ask("/predict", written).json["probability"] == client.ask("/predict", row).json["probability"]


def test_every_answer_has_the_digest_and_a_request_id(client: Client, body: bytes, bundle: VerifiedBundle) -> None:
    for path, content in (("/predict", body), ("/health", b""), ("/nothing", b""), ("/predict", b"{"), ("/docs", b"")):
        answer = client.ask(path, content)
        assert answer.headers["x-model-digest"] == bundle.digest
        assert answer.headers["x-request-id"]
    ids = {client.ask("/predict", body).json["request_id"] for _ in range(50)}
    assert len(ids) == 50


def test_a_safe_request_id_comes_back_and_others_do_not(client: Client, body: bytes) -> None:
    answer = client.ask("/predict", body, x_request_id="case-17.b:2")
    assert answer.json["request_id"] == answer.headers["x-request-id"] == "case-17.b:2"
    for unsafe in ("a b", "<script>", "x" * 129, "", "é"):
        assert client.ask("/predict", body, x_request_id=unsafe).headers["x-request-id"] != unsafe


def test_health_says_what_is_served_also_while_draining(client: Client, bundle: VerifiedBundle) -> None:
    client.worker.metrics.set_ready(True)
    assert client.ask("/ready").status == 200
    client.worker.state.draining = True
    assert client.ask("/ready").status == 503
    assert client.ask("/ready").headers["retry-after"]
    health = client.ask("/health")
    assert health.headers["connection"] == "close"
    assert (health.json["status"], health.json["model"], health.json["verdict"]) == ("alive", bundle.digest, "pass")


def test_it_is_not_ready_before_every_worker_is(client: Client) -> None:
    assert client.ask("/ready").status == 503


@pytest.mark.parametrize(("favourable", "decisions"), [("below", "good bad bad"), ("above", "bad good good")])
def test_the_threshold_itself_is_decided_as_what_lies_above_it(
    favourable: Literal["below", "above"], decisions: str
) -> None:
    rule = DecisionRule(0.3, favourable)
    found = [rule.decide(probability) for probability in (0.2999, 0.3, 0.3001)]
    assert found == [{"good": "favourable", "bad": "unfavourable"}[one] for one in decisions.split()]
