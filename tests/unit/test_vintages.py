"""Outcomes by the month of the decision: what counts, when, and what is said where nothing can be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drift_results import drift_result
from msgspec.structs import replace

from lockgate.config.errors import InputError
from lockgate.config.params import DriftPerformance
from lockgate.documents.drift_json import MetricDrift, PerformanceDrift, Vintage
from lockgate.drift.measured_performance import actual_performance
from lockgate.drift.vintages import DecisionOutcomes, decision_outcomes, with_vintages

MODEL, OTHER = "a" * 64, "b" * 64
SETTINGS = DriftPerformance(maturity_days=90, vintages=12)


def log(rows: int = 3_000, seed: int = 1, first: str = "2026-01-01", days: int = 180) -> pd.DataFrame:
    """Decisions of some months with scores that are right, and every outcome known."""
    random = np.random.default_rng(seed)
    score = random.beta(2, 6, rows)
    return pd.DataFrame(
        {
            "lockgate_time": pd.Timestamp(first, tz="UTC") + pd.to_timedelta(random.uniform(0, days, rows), unit="D"),
            "lockgate_digest": MODEL,
            "lockgate_decision": np.where(score < 0.25, "favourable", "unfavourable"),
            "score": score,
            "default": (random.random(rows) < score).astype(float),
        }
    )


def at(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def found(rows: pd.DataFrame, day: str, **settings: Any) -> DecisionOutcomes:
    made = decision_outcomes(rows, "default", MODEL, at(day), SETTINGS.model_copy(update=settings))
    assert made is not None
    return made


def good(labels: np.ndarray, _: np.ndarray) -> PerformanceDrift:
    return performance("stable", len(labels))


def performance(status: Any, n: int = 1_000, reason: str = "as good as before") -> PerformanceDrift:
    return PerformanceDrift(n=n, positives=n // 5, confidence=0.95, status=status, reason=reason, metrics=())


RANKING = MetricDrift(
    metric="roc_auc",
    value=0.77,
    low=0.75,
    high=0.79,
    threshold=0.7,
    reference=0.77,
    change=0.0,
    change_low=-0.01,
    change_high=0.01,
    p_value=0.5,
    error=0.001,
    status="stable",
    rule=None,
    reason="no change for the worse that counts",
)


def vintages(rows: pd.DataFrame, day: str, **settings: Any) -> dict[str, Vintage]:
    return {one.month: one for one in found(rows, day, **settings).vintages(rows["score"].to_numpy(), good)}


def test_each_month_has_the_numbers_of_its_own_mature_decisions() -> None:
    rows = log()
    shown = vintages(rows, "2026-08-15")
    assert list(shown) == ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05", "2026-06"]
    for month, one in shown.items():
        own = rows[rows["lockgate_time"].dt.strftime("%Y-%m") == month]
        mature = own[own["lockgate_time"] <= pd.Timestamp("2026-05-17", tz="UTC")]  # 90 days before
        assert (one.decisions, one.matured, one.known, one.missing) == (len(own), len(mature), len(mature), 0)
        if len(mature):
            measured = actual_performance(mature["default"].to_numpy(), mature["score"].to_numpy())
            assert measured is not None
            assert (one.roc_auc, one.brier) == (measured.roc_auc, measured.brier)
            assert one.events == mature["default"].sum()
            assert one.expected_rate == pytest.approx(mature["score"].mean())
    assert shown["2026-04"].evidence == "ok"
    assert shown["2026-05"].matured < shown["2026-05"].decisions
    assert "more decisions are mature by 2026-08-29" in shown["2026-05"].reason


def test_of_a_young_decision_nothing_is_said_whatever_is_known() -> None:
    rows = log()
    june = vintages(rows, "2026-08-15")["2026-06"]
    assert (june.matured, june.known, june.evidence, june.roc_auc.value) == (0, 0, "immature", None)
    assert june.reason == "nothing can be said before 2026-08-30"
    labels = found(rows, "2026-08-15").matured_labels
    assert np.isnan(labels[rows["lockgate_time"] > pd.Timestamp("2026-05-17", tz="UTC")]).all()
    assert not np.isnan(labels[rows["lockgate_time"] <= pd.Timestamp("2026-05-17", tz="UTC")]).any()


def test_a_decision_is_mature_on_the_instant() -> None:
    rows = log(2).assign(
        lockgate_time=pd.to_datetime(["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z"], format="ISO8601")
    )
    assert vintages(rows, "2026-04-01")["2026-01"].matured == 1


def test_without_a_time_it_is_the_newest_decision() -> None:
    rows = log()
    made = decision_outcomes(rows, "default", MODEL, None, SETTINGS)
    assert made is not None
    assert made.as_of == rows["lockgate_time"].max().tz_localize(None).floor("us").to_datetime64()
    assert max(one.month for one in made.vintages(rows["score"].to_numpy(), good) if one.matured) == "2026-03"


def test_decisions_after_the_time_are_not_there_yet() -> None:
    rows = log()
    assert list(vintages(rows, "2026-02-10")) == ["2026-01", "2026-02"]
    late = (rows["lockgate_time"] > pd.Timestamp("2026-02-10", tz="UTC")).sum()
    words = f"{late:,} decisions are of a time to come, after 2026-02-10T00:00:00.000000, and are not counted"
    assert found(rows, "2026-02-10").note == words
    assert found(rows, "2026-12-01").note is None


def test_a_time_that_is_none_is_refused() -> None:
    rows = log(3).assign(lockgate_time=pd.to_datetime(["2026-01-01", "2026-01-02", "9999-01-01"], utc=True))
    with pytest.raises(InputError, match=r"newest decision of the log is of 9999-01-01.*correct `lockgate_time`"):
        decision_outcomes(rows, "default", MODEL, None, SETTINGS)


def test_months_before_the_window_do_not_count() -> None:
    rows = log()
    assert list(vintages(rows, "2026-08-15", vintages=5)) == ["2026-04", "2026-05", "2026-06"]
    labels = found(rows, "2026-08-15", vintages=5).matured_labels
    assert np.isnan(labels[rows["lockgate_time"] < pd.Timestamp("2026-04-01", tz="UTC")]).all()


@pytest.mark.parametrize(
    ("days", "months", "enough"), [(365, 12, False), (365, 14, True), (90, 3, False), (90, 4, True), (0, 1, True)]
)
def test_a_window_in_which_nothing_matures_is_named(days: int, months: int, enough: bool) -> None:
    note = found(log(), "2026-12-01", maturity_days=days, vintages=months).note
    if enough:
        assert note is None
    else:
        words = f"of {months} months are looked at, and one counts after {days} days; raise drift.performance.vintages"
        assert words in str(note)


def test_decisions_of_another_model_do_not_count() -> None:
    rows = log()
    rows.loc[::3, "lockgate_digest"] = OTHER
    made = found(rows, "2026-12-01")
    shown = list(made.vintages(rows["score"].to_numpy(), good))
    assert sum(one.decisions for one in shown) == (rows["lockgate_digest"] == MODEL).sum() == 2_000
    assert np.isnan(made.matured_labels[::3]).all()
    strangers = found(rows.assign(lockgate_digest=OTHER), "2026-12-01")
    assert not list(strangers.vintages(rows["score"].to_numpy(), good))
    assert np.isnan(strangers.matured_labels).all()
    assert strangers.note == "none of these decisions is of this model, so that none of their outcomes counts"


def test_missing_outcomes_are_counted() -> None:
    rows = log()
    rows.loc[::4, "default"] = np.nan
    shown = vintages(rows, "2026-12-01")
    assert sum(one.missing for one in shown.values()) == 750
    assert sum(one.known for one in shown.values()) == 2_250


@pytest.mark.parametrize(
    ("label", "evidence", "reason"),
    [
        (np.nan, "no-labels", "no outcome is known of"),
        (0.0, "one-class", "are all no events"),
        (1.0, "one-class", "are all events"),
    ],
)
def test_a_month_that_says_nothing_says_why(label: float, evidence: str, reason: str) -> None:
    rows = log()
    rows.loc[rows["lockgate_time"].dt.month == 2, "default"] = label
    february = vintages(rows, "2026-12-01")["2026-02"]
    assert (february.evidence, february.roc_auc.value) == (evidence, None)
    assert reason in february.reason
    assert vintages(rows, "2026-12-01")["2026-03"].evidence == "ok"


def test_a_batch_that_is_no_log_has_no_vintages() -> None:
    rows = log()
    assert decision_outcomes(rows.drop(columns="lockgate_digest"), "default", MODEL, None, SETTINGS) is None
    assert decision_outcomes(rows.assign(lockgate_time=pd.NaT), "default", MODEL, None, SETTINGS) is None


def test_a_log_without_any_outcome_says_when_something_can_be_said() -> None:
    rows = log(first="2026-08-01", days=20)
    made = decision_outcomes(rows.drop(columns="default"), "default", MODEL, at("2026-09-01"), SETTINGS)
    assert made is not None
    (august,) = made.vintages(rows["score"].to_numpy(), good)
    assert august.reason == "nothing can be said before 2026-10-30"


def test_outcomes_of_the_accepted_alone_are_named_as_a_selection() -> None:
    rows = log()
    assert found(rows, "2026-12-01").selection is None
    refused = rows["lockgate_decision"] == "unfavourable"
    accepted = found(rows.assign(default=rows["default"].mask(refused)), "2026-12-01").selection
    assert accepted is not None
    assert accepted.startswith(
        f"outcomes are known of {(~refused).sum():,} of {(~refused).sum():,} favourable and of 0 of "
    )
    everybody = rows.assign(default=rows["default"].where(np.arange(len(rows)) % 3 == 0))
    assert found(everybody, "2026-12-01").selection is None


def test_each_month_is_judged_by_its_own_mature_outcomes() -> None:
    rows = log()
    asked: list[int] = []

    def judge(labels: np.ndarray, scores: np.ndarray) -> PerformanceDrift:
        assert len(labels) == len(scores)
        asked.append(len(labels))
        return performance("alert" if len(asked) == 2 else "insufficient-data", reason="The model no longer ranks")

    shown = list(found(rows, "2026-08-15").vintages(rows["score"].to_numpy(), judge))
    assert [one.status for one in shown] == ["insufficient-data", "alert"] + 4 * ["insufficient-data"]
    assert asked == [one.known for one in shown if one.known]
    assert shown[1].reason == "The model no longer ranks"
    assert "mature decisions have an outcome" in shown[0].reason
    assert found(rows, "2026-08-15").judged_months == len(asked) == 5


def test_a_month_that_broke_counts_for_the_night_although_the_year_is_good() -> None:
    months = list(vintages(log(), "2026-12-01").values())
    broken = replace(months[2], status="alert", reason="The model no longer ranks: ROC-AUC 0.512")
    good_year = drift_result(status="warn", performance=performance("stable"))
    night = with_vintages(good_year, [*months[:2], broken, *months[3:]], "accepted only")
    assert (night.status, night.selection, night.vintages[2]) == ("alert", "accepted only", broken)
    assert night.performance is not None
    assert night.performance.status == "alert"
    assert night.performance.reason == "Decisions of 2026-03: The model no longer ranks: ROC-AUC 0.512"
    ranking = replace(RANKING, status="alert", value=0.67, low=0.65, high=0.69)
    bad_year = replace(performance("alert"), metrics=(ranking,))
    night = with_vintages(replace(good_year, performance=bad_year), [*months[:2], broken, *months[3:]], None)
    assert night.performance is not None
    assert night.performance.reason == (
        "Decisions of 2026-03: The model no longer ranks: ROC-AUC 0.512; all 1,000 known outcomes together: "
        "ROC-AUC 0.670 [0.650, 0.690]"
    )
    warned = replace(broken, status="warn")
    night = with_vintages(replace(good_year, performance=bad_year), [*months[:2], warned, *months[3:]], None)
    assert (night.status, night.performance and night.performance.status) == ("alert", "alert")


def test_a_bad_year_names_its_worst_month() -> None:
    bad = [replace(one, status="warn") for one in vintages(log(), "2026-12-01").values()]
    worst = min(bad, key=lambda one: one.roc_auc.value or 1.0)
    night = with_vintages(drift_result(status="alert", performance=performance("alert")), bad, None)
    assert night.performance is not None
    assert night.performance.reason.startswith(f"as good as before; worst for decisions of {worst.month}, ROC-AUC 0.")


def test_months_that_are_good_or_young_change_nothing() -> None:
    months = list(vintages(log(), "2026-08-15").values())
    night = drift_result(status="stable", performance=performance("warn"))
    assert with_vintages(night, months, None) == replace(night, vintages=tuple(months))
    unknown = drift_result(status="stable")
    assert with_vintages(unknown, months, None) == replace(unknown, vintages=tuple(months))
    assert with_vintages(unknown, [], None) == unknown
