"""`judge` as a notebook calls it: data frames in, the whole of gate.json out."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Decision, Evaluate
from lockgate.documents.gate_json import GateResult
from lockgate.documents.test_set_history_json import PastDecision
from lockgate.gate.evidence import Policy
from lockgate.gate.judge import judge
from lockgate.gate.test_set_reuse import history_of


def frame(rows: int = 1500, seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    logit = -1.2 + 1.6 * rng.standard_normal(rows)
    score = 1 / (1 + np.exp(-logit))
    return pd.DataFrame(
        {"row_key": [f"r{i}" for i in range(rows)], "y_true": (rng.random(rows) < score).astype(int), "y_score": score}
    )


def test_a_data_frame_is_judged_and_the_result_is_a_document() -> None:
    result = judge(frame())
    assert result.verdict == "pass"
    assert result.n == 1500
    assert result.predictions == "a table of predictions"
    assert GateResult.read(result.to_bytes(), "gate.json") == result
    result.require_pass(result.model, "gate.json")


def test_a_frame_whose_rows_differ_is_another_model_and_the_order_of_the_index_does_not_matter() -> None:
    table = frame()
    assert judge(table).model == judge(table.set_axis(range(7, 1507))).model
    assert judge(table).model != judge(table.assign(y_score=table["y_score"] * 0.99)).model


def test_the_policy_decides() -> None:
    result = judge(frame(), Policy(Evaluate(floors={"roc_auc": 0.99}, ceilings={})))
    assert (result.verdict, [check.status for check in result.checks if check.kind == "floor"]) == ("block", ["block"])
    assert "below the floor" in result.blocking_reasons()[0]


def test_a_champion_is_compared_and_named() -> None:
    table = frame()
    champion = table.assign(y_score=0.98 * table["y_score"] + 0.02 * table["y_score"].to_numpy()[::-1])
    result = judge(table, champion=champion)
    assert result.champion == judge(champion).model
    assert {check.status for check in result.checks if check.kind == "champion"} >= {"pass"}
    assert any(rates.rule == "champion" for rates in result.operating)


def test_how_often_a_worse_model_passes_is_not_said_from_one_that_ranks_every_row_alike() -> None:
    """Their difference has the standard error 0, by which every model worse by the margin would pass."""
    table = frame()
    result = judge(table, champion=table.assign(y_score=table["y_score"] ** 1.1))
    assert result.champion is not None
    assert [rates.rule for rates in result.operating] == ["floor"]


def test_what_other_thresholds_come_to_is_said_of_the_decisions_own_too() -> None:
    table = frame()
    policy = Policy(Evaluate.model_validate({"costs": {"false_negative": 5, "false_positive": 1}}))
    for favourable in ("below", "above"):
        result = judge(table, policy, decision=Decision(threshold=0.25, favourable=favourable))
        own = next(row for row in result.thresholds if row.threshold == 0.25)
        above, bad = table["y_score"] >= 0.25, table["y_true"] == 1
        approved = ~above if favourable == "below" else above
        cost = (5 * (bad & ~above).sum() + (above & ~bad).sum()) / len(table)
        found = (own.approval_rate, own.precision, own.recall, own.cost)
        assert found == pytest.approx((approved.mean(), bad[above].mean(), above[bad].mean(), cost))
        assert [row.threshold for row in result.thresholds] == sorted({row.threshold for row in result.thresholds})
    assert {row.cost for row in judge(table).thresholds} == {None}


def test_nothing_stale_passes() -> None:
    result = judge(frame(), stale=["the predictions are of another model"])
    assert result.verdict == "block"
    assert result.stale == ("the predictions are of another model",)
    assert "stale: the predictions" in result.blocking_reasons()[0]


def test_the_reuse_of_the_test_set_is_counted_and_stale_predictions_decide_nothing() -> None:
    first = judge(frame())
    assert first.test_set is not None
    assert first.test_set.models == 1
    before = [PastDecision(first.test_set.test_set, "f" * 64, first.policy, "pass")]
    again = judge(frame(), history=before)
    assert again.test_set is not None
    assert again.test_set.models == 2
    assert len(history_of(before, again).decisions) == 2
    assert len(history_of(before, judge(frame(), stale=["x"])).decisions) == 1


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (frame().drop(columns="y_score"), "`y_score` is missing"),
        (frame().assign(y_score=1.5), "`y_score` must hold probabilities"),
        (frame().assign(y_true=2), "`y_true` must hold 0 and 1"),
    ],
)
def test_a_frame_that_holds_no_predictions_is_refused(table: pd.DataFrame, words: str) -> None:
    with pytest.raises(InputError, match=words):
        judge(table)
