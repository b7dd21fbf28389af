"""Identifiers in a request: optional, exact, in the log as columns of their own, and nowhere else."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from jsonschema import Draft202012Validator
from serving import Client

from lockgate.service.bundle import VerifiedBundle
from lockgate.service.settings import Settings
from lockgate.service.worker import Worker

NAMES = ("loan:id", "branch")


@pytest.fixture(scope="module")
def identified(bundle: VerifiedBundle) -> VerifiedBundle:
    """The bundle, of data whose rows are identified by two columns, and by a feature."""
    schema = msgspec.structs.replace(bundle.schema, id_columns=(*NAMES, bundle.schema.feature_names[0]))
    return dataclasses.replace(bundle, schema=schema)


@pytest.fixture
def service(identified: VerifiedBundle, tmp_path: Path) -> Client:
    """A service that logs into `decisions`."""
    return Client(Worker(identified, "pass", Settings(decision_log=tmp_path / "decisions")))


def logged(service: Client, folder: Path) -> pd.DataFrame:
    """What was logged, once the log has written it."""
    assert service.worker.log is not None
    service.worker.log.start()
    service.worker.log.stop()
    return pd.read_parquet(folder / "decisions")


def test_they_are_logged_exactly_and_score_nothing(service: Client, rows: Any, tmp_path: Path) -> None:
    plain = service.ask("/predict", rows[0]).json
    whole = service.ask("/predict", {"branch": 9_007_199_254_740_993, **rows[0], "loan:id": "007"}).json
    assert whole["probability"] == plain["probability"]
    batch = [{**rows[0], "loan:id": "a:b"}, rows[0], {**rows[0], "loan:id": None, "branch": -1}]
    answered = service.ask("/predict/batch", {"rows": batch}).json
    assert {one["probability"] for one in answered["rows"]} == {plain["probability"]}
    found = logged(service, tmp_path)
    assert [*found["loan:id"].fillna("-")] == ["-", "007", "a:b", "-", "-"]
    assert [*found["branch"].fillna("-")] == ["-", "9007199254740993", "-", "-", "-1"]
    assert [*found["lockgate_row"]] == [0, 0, 0, 1, 2]
    assert found["lockgate_request_id"].nunique() == 3
    assert [*found.columns].count(service.worker.state.predictor.bundle.schema.feature_names[0]) == 1


def test_they_are_in_no_explanation_no_metric_and_no_drift(service: Client, rows: Any) -> None:
    answer = service.ask("/explain", {**rows[0], "loan:id": "L-1", "branch": 3})
    assert answer.status == 200
    assert answer.json["contributions"] == service.ask("/explain", rows[0]).json["contributions"]
    service.ask("/predict", {**rows[0], "loan:id": "L-1"})
    for path in ("/metrics", "/drift"):
        assert b"loan:id" not in service.ask(path).body
    assert b"L-1" not in answer.body


@pytest.mark.parametrize("wrong", ["", "x" * 129, 7.5, 2**64, True, ["L-1"], {"of": "loan"}])
def test_what_is_no_identifier_is_refused_with_its_place(service: Client, rows: Any, wrong: Any) -> None:
    refused = service.ask("/predict", {**rows[0], "loan:id": wrong})
    assert (refused.status, refused.json["detail"][0]["loc"]) == (422, ["body", "loan:id"])
    refused = service.ask("/predict/batch", {"rows": [rows[0], {**rows[0], "loan:id": wrong}]})
    assert (refused.status, refused.json["detail"][0]["loc"]) == (422, ["body", "rows", 1, "loan:id"])


def test_one_that_is_there_twice_is_refused(service: Client, rows: Any) -> None:
    row = json.dumps(rows[0])[:-1]
    for twice in ('"branch": 1, "branch": 1}', '"branch": null, "branch": 1}', '"loan:id": "a", "loan:id": null}'):
        for path, body in (("/predict", f"{row}, {twice}"), ("/predict/batch", f'{{"rows": [{row}, {twice}]}}')):
            refused = service.ask(path, body.encode())
            assert (refused.status, refused.json["detail"][0]["msg"]) == (422, "the key is there twice"), body


def test_a_model_without_identifiers_takes_none(client: Client, rows: Any) -> None:
    refused = client.ask("/predict", {**rows[0], "loan:id": "L-1"})
    assert refused.status == 422
    assert "is not a feature" in refused.json["detail"][0]["msg"]


def test_they_are_described(service: Client, rows: Any) -> None:
    document = service.ask("/openapi.json").json
    described = document["components"]["schemas"]["Applicant"]
    assert not {*NAMES} & {*described["required"]}
    check = Draft202012Validator({**described, "components": document["components"]})
    for identifiers in ({}, {"loan:id": "L-1"}, {"branch": 7}, {"branch": None}):
        assert check.is_valid({**rows[0], **identifiers})
    assert not check.is_valid({**rows[0], "branch": 7.5})
    page = service.ask("/docs").body.decode()
    assert "<code>loan:id</code>, <code>branch</code>" in page


def test_a_full_batch_with_the_longest_identifiers_fits(service: Client, rows: Any) -> None:
    full = [{**rows[at % len(rows)], "loan:id": "\u00e9" * 128, "branch": "\u00e9" * 128} for at in range(1000)]
    body = json.dumps({"rows": full}, ensure_ascii=False).encode()
    assert service.ask("/predict/batch", body).status == 200
