"""What is counted: exactly what the drift run would count, in a constant number of series."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from serving import Client

from lockgate.drift.profile import count_rows
from lockgate.drift.psi import psi, smoothed_shares
from lockgate.service.bundle import VerifiedBundle
from lockgate.service.metrics.counters import MetricLayout, Metrics, SharedCounters


def counted(client: Client, bundle: VerifiedBundle) -> list[list[float]]:
    """The rows in each bin, feature by feature, as Prometheus reads them."""
    metrics = client.metrics()
    return [
        [metrics[f"lockgate_feature_bin_rows_total{{bin={label},feature={one.name}}}"] for label in one.bin_names]
        for one in bundle.profile.features
    ]


@pytest.mark.parametrize("as_batch", [False, True], ids=["single", "batch"])
def test_the_bins_are_those_of_the_drift_run(
    client: Client, bundle: VerifiedBundle, rows: Any, trained_project: Path, as_batch: bool
) -> None:
    frame = pd.read_parquet(trained_project / "data" / "current.parquet").iloc[:400]
    if as_batch:
        answers = client.ask("/predict/batch", {"rows": rows[:400]}).json["rows"]
    else:
        answers = [client.ask("/predict", row).json for row in rows[:400]]
    scores = np.array([answer["probability"] for answer in answers])
    expected = count_rows(bundle.profile.features, frame, scores)
    assert counted(client, bundle) == [one.counts.tolist() for one in expected]


@pytest.mark.parametrize("as_batch", [False, True], ids=["single", "batch"])
def test_a_value_on_an_edge_and_beside_it_is_counted_as_the_drift_run_does(
    client: Client, bundle: VerifiedBundle, rows: Any, as_batch: bool
) -> None:
    place, feature = next((at, one) for at, one in enumerate(bundle.profile.features) if one.name == "interest_rate")
    values = [value for edge in feature.edges for value in (edge, np.nextafter(edge, -9e9), np.nextafter(edge, 9e9))]
    sent = [{**rows[0], "interest_rate": float(value)} for value in values]
    if as_batch:
        client.ask("/predict/batch", {"rows": sent})
    else:
        for row in sent:
            client.ask("/predict", row)
    from lockgate.drift.bins import bin_counts

    assert counted(client, bundle)[place] == bin_counts(np.array(values), feature.edges).tolist()


def test_expected_shares_and_live_psi_are_the_profiles(client: Client, bundle: VerifiedBundle, rows: Any) -> None:
    client.ask("/predict/batch", {"rows": rows[:1000]})
    metrics, live = client.metrics(), client.ask("/drift").json["live"]["features"]
    for one, found, rows_in_bins in zip(bundle.profile.features, live, counted(client, bundle), strict=True):
        shares = [
            metrics[f"lockgate_feature_bin_expected_share{{bin={label},feature={one.name}}}"] for label in one.bin_names
        ]
        assert shares == smoothed_shares(one.counts).tolist()
        assert metrics[f"lockgate_feature_reference_rows{{feature={one.name}}}"] == one.n
        assert found["psi"] == pytest.approx(psi(one.counts, rows_in_bins), abs=1e-12)


@pytest.mark.parametrize("as_batch", [False, True], ids=["single", "batch"])
def test_unseen_categories_are_counted_whether_refused_or_taken_as_missing(
    make_client: Any, bundle: VerifiedBundle, rows: Any, as_batch: bool
) -> None:
    row = {**rows[0], "housing": "houseboat"}
    path, body = ("/predict/batch", {"rows": [rows[0], row]}) if as_batch else ("/predict", row)
    refusing, taking = make_client(), make_client(unseen_categories="missing")
    assert refusing.ask(path, body).status == 422
    answer = taking.ask(path, body)
    assert answer.status == 200
    missing = taking.ask("/predict", {**row, "housing": None}).json
    last = answer.json["rows"][1] if as_batch else answer.json
    assert last["probability"] == pytest.approx(missing["probability"], abs=1e-6)
    place = bundle.schema.feature_names.index("housing")
    for client in (refusing, taking):
        assert client.metrics()["lockgate_unseen_categories_total{feature=housing}"] == 1
    assert sum(counted(taking, bundle)[place]) == (2 if as_batch else 1)  # the unseen one is in no bin


def test_explaining_and_refusing_count_no_row(client: Client, bundle: VerifiedBundle, body: bytes) -> None:
    client.ask("/explain", body)
    client.ask("/predict", b"{}")
    assert sum(map(sum, counted(client, bundle))) == 0


def test_requests_are_counted_by_route_and_status_and_histograms_add_up(client: Client, body: bytes) -> None:
    for _ in range(3):
        client.ask("/predict", body)
    client.ask("/predict", b"{")
    client.ask("/predict/../../etc/passwd")
    metrics = client.metrics()
    assert metrics["lockgate_requests_total{route=/predict,status=200}"] == 3
    assert metrics["lockgate_requests_total{route=/predict,status=400}"] == 1
    assert metrics["lockgate_requests_total{route=other,status=404}"] == 1
    assert metrics["lockgate_request_duration_seconds_count{route=/predict}"] == 4
    assert metrics["lockgate_request_duration_seconds_bucket{le=+Inf,route=/predict}"] == 4
    assert metrics["lockgate_score_count"] == 3
    assert metrics["lockgate_requests_in_flight"] == 1  # the scrape itself
    decided = metrics["lockgate_predictions_total{decision=favourable}"]
    assert decided + metrics["lockgate_predictions_total{decision=unfavourable}"] == 3


def test_the_number_of_series_is_constant_whatever_clients_send(client: Client, rows: Any) -> None:
    before = set(client.metrics())
    for number in range(30):
        client.ask(f"/path-{number}")
        client.ask("/predict", {**rows[0], f"key-{number}": number}, x_request_id=f"id-{number}")
        client.ask("/predict", {**rows[0], "housing": f"house-{number}"})
        client.ask("/predict", method=f"VERB{number}")
    assert set(client.metrics()) == before


def test_every_number_has_a_cell_of_its_own_and_is_shown(client: Client, bundle: VerifiedBundle) -> None:
    layout = client.worker.metrics.layout
    places = [place for one in layout.metrics for place in range(one.cells.start, one.cells.stop)]
    assert sorted([*places, layout.ready]) == list(range(layout.cells))
    counters = client.worker.metrics._counters.rows[0]
    counters[:] = range(1, layout.cells + 1)
    shown = client.metrics()
    for one in layout.metrics:
        if one.kind != "histogram":
            for number, labels in enumerate(one.labels):
                key = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
                first = one.first + one.width * number
                expected = sum(range(first + 1, first + 1 + one.width))
                changed = one is layout.in_flight  # by the scrape itself
                assert shown[one.name + (f"{{{key}}}" if key else "")] == expected + changed, one.name


def test_workers_count_together_and_a_restarted_one_goes_on(bundle: VerifiedBundle) -> None:
    layout = MetricLayout(bundle.profile)
    counters = SharedCounters(layout.cells, 2)
    first, second = (Metrics(layout, counters, number) for number in range(2))
    for worker in (first, second, Metrics(layout, counters, 1)):
        worker.request("/predict", 200, 0.001)
    assert first.totals()[layout.requests.first] == second.totals()[layout.requests.first] == 3
    first.set_ready(True)
    assert not first.all_ready()
    second.set_ready(True)
    assert first.all_ready()
