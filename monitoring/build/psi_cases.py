"""Unit tests for `promtool test rules`: the PSI that the recording rules make is the one that numpy makes.

Expectations come from `lockgate.drift.psi`, never from the rules: on totals to 1e-9, over a window to 2 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lockgate.drift.psi import psi, smoothed_shares

TOTAL_TOLERANCE = 1e-9
WINDOW_TOLERANCE = 0.02
RULES = ("../rules/psi.yml",)

Counts = tuple[int, ...]
REFERENCE: dict[str, Counts] = {
    "amount": (1500, 1500, 1498, 1502, 0),  # numbers whose missing bin is empty
    "grade": (9000, 3000, 2990, 1, 9),  # categories, one of them rare
    "score": (300, 300, 300, 300, 0),  # fewer rows: held out
}


@dataclass(frozen=True)
class Replica:
    """One target: the model it serves and, per feature and bin, its counter as promtool writes a series."""

    instance: str
    digest: str
    reference: dict[str, Counts]
    counters: dict[str, tuple[str, ...]]
    presence: str  # of the gauges, such as "1x120"

    def series(self) -> list[dict[str, str]]:
        """Every input series of this replica."""
        target = f'job="lockgate",instance="{self.instance}",digest="{self.digest}"'
        made: list[tuple[str, str]] = []
        for feature, counts in self.reference.items():
            for place, share in enumerate(smoothed_shares(counts).tolist()):
                labels = f'{target},feature="{feature}",bin="{place}"'
                made.append((f"lockgate_feature_bin_expected_share{{{labels}}}", self._gauge(share)))
                made.append((f"lockgate_feature_bin_rows_total{{{labels}}}", self.counters[feature][place]))
        return [{"series": series, "values": values} for series, values in made]

    def _gauge(self, value: float) -> str:
        return self.presence.replace("1x", f"{value!r}x", 1)


def _constant(counts: Mapping[str, Counts]) -> dict[str, tuple[str, ...]]:
    return {feature: tuple(f"{count}x10" for count in bins) for feature, bins in counts.items()}


def _added(*counts: Counts) -> Counts:
    return tuple(sum(bins) for bins in zip(*counts, strict=True))


def _is_near(feature: str, window: str, expected: float, tolerance: float, digest: str = "a") -> dict[str, Any]:
    """The check as an expression that is 1, since promtool compares its own samples without any tolerance."""
    found = f'lockgate:feature_psi{{digest="{digest}",feature="{feature}",window="{window}"}}'
    labels = f'{{job="lockgate",digest="{digest}",feature="{feature}",window="{window}"}}'
    return {
        "expr": f"abs({found} - {expected!r}) <= bool {tolerance!r}",
        "exp_samples": [{"labels": labels, "value": 1}],
    }


def _case(name: str, replicas: Sequence[Replica], at: str, checks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "name": name,
        "interval": "1m",
        "input_series": [series for replica in replicas for series in replica.series()],
        "promql_expr_test": [{"eval_time": at, **check} for check in checks],
    }


def totals() -> dict[str, Any]:
    """Two replicas with uneven, partly empty counts; the sum is measured."""
    first = {"amount": (7, 0, 31, 12, 3), "grade": (400, 90, 5, 0, 1), "score": (1, 2, 3, 4, 0)}
    second = {"amount": (1, 0, 5_000_011, 2, 0), "grade": (17, 230, 5, 77, 0), "score": (9, 0, 0, 0, 0)}
    replicas = [
        Replica("a:8000", "a", REFERENCE, _constant(first), "1x10"),
        Replica("b:8000", "a", REFERENCE, _constant(second), "1x10"),
    ]
    checks = [
        _is_near(feature, "total", psi(counts, _added(first[feature], second[feature])), TOTAL_TOLERANCE)
        for feature, counts in REFERENCE.items()
    ]
    return _case("the total over two replicas is numpy's", replicas, "5m", checks)


def no_rows() -> dict[str, Any]:
    """Before the first request the PSI is 0, as numpy's is, in every window."""
    idle = _constant({feature: (0,) * len(counts) for feature, counts in REFERENCE.items()})
    checks = [_is_near(feature, window, 0.0, 0.0) for feature in REFERENCE for window in ("total", "1h")]
    return _case("without rows it is 0", [Replica("a:8000", "a", REFERENCE, idle, "1x10")], "5m", checks)


