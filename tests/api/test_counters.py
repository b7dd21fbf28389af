"""What is counted: exactly what the drift run would count, in a constant number of series."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from serving import Client

from lockgate.config.errors import InputError
from lockgate.drift.profile import count_rows
from lockgate.drift.psi import psi, smoothed_shares
from lockgate.service.bundle import VerifiedBundle
from lockgate.service.metrics.counters import MIN_SLOT_CELLS, SharedCounters
from lockgate.service.metrics.layouts import DECISIONS, SERVICE, ModelLayout


def counted(client: Client, bundle: VerifiedBundle) -> list[list[float]]:
    """The rows in each bin, feature by feature, as Prometheus reads them."""
    metrics, digest = client.metrics(), bundle.digest
    return [
        [
            metrics[f"lockgate_feature_bin_rows_total{{bin={label},digest={digest},feature={one.name}}}"]
            for label in one.bin_names
        ]
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
            metrics[f"lockgate_feature_bin_expected_share{{bin={label},digest={bundle.digest},feature={one.name}}}"]
            for label in one.bin_names
        ]
        assert shares == smoothed_shares(one.counts).tolist()
        assert metrics[f"lockgate_feature_reference_rows{{digest={bundle.digest},feature={one.name}}}"] == one.n
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
        assert client.metrics()[f"lockgate_unseen_categories_total{{digest={bundle.digest},feature=housing}}"] == 1
    assert sum(counted(taking, bundle)[place]) == (2 if as_batch else 1)  # the unseen one is in no bin


def test_explaining_and_refusing_count_no_row(client: Client, bundle: VerifiedBundle, body: bytes) -> None:
    client.ask("/explain", body)
    client.ask("/predict", b"{}")
    assert sum(map(sum, counted(client, bundle))) == 0


def test_requests_are_counted_by_route_and_status_and_histograms_add_up(
    client: Client, bundle: VerifiedBundle, body: bytes
) -> None:
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
    assert metrics[f"lockgate_score_count{{digest={bundle.digest}}}"] == 3
    assert metrics["lockgate_requests_in_flight"] == 1  # the scrape itself
    decided = [f"lockgate_predictions_total{{decision={one},digest={bundle.digest}}}" for one in DECISIONS]
    assert sum(metrics[one] for one in decided) == 3


def test_the_number_of_series_is_constant_whatever_clients_send(client: Client, rows: Any) -> None:
    before = set(client.metrics())
    for number in range(30):
        client.ask(f"/path-{number}")
        client.ask("/predict", {**rows[0], f"key-{number}": number}, x_request_id=f"id-{number}")
        client.ask("/predict", {**rows[0], "housing": f"house-{number}"})
        client.ask("/predict", method=f"VERB{number}")
    assert set(client.metrics()) == before


def test_every_number_has_a_cell_of_its_own_and_is_shown(client: Client, bundle: VerifiedBundle) -> None:
    model = client.worker.state.predictor.metrics.layout
    counters = client.worker.metrics.counters
    unshown = [SERVICE.heartbeat, SERVICE.process]
    for layout, slot, cells in ((SERVICE, None, unshown), (model, 0, [])):
        places = [place for one in layout.metrics for place in range(one.cells.start, one.cells.stop)]
        assert sorted([*places, *cells]) == list(range(layout.cells))
        counters.cells(0, slot, layout.cells)[1][:] = range(1, layout.cells + 1)
    shown = client.metrics()
    for one in (*SERVICE.metrics, *model.metrics):
        if one.kind != "histogram":
            for number, labels in enumerate(one.labels):
                key = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
                first = one.first + one.width * number
                expected = sum(range(first + 1, first + 1 + one.width))
                changed = one is SERVICE.in_flight  # by the scrape itself
                assert shown[one.name + (f"{{{key}}}" if key else "")] == expected + changed, one.name


@pytest.fixture
def layout(bundle: VerifiedBundle) -> ModelLayout:
    """What is counted of the bundle."""
    return ModelLayout(bundle.profile, bundle.digest)


@pytest.fixture
def other(bundle: VerifiedBundle) -> ModelLayout:
    """The same of another bundle."""
    return ModelLayout(bundle.profile, "f" * 64)


def test_workers_count_together_and_a_restarted_one_goes_on(layout: ModelLayout) -> None:
    counters = SharedCounters(layout, 2)
    first, second = counters.service(0), counters.service(1)
    for worker in (first, second, counters.service(1)):
        worker.request("/predict", 200, 0.001)
    assert counters.service_totals()[SERVICE.requests.first] == 3
    first.set_ready(True)
    assert (first.is_ready(), second.is_ready()) == (True, False)
    second.set_ready(True)
    assert counters.service_totals()[SERVICE.ready.first] == 2
    for worker in (0, 1, 1):
        counters.model(0, layout, worker).unseen_category(3)
    assert counters.model_totals(0)[layout.unseen.first + 3] == 3


def test_the_supervisor_counts_in_a_row_of_its_own(layout: ModelLayout) -> None:
    counters = SharedCounters(layout, 1)
    worker, supervisor = counters.service(0), counters.supervisor()
    for metrics in (worker, supervisor):
        metrics.restarted("hung")
        metrics.reloaded("refused")
        metrics.lost(5)
    totals = counters.service_totals()
    for metric, label in ((SERVICE.restarts, "hung"), (SERVICE.reloads, "refused"), (SERVICE.lost, None)):
        counts = dict(zip([next(iter(one.values()), None) for one in metric.labels], totals[metric.cells], strict=True))
        assert {name: count for name, count in counts.items() if count} == {label: 10 if label is None else 2}


def test_what_a_process_was_goes_with_it_and_its_queued_rows_are_named(layout: ModelLayout) -> None:
    counters = SharedCounters(layout, 2)
    gone, other = counters.service(0), counters.service(1)
    assert counters.processes()[:2] == [os.getpid()] * 2
    assert counters.heartbeat(0) is None
    before = time.monotonic()
    for metrics in (gone, other):
        metrics.set_ready(True)
        metrics.beat()
        metrics.in_flight(1)
        metrics.connections(1)
        metrics.queued(7)
        metrics.queued(-3, by_writer=True)
    assert before <= (counters.heartbeat(0) or 0.0) <= time.monotonic()
    assert counters.clear(0) == 4
    assert counters.clear(0) == 0
    assert (counters.heartbeat(0), counters.processes()[0], gone.is_ready(), other.is_ready()) == (None, 0, False, True)
    totals = counters.service_totals()
    assert [totals[one.cells].sum() for one in (SERVICE.in_flight, SERVICE.connections, SERVICE.queued)] == [1, 1, 4]


def test_a_bundle_takes_the_slot_that_is_not_in_use_emptied(
    layout: ModelLayout, other: ModelLayout, bundle: VerifiedBundle
) -> None:
    counters = SharedCounters(layout, 2)
    counters.model(0, layout, 1).unseen_category(0)
    assert counters.claim(other, served=0) == 1
    counters.model(1, other, 0).unseen_category(0)
    small = msgspec.structs.replace(bundle.profile, features=bundle.profile.features[-2:], pairs=None, segments=())
    third = ModelLayout(small, "e" * 64)
    assert counters.claim(third, served=1) == 0
    assert [one and one.digest for one in counters.slots] == [third.digest, other.digest]
    assert not counters.model_totals(0).any()
    assert not counters.model(0, layout, 1).totals().any()  # nor what the larger one of before left
    assert counters.model_totals(1)[other.unseen.first] == 1


def test_a_bundle_that_comes_back_goes_on_in_its_slot(layout: ModelLayout, other: ModelLayout) -> None:
    counters = SharedCounters(layout, 1)
    counters.model(0, layout, 0).unseen_category(0)
    assert counters.claim(layout, served=0) == 0  # it serves already
    assert counters.claim(other, served=0) == 1
    assert counters.claim(layout, served=1) == 0
    assert counters.model_totals(0)[layout.unseen.first] == 1
    counters.forget(0)
    assert counters.claim(layout, served=1) == 0
    assert not counters.model_totals(0).any()


def test_a_bundle_that_does_not_fit_is_refused_with_one_line(layout: ModelLayout, bundle: VerifiedBundle) -> None:
    counters = SharedCounters(layout, 1)
    large = ModelLayout(bundle.profile, "d" * 64)
    large.cells = MIN_SLOT_CELLS + 1
    with pytest.raises(
        InputError, match=r"^the bundle dddddddddddd has 131,073 counters, .*; restart the service to serve it$"
    ):
        counters.claim(large, served=0)
    assert counters.slots == [layout, None]
    assert SharedCounters(large, 1).claim(layout, served=0) == 1  # the first one always fits


def test_the_room_for_bundles_takes_no_memory_until_it_is_used(layout: ModelLayout) -> None:
    """A thousand workers' rooms are 2 GB, of which pages that nobody wrote are none."""
    before = resident_bytes()
    counters = SharedCounters(layout, 1_000)
    counters.model(0, layout, 999).unseen_category(0)
    assert counters.service_totals().sum() == 0
    assert resident_bytes() - before < 100_000_000


def resident_bytes() -> int:
    """Of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_two_bundles_are_shown_each_by_its_digest(client: Client, bundle: VerifiedBundle, body: bytes) -> None:
    client.ask("/predict", body)
    counters = client.worker.metrics.counters
    other = ModelLayout(bundle.profile, "f" * 64)
    slot = counters.claim(other, served=0)
    counters.model(slot, other, 0).scored_row([0], 0.5, DECISIONS[0])
    shown = client.metrics()
    for digest in (bundle.digest, other.digest):
        assert shown[f"lockgate_score_count{{digest={digest}}}"] == 1
        assert sum(shown[f"lockgate_predictions_total{{decision={one},digest={digest}}}"] for one in DECISIONS) == 1
    counters.forget(slot)
    assert not [series for series in client.metrics() if other.digest in series]
