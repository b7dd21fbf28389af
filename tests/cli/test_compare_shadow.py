"""`lockgate compare --log`: the model that decided beside the challenger in its shadow, and older logs that have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from support import assert_refused, edit_params, succeed

from lockgate.data.decision_store import decision_store
from lockgate.documents.schema_json import DECISION_KEY, FAVOURABLE, UNFAVOURABLE
from lockgate.gate.checks.champion import compare_with_champion
from lockgate.gate.evidence import Policy
from lockgate.gate.shadow_comparison import SHADOW_COLUMNS, compare_shadows
from lockgate.model.bundle import verify_bundle
from lockgate.model.predictions import predictions_of_frame
from lockgate.project import Project
from lockgate.service.decision_log import Decided, write_decisions
from lockgate.service.scoring.shadow import ChallengerRows, ShadowedRequest

JANUARY = pd.Timestamp("2026-01-01T00:00Z").timestamp()
CHALLENGER = "c" * 64
ROWS = 600


def said(scores: np.ndarray) -> list[str]:
    return [UNFAVOURABLE if score >= 0.3 else FAVOURABLE for score in scores]


@pytest.fixture
def table(project: Path) -> pd.DataFrame:
    """What was decided on rows of the current batch: their labels, the score of the model and that of a noisy challenger."""
    batch = pd.read_parquet(project / "data/current.parquet").head(ROWS)
    draws = np.random.default_rng(7)
    served = np.clip(0.2 + 0.2 * batch["default"].to_numpy(float) + draws.normal(0.0, 0.15, ROWS), 0.0, 1.0)
    shadow = np.clip(served + draws.normal(0.02, 0.15, ROWS), 0.0, 1.0)
    return batch.assign(served=served, shadow=shadow)


def write_log(
    project: Path, table: pd.DataFrame, *, shadowed: bool = True, name: str = "new", challenger: str = CHALLENGER
) -> None:
    """The decisions as the service writes them, a request each; the challenger has not scored every tenth."""
    bundle = verify_bundle(project / "models")
    values = table[bundle.schema.feature_names].astype(object).where(lambda frame: frame.notna(), None)
    rows_of = ChallengerRows(bundle.schema, bundle.schema)
    decided = []
    for place, row in enumerate(values.itertuples(index=False)):
        served, shadow = table["served"].iloc[place], table["shadow"].iloc[place]
        request = ShadowedRequest(challenger, rows_of, [tuple(row)], [served], said([served]))
        if place % 10:
            request.scores, request.decisions, request.is_finished = [shadow], said([shadow]), True
        decided.append(
            Decided(
                f"{name}-{place}",
                JANUARY + place * 3600,
                [tuple(row)],
                [served],
                said([served]),
                [()],
                request if shadowed else None,
            )
        )
    write_decisions(decided, bundle.schema, bundle.digest, project / "decisions" / f"decisions-{name}.parquet")


def add_outcomes(project: Path, run: Run, table: pd.DataFrame, name: str = "new") -> None:
    ids = [f"{name}-{place}" for place in range(len(table))]
    pd.DataFrame({"request_id": ids, "default": table["default"].astype(int)}).to_csv(project / "o.csv", index=False)
    succeed(run("outcomes", "add", "o.csv"))


def scored(table: pd.DataFrame) -> pd.DataFrame:
    return table[np.arange(len(table)) % 10 != 0]


def test_agreement_and_shift_are_of_the_rows_that_both_scored(project: Path, run: Run, table: pd.DataFrame) -> None:
    write_log(project, table)
    shown = succeed(run("compare", "--log", "decisions")).stdout
    both = scored(table)
    served, shadow = np.array(said(both["served"])), np.array(said(both["shadow"]))
    assert f"in its shadow: {len(both)} rows of 2026-01-01 to 2026-01-25" in shown
    assert f"they agree on {(served == shadow).mean():.2%} of the decisions" in shown
    apart = (both["shadow"] - both["served"]).abs()
    assert f"mean score {both['served'].mean():.4f} and {both['shadow'].mean():.4f}" in shown
    assert f"apart by {apart.mean():.4f} on average, 95 % of rows by less than {apart.quantile(0.95):.4f}" in shown
    pair = ((served == UNFAVOURABLE) & (shadow == FAVOURABLE)).sum()
    assert f"  unfavourable   favourable     {pair:>9}" in shown
    assert "no outcome is known yet, so nothing is said" in shown
    add_outcomes(project, run, table.head(100).assign(default=0))
    assert "known outcomes are of one class, so nothing is said" in succeed(run("compare", "--log", "decisions")).stdout


def test_outcomes_give_the_gates_own_comparison(project: Path, run: Run, table: pd.DataFrame) -> None:
    write_log(project, table)
    add_outcomes(project, run, table.head(500))
    edit_params(project, gate={"champion": {"source": "none", "margins": {"roc_auc": 0.01, "brier": 0.2}}})
    params = Project(project).params
    store = decision_store(str(project / "decisions"), "--log")
    log = store.read_log([*DECISION_KEY, *SHADOW_COLUMNS])
    known = np.array([int(one.split("-")[1]) < 500 for one in log[DECISION_KEY[0]].to_pylist()])
    labels = np.where(known, table["default"].to_numpy(float), np.nan)
    (found,) = compare_shadows(log, labels, params.gate.champion, "point", params.evaluate.seed, "the log")
    both = scored(table).head(450)
    frame = pd.DataFrame({"row_key": np.arange(450).astype(str), "y_true": both["default"].astype(int)})
    expected = compare_with_champion(
        predictions_of_frame(frame.assign(y_score=both["shadow"]), "b"),
        predictions_of_frame(frame.assign(y_score=both["served"]), "a"),
        Policy(params.evaluate, params.gate),
    )
    by_metric = {check.metric: check for check in expected}
    assert [check.metric for check in found.checks] == ["roc_auc", "brier"]
    for check in found.checks:
        other = by_metric[check.metric]
        assert (check.status, check.value, check.low, check.high) == pytest.approx(
            (other.status, other.value, other.low, other.high)
        )
    assert {check.status for check in found.checks} == {"pass", "block"}
    shown = succeed(run("compare", "--log", "decisions")).stdout
    assert f"450 outcomes are known, {int(both['default'].sum())} of them events" in shown
    assert "B - A [92 % interval]" in shown
    assert "A is better" in shown
    assert "by gate.champion: ROC-AUC block: worse than the champion by more than 0.01" in shown
    assert "by gate.champion: Brier score pass" in shown
    assert "B - A [80 % interval]" in succeed(run("compare", "--log", "decisions", "--confidence", "0.8")).stdout


def test_each_challenger_is_shown_by_itself(project: Path, run: Run, table: pd.DataFrame) -> None:
    write_log(project, table.head(200), name="b", challenger="b" * 64)
    write_log(project, table)
    first, second = succeed(run("compare", "--log", "decisions")).stdout.split("\n\n")
    assert "B bbbbbbbbbbbb, in its shadow: 180 rows" in first
    assert "B cccccccccccc, in its shadow: 540 rows" in second


def test_older_logs_stay_readable_beside_those_of_a_shadow(project: Path, run: Run, table: pd.DataFrame) -> None:
    write_log(project, table.head(200), shadowed=False, name="old")
    assert_refused(run("compare", "--log", "decisions"), "has no scores of a challenger", "--shadow")
    write_log(project, table.tail(400))
    add_outcomes(project, run, table.head(200), "old")
    assert "in its shadow: 360 rows" in succeed(run("compare", "--log", "decisions")).stdout
    succeed(run("drift", "--current", "decisions/", "--no-page"))
    drift = (project / "reports/drift.json").read_text()
    assert '"n_current":600' in drift.replace(" ", "")
    assert "shadow" not in drift


def test_two_tables_of_a_log_are_compared_without_the_challengers_columns(
    project: Path, run: Run, table: pd.DataFrame
) -> None:
    write_log(project, table)
    (project / "models/manifest.json").unlink()
    (file,) = (project / "decisions").iterdir()
    succeed(run("drift", "--reference", str(file), "--current", "decisions/", "--no-page"))
    assert "shadow" not in (project / "reports/drift.json").read_text()


def test_what_is_no_log_of_a_shadow_is_said(project: Path, run: Run, table: pd.DataFrame) -> None:
    write_log(project, table)
    (file,) = (project / "decisions").iterdir()
    log = pd.read_parquet(file).assign(lockgate_shadow_score="high")
    log.to_parquet(file)
    assert_refused(run("compare", "--log", "decisions"), "--log: decisions is no decision log")
    assert_refused(run("compare", "--log", "decisions", "models", "models"), "give either A and B, or --log")
    assert_refused(run("compare", "models"), "give either A and B, or --log")