def windows() -> dict[str, Any]:
    """An hour of one kind of applicants, then an hour of another, on a replica that restarts and one that goes away."""
    before = {"amount": (10, 10, 10, 10, 0), "grade": (60, 20, 19, 1, 0), "score": (5, 5, 5, 5, 0)}
    after = {"amount": (2, 4, 9, 25, 1), "grade": (20, 20, 40, 0, 20), "score": (1, 2, 7, 10, 0)}

    def steady(feature: str, place: int) -> str:
        old, new = before[feature][place], after[feature][place]
        return f"0+{old}x60 {60 * old + new}+{new}x59"

    def restarts(feature: str, place: int) -> str:
        old, new = before[feature][place], after[feature][place]
        return f"0+{old}x60 {new}+{new}x59"

    def leaves(feature: str, place: int) -> str:
        return f"0+{before[feature][place]}x60 stale"

    def all_bins(counter: Any) -> dict[str, tuple[str, ...]]:
        return {
            feature: tuple(counter(feature, place) for place in range(len(counts)))
            for feature, counts in REFERENCE.items()
        }

    replicas = [
        Replica("a:8000", "a", REFERENCE, all_bins(steady), "1x120"),
        Replica("b:8000", "a", REFERENCE, all_bins(restarts), "1x120"),
        Replica("c:8000", "a", REFERENCE, all_bins(leaves), "1x60 stale"),
    ]
    checks = []
    for feature, counts in REFERENCE.items():
        whole = tuple(60 * (3 * old + 2 * new) for old, new in zip(before[feature], after[feature], strict=True))
        last = tuple(60 * 2 * new for new in after[feature])
        for window, rows in (("1h", last), ("6h", whole), ("24h", whole)):
            expected = psi(counts, rows)
            checks.append(_is_near(feature, window, expected, WINDOW_TOLERANCE * expected))
    return _case("a window is numpy's within 2 %, over restarts and departures", replicas, "120m", checks)


def rollout() -> dict[str, Any]:
    """Two models with bins of their own serve side by side: each is measured against its own profile."""
    other = {feature: tuple(reversed(counts)) for feature, counts in REFERENCE.items()}
    seen = {"amount": (7, 9, 31, 12, 3), "grade": (400, 90, 5, 1, 1), "score": (1, 2, 3, 4, 0)}
    replicas = [
        Replica("a:8000", "a", REFERENCE, _constant(seen), "1x10"),
        Replica("b:8000", "b", other, _constant(seen), "1x10"),
    ]
    checks = [
        _is_near(feature, "total", psi(reference[feature], seen[feature]), TOTAL_TOLERANCE, digest)
        for digest, reference in (("a", REFERENCE), ("b", other))
        for feature in reference
    ]
    return _case("two models are measured apart", replicas, "5m", checks)


def reload() -> dict[str, Any]:
    """A replica loads another model: the one before keeps its counters, has no profile any more, and is measured no longer."""
    other = {feature: tuple(reversed(counts)) for feature, counts in REFERENCE.items()}
    seen = {"amount": (7, 9, 31, 12, 3), "grade": (400, 90, 5, 1, 1), "score": (1, 2, 3, 4, 0)}
    replicas = [
        Replica("a:8000", "a", REFERENCE, _constant({**seen, "amount": (0, 0, 0, 0, 500)}), "1x4 stale"),
        Replica("a:8000", "b", other, _constant(seen), "1x10"),
    ]
    checks = [_is_near(feature, "total", psi(other[feature], seen[feature]), TOTAL_TOLERANCE, "b") for feature in other]
    checks.append({"expr": 'lockgate:feature_psi{digest="a"}', "exp_samples": []})
    return _case("after a reload the model that serves is measured, and no other", replicas, "8m", checks)


def thresholds() -> dict[str, Any]:
    """Each model has the effect floor of its own bundle; without a part of chance nothing is at or above the threshold."""
    chance, reference, rows = 10.0, 6_000, 1_000
    floors = {"high": 0.02, "low": 0.001, "unknown": 0.02}
    reached = chance * (1 / reference + 1 / rows)
    series = []
    for digest, floor in floors.items():
        target = f'job="lockgate",instance="{digest}:8000",digest="{digest}"'
        part = "NaN" if digest == "unknown" else f"{chance!r}"
        series += [
            (f'lockgate_drift_setting{{{target},setting="effect_floor"}}', f"{floor!r}x10"),
            (f'lockgate_feature_reference_rows{{{target},feature="f"}}', f"{reference}x10"),
            (f'lockgate_feature_psi_chance{{{target},feature="f"}}', " ".join([part] * 10)),
            (f'lockgate_feature_bin_rows_total{{{target},feature="f",bin="0"}}', f"{rows}x10"),
        ]
    found = 'lockgate:feature_psi_threshold{{digest="{}",window="total"}}'
    checks = [
        {"expr": f"abs({found.format(digest)} - {expected!r}) <= bool {TOTAL_TOLERANCE!r}", "exp_samples": [
            {"labels": f'{{job="lockgate",digest="{digest}",feature="f",window="total"}}', "value": 1}]}
        for digest, expected in (("high", 0.02), ("low", reached))
    ]  # fmt: skip
    unknown = found.format("unknown")
    checks.append({"expr": f"count({unknown} != {unknown})", "exp_samples": [{"labels": "{}", "value": 1}]})
    return {
        "name": "the threshold is chance's, and never under the effect floor of the model's own bundle",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "promql_expr_test": [{"eval_time": "5m", **check} for check in checks],
    }


def rule_tests() -> dict[str, Any]:
    """The whole file, as `promtool test rules` reads it."""
    return {
        "rule_files": list(RULES),
        "evaluation_interval": "1m",
        "tests": [totals(), no_rows(), windows(), rollout(), reload(), thresholds()],
    }
