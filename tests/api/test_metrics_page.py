"""The page of /metrics: what prometheus_client would write, in either format, in a fraction of its time and as often as may be."""

from __future__ import annotations

import asyncio
import gzip
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from serving import Client, Server, parsed_metrics

from lockgate.service.api.errors import Refusal
from lockgate.service.bundle import VerifiedBundle
from lockgate.service.metrics import scrapes
from lockgate.service.metrics.layouts import SERVICE, CountedMetric, ModelLayout
from lockgate.service.metrics.page import Snapshot
from lockgate.service.metrics.prometheus_text import FORMATS, OPENMETRICS, TEXT, Format
from lockgate.service.metrics.scrapes import SECONDS_BETWEEN, ScrapePace, format_asked_for, takes_gzip

PARSERS: dict[Format, Callable[[str], Iterator[Metric]]] = {TEXT: parse_text, OPENMETRICS: parse_openmetrics}
Found = dict[tuple[str, ...], Any]


def by_the_client(metric: CountedMetric, cells: NDArray[np.float64]) -> Metric:
    """A counted metric as prometheus_client's own object, number by number."""
    names = list(metric.labels[0])
    kinds = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily, "histogram": HistogramMetricFamily}
    family = kinds[metric.kind](metric.name, metric.help, labels=names)
    for place, labels in enumerate(metric.labels):
        numbers = cells[metric.first + place * metric.width :][: metric.width].tolist()
        values = list(labels.values())
        if metric.kind == "histogram":
            bounds = [*map(floatToGoString, metric.bounds), "+Inf"]
            buckets = [(bound, sum(numbers[: at + 1])) for at, bound in enumerate(bounds)]
            family.add_metric(values, buckets, numbers[-1])
        else:
            family.add_metric(values, sum(numbers))
    return family


class Collected(Collector):
    """Metrics for the client to write down."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


def found_in(text: str, written: Format) -> Found:
    """The help and type of each metric, and the number of each series, as prometheus_client reads them; NaN as a word."""
    found: Found = {}
    for family in PARSERS[written](text):
        found["#", family.name] = (family.documentation, family.type)
        for sample in family.samples:
            key = (sample.name, *sorted(f"{name}={value}" for name, value in sample.labels.items()))
            assert key not in found
            found[key] = "NaN" if np.isnan(sample.value) else sample.value
    return found


COUNTS = st.one_of(
    st.sampled_from([0.0, 1.0, 999_999.0, 1e6, 1_234_567.0, 2.0**53, 1e22]), st.integers(0, 10**9).map(float)
)


@pytest.mark.parametrize("written", FORMATS, ids=["text", "openmetrics"])
@given(data=st.data())
def test_every_number_is_what_prometheus_client_writes(
    client: Client, bundle: VerifiedBundle, written: Format, data: st.DataObject
) -> None:
    worker = client.worker
    counters, layout = worker.metrics.counters, worker.state.predictor.metrics.layout
    other = ModelLayout(bundle.profile, "f" * 64)
    shown: list[tuple[ModelLayout, int]] = [(layout, 0)]
    if data.draw(st.booleans(), "while another bundle is loaded"):
        counters.model(1, other, 0)
        shown.append((other, 1))
    else:
        counters.forget(1)
    numbers = np.array(data.draw(st.lists(COUNTS, min_size=1, max_size=40), "numbers"))
    service = np.resize(numbers, SERVICE.heartbeat)
    counters.cells(0)[1][: SERVICE.heartbeat] = service
    models = {}
    for one, slot in shown:
        models[slot] = counters.cells(0, slot, one.cells)[1][:] = np.resize(numbers[::-1], one.cells)
    chance = data.draw(st.sampled_from([0.0, 1.5, float("nan"), float("inf"), float("-inf")]), "chance")
    worker.state.predictor.psi_chance = (chance,) * len(bundle.profile.features)

    expected = [by_the_client(metric, service) for metric in SERVICE.metrics]
    for metrics in zip(*(one.metrics for one, _ in shown), strict=True):
        families = [by_the_client(metric, models[slot]) for metric, (_, slot) in zip(metrics, shown, strict=True)]
        families[0].samples += [sample for family in families[1:] for sample in family.samples]
        expected.append(families[0])
    chances = GaugeMetricFamily(
        "lockgate_feature_psi_chance",
        "The PSI that unchanged rows reach by chance, times n*m/(n+m).",
        labels=["digest", "feature"],
    )
    for one in bundle.profile.features:
        chances.add_metric([bundle.digest, one.name], chance)
    expected.append(chances)

    page = worker.endpoints.metrics_page.render(written, Snapshot(worker.state.predictor, True, worker.nightly.latest))
    written_by_the_client = found_in(written.generate(Collected(expected)).decode(), written)
    assert written_by_the_client.items() <= found_in(page.decode(), written).items()


@pytest.mark.parametrize("written", FORMATS, ids=["text", "openmetrics"])
def test_the_whole_page_is_what_prometheus_client_makes_of_it(
    client: Client, bundle: VerifiedBundle, written: Format
) -> None:
    client.worker.metrics.counters.model(1, ModelLayout(bundle.profile, "f" * 64), 0)
    shown = Snapshot(client.worker.state.predictor, True, client.worker.nightly.latest)
    page = client.worker.endpoints.metrics_page.render(written, shown).decode()
    again = written.generate(Collected(list(PARSERS[written](page)))).decode()
    assert found_in(again, written) == found_in(page, written)
    assert sorted(map(up_to_the_number, again.split("\n"))) == sorted(map(up_to_the_number, page.split("\n")))


def up_to_the_number(line: str) -> str:
    return line if line.startswith("#") else line.rpartition(" ")[0]


def test_a_scrape_takes_a_fraction_of_what_prometheus_client_takes(client: Client) -> None:
    worker = client.worker
    shown = Snapshot(worker.state.predictor, True, worker.nightly.latest)
    page = worker.endpoints.metrics_page
    metrics = Collected(list(parse_text(page.render(TEXT, shown).decode())))

    def seconds(work: Callable[[], object]) -> float:
        def once() -> float:
            started = time.process_time()
            work()
            return time.process_time() - started

        return min(once() for _ in range(20))

    own = seconds(lambda: gzip.compress(page.render(TEXT, shown), 1))
    assert own < seconds(lambda: TEXT.generate(metrics)) / 3


def test_labels_that_need_escapes_and_look_like_lines_are_written_as_they_are(
    client: Client, bundle: VerifiedBundle
) -> None:
    import msgspec

    odd = ['a "b" c', "back\\slash", "two\nlines 7", "# HELP", "\u2028 5 ", "é 1e6", "} 3"]
    last = bundle.profile.features[-1]
    features = tuple(msgspec.structs.replace(last, name=name, kind="numeric") for name in odd)
    counts = {"n": last.n, "features": (*features, last), "pairs": None, "segments": (), "labels": None}
    layout = ModelLayout(msgspec.structs.replace(bundle.profile, **counts), "e" * 64)
    client.worker.metrics.counters.model(1, layout, 0).unseen_category(2)
    for written in FORMATS:
        shown = Snapshot(client.worker.state.predictor, True, client.worker.nightly.latest)
        found = found_in(client.worker.endpoints.metrics_page.render(written, shown).decode(), written)
        for name in odd:
            key = ("lockgate_unseen_categories_total", f"digest={layout.digest}", f"feature={name}")
            assert found[key] == (name == "two\nlines 7")


def test_a_scrape_shows_the_night_that_was_read_last(client: Client) -> None:
    """Its text is kept until another was read."""
    worker = client.worker
    assert np.isnan(client.metrics()["lockgate_drift_source_up"])
    for up in (0.0, 1.0):
        worker.nightly.latest = type(worker.nightly.latest)(None, "", up)
        for _ in range(2):
            assert client.metrics()["lockgate_drift_source_up"] == up


def test_processes_are_shown_by_worker(client: Client) -> None:
    counters = client.worker.metrics.counters
    assert counters.processes() == [os.getpid(), 0]
    shown = client.metrics()
    assert {series for series in shown if "worker=" in series} == {
        f"process_{name}{{worker=0}}"
        for name in (
            "virtual_memory_bytes",
            "resident_memory_bytes",
            "start_time_seconds",
            "cpu_seconds_total",
            "open_fds",
            "max_fds",
        )
    }
    assert shown["process_resident_memory_bytes{worker=0}"] > 1e7
    assert 0 < shown["process_cpu_seconds_total{worker=0}"] <= time.process_time() + 1
    counters.supervisor()
    shown = client.metrics()
    assert shown["process_open_fds{worker=supervisor}"] == shown["process_open_fds{worker=0}"]
    counters.clear(0)  # it was killed
    shown = client.metrics()
    assert "process_open_fds{worker=0}" not in shown
    assert shown["process_max_fds{worker=supervisor}"] > 0
    counters.cells(1)[0][SERVICE.process] = 2.0**22 + 1  # larger than any: it has gone, and nobody has noticed
    assert not [series for series in client.metrics() if "worker=" in series]


def test_the_python_that_runs_is_shown(client: Client) -> None:
    (info,) = [series for series in client.metrics() if series.startswith("python_info")]
    assert "implementation=CPython" in info


PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,/;q=0.1"
)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8", OPENMETRICS),
        ("application/*", OPENMETRICS),
        ("text/plain;q=0.4, application/openmetrics-text;q=0.5", OPENMETRICS),
        ("*/*;q=0.9, text/plain;q=0.1", OPENMETRICS),
        ("text/plain;version=0.0.4;q=0.2, text/plain;q=0.9, application/openmetrics-text;q=0.5", OPENMETRICS),
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", TEXT),
        ("text/plain;q=0.5, application/openmetrics-text;q=0.4", TEXT),
        ("application/openmetrics-text;version=0.0.1, text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=two", TEXT),
        ("application/openmetrics-text;q=7", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        ("application/openmetrics-text;q=0.5, */*;q=0.8", TEXT),
        ("application/json", TEXT),
        (";;,=,,q=1;", TEXT),
    ],
)
def test_openmetrics_is_written_where_it_is_preferred(client: Client, accept: str, expected: Format) -> None:
    answer = client.ask("/metrics", accept=accept)
    assert answer.status == 200
    assert answer.headers["content-type"] == expected.content_type
    assert answer.headers["vary"] == "accept, accept-encoding"
    assert found_in(answer.body.decode(), expected)["#", "lockgate_ready"] == ("Whether /ready says 200.", "gauge")


def test_several_headers_are_one_list() -> None:
    plain, openmetrics = (b"accept", b"text/plain;q=0.3"), (b"accept", b"application/openmetrics-text;q=0.5")
    assert format_asked_for([plain, (b"host", b"here"), openmetrics]) is OPENMETRICS


@pytest.mark.parametrize(
    ("given", "compressed"),
    [
        ("gzip", True),
        ("gzip, deflate, br", True),
        ("GZIP;q=0.5", True),
        ("*", True),
        ("br, *;q=0.1", True),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("identity, gzip;q=0.5", False),
        ("gzipped", False),
    ],
)
def test_the_page_is_compressed_where_gzip_is_taken(client: Client, given: str, compressed: bool) -> None:
    answer = client.ask("/metrics", accept_encoding=given)
    assert (answer.headers.get("content-encoding") == "gzip") == compressed
    body = gzip.decompress(answer.body) if compressed else answer.body
    assert "lockgate_ready" in parsed_metrics(body.decode())
    assert answer.headers["content-length"] == str(len(answer.body))
    assert not takes_gzip([])


def test_head_has_the_headers_of_the_page_and_no_body(client: Client) -> None:
    answer = client.ask("/metrics", method="HEAD", accept=PROMETHEUS_2, accept_encoding="gzip")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == OPENMETRICS.content_type
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) > 1_000


def test_two_scrapes_are_answered_at_once_and_then_one_after_the_other() -> None:
    async def scrape(pace: ScrapePace, number: int) -> tuple[float, int]:
        await pace.turn()
        return asyncio.get_running_loop().time(), number

    async def all_at_once() -> list[float]:
        pace, started = ScrapePace(), asyncio.get_running_loop().time()
        ended = sorted(await asyncio.gather(*(scrape(pace, number) for number in range(6))))
        assert [number for _, number in ended] == list(range(6))
        return [time - started for time, _ in ended]

    waited = asyncio.run(all_at_once())
    assert waited[1] < SECONDS_BETWEEN / 2
    for place, seconds in enumerate(waited[2:], start=1):
        assert seconds >= place * SECONDS_BETWEEN * 0.95


def test_one_whose_turn_would_be_too_late_is_refused_after_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrapes, "MAX_WAIT_SECONDS", 0.25)

    async def scrape(pace: ScrapePace) -> tuple[Refusal, float] | None:
        started = time.monotonic()
        try:
            await pace.turn()
        except Refusal as refusal:
            return refusal, time.monotonic() - started
        return None

    async def many() -> list[tuple[Refusal, float] | None]:
        pace = ScrapePace()
        return await asyncio.gather(*(scrape(pace) for _ in range(10)))

    refused = [one for one in asyncio.run(many()) if one is not None]
    assert len(refused) == 6  # two at once, and those after 100 and 200 ms
    assert min(seconds for _, seconds in refused) >= 0.24
    assert {(one.status, *one.headers) for one, _ in refused} == {(503, (b"retry-after", b"5"))}


def test_a_scrape_that_waits_lets_predictions_pass(client: Client, body: bytes) -> None:
    pace = client.worker.endpoints.scrape_pace

    async def turns() -> None:
        for _ in range(2):
            await pace.turn()

    asyncio.run(turns())
    started = time.monotonic()
    assert client.ask("/predict", body).status == 200
    assert client.ask("/metrics").status == 200
    assert time.monotonic() - started >= SECONDS_BETWEEN / 2


def test_a_service_shows_every_worker_and_its_supervisor_compressed(start_server: Callable[..., Server]) -> None:
    server = start_server("--workers", "2")
    deadline = time.monotonic() + 60
    shown: Found = {}
    while shown.get(("lockgate_workers_ready",)) != 2:
        assert time.monotonic() < deadline
        status, headers, body = server.ask("GET", "/metrics", accept=PROMETHEUS_2, accept_encoding="gzip")
        assert (status, headers["content-encoding"]) == (200, "gzip")
        shown = found_in(gzip.decompress(body).decode(), OPENMETRICS)
    processes = {key[1]: seconds for key, seconds in shown.items() if key[0] == "process_start_time_seconds"}
    assert set(processes) == {"worker=0", "worker=1", "worker=supervisor"}
    assert processes["worker=supervisor"] <= min(processes["worker=0"], processes["worker=1"])
    status, headers, body = server.ask("HEAD", "/metrics")
    assert (status, body) == (200, b"")
