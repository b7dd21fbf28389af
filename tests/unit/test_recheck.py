"""A pass is decided anew before a model is registered: whatever was changed in gate.json, nobody believes it."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_documents import documents_of
from support import FULL, sample
from verdicts import schema_of

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.params import Gate, Params, PolicyException
from lockgate.documents.gate_json import GateResult, NewData
from lockgate.documents.manifest_json import Origin, Source, SourceCheck
from lockgate.gate.evidence import Features, Policy
from lockgate.gate.judge import judge
from lockgate.gate.recheck import _agree, require_same_decision
from lockgate.model.predictions import Predictions

ROWS = 600
PARAMS = Params.model_validate(
    {
        "evaluate": {
            "floors": {"roc_auc": 0.6, "ks": 0.1},
            "ceilings": {"brier": 0.3},
            "slices": ["region"],
            "slice_floors": {"pr_auc": 0.1},
            "fairness": ["region"],
            "fairness_limits": {"adverse_impact_ratio": 0.5},
            "leakage": {"expected": ["x"]},
        },
        "gate": {"champion": {"source": "file", "margins": {"roc_auc": 0.01, "brier": 0.05}}},
    }
)
POLICY = Policy(PARAMS.evaluate, PARAMS.gate)


def made(digest: str, noise: float) -> Predictions:
    rng = np.random.default_rng(4)
    logit = 1.5 * rng.standard_normal(ROWS) - 0.5
    label = (rng.random(ROWS) < 1 / (1 + np.exp(-logit))).astype("int8")
    score = 1 / (1 + np.exp(-logit - noise * np.random.default_rng(9).standard_normal(ROWS)))
    keys = [f"r{i}" for i in range(ROWS)]
    table = pd.DataFrame(
        {"row_key": keys, "y_true": label, "y_score": score, "region": ["n", "s", "e"] * (ROWS // 3), "amount": 1.5}
    )
    return Predictions(table, digest, "d1" * 32, "amount")


def features_of(predictions: Predictions) -> Features:
    rng = np.random.default_rng(6)
    frames = [
        pd.DataFrame({"x": rng.random(ROWS), "w": rng.random(ROWS), "late": predictions.y_true}).assign(row_key=keys)
        for keys in (predictions.table["row_key"], [f"t{i}" for i in range(ROWS)])
    ]
    return Features(schema_of("late", x=(), w=()), *frames, params="e2" * 32)


ORIGIN = Origin(Source("synthetic", None), {})
CHALLENGER, CHAMPION = made("a1" * 32, 0.1), made("c3" * 32, 0.3)
FEATURES = features_of(CHALLENGER)


NEW_DATA = NewData("a1" * 32, "c3" * 32, True, ("the target is `late`, the champion's was `default`",))


CHAMPIONS: dict[str, Predictions | NewData | None] = {
    "compared": CHAMPION,
    "first": None,
    "unchanged": CHALLENGER,
    "equal scores": replace(CHALLENGER, model="f4" * 32),
    "data defined anew": NEW_DATA,
}


@cache
def judged(how: str) -> GateResult:
    """An honest pass, compared as `CHAMPIONS` says."""
    champion = CHAMPIONS[how]
    result = judge(
        CHALLENGER,
        POLICY,
        champion=champion,
        first_model=champion is None,
        features=FEATURES,
        decision=PARAMS.decision,
        source="synthetic",
    )
    assert result.verdict == "pass", result.blocking_reasons()
    return result


COMPARED = judged("compared")


def require(result: GateResult, champion: Predictions | NewData | None = CHAMPION) -> None:
    require_same_decision(result, CHALLENGER, FEATURES, ORIGIN, PARAMS, "gate.json", champion)


@pytest.mark.parametrize(
    ("how", "champion"),
    [
        ("compared", CHAMPION),
        ("compared", None),
        ("first", None),
        ("unchanged", None),
        ("equal scores", None),
        ("data defined anew", NEW_DATA),
        ("data defined anew", None),
    ],
    ids=[
        "compared",
        "compared with a champion that is not at hand",
        "first",
        "unchanged",
        "equal scores",
        "data defined anew",
        "data defined anew, as it says",
    ],
)
def test_an_honest_pass_is_decided_again_and_believed(how: str, champion: Predictions | NewData | None) -> None:
    require(judged(how), champion)
    require(GateResult.read(judged(how).to_bytes(), "gate.json"), champion)


@pytest.mark.parametrize(
    ("how", "champion"),
    [("data defined anew", CHAMPION), ("compared", NEW_DATA), ("first", NEW_DATA)],
    ids=["said of a champion that scores these rows", "not said", "called the first model"],
)
def test_whether_a_champion_is_comparable_is_found_again(how: str, champion: Predictions | NewData) -> None:
    with pytest.raises(InputError, match=r"^gate.json(: its|, or| has)"):
        require(judged(how), champion)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that holds no others, with the way to it."""
    if not isinstance(value, dict | list):
        yield path, value
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield from leaves(inner, (*path, key))


def changed(document: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A copy of `document` with `value` at `path`."""
    copied = copy.deepcopy(document)
    inner: Any = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


def other_values(value: Any, random_: random.Random) -> list[Any]:
    """What may stand in the place of a value: nudged, of the other sign or size, another word, nothing, or a word."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [
            value + random_.choice([-1e-3, 1e-3]),
            value * (1 + 1e-6) + 1e-6,
            -value - 1,
            10 * value + 1,
            None,
            str(value),
        ]
    if isinstance(value, str):
        words = [
            "pass",
            "warn",
            "block",
            "not-applicable",
            ">=",
            "<=",
            "=",
            "roc_auc",
            "brier",
            "floor",
            "champion",
            "f0" * 32,
        ]
        return [random_.choice([word for word in words if word != value]), value + "x", None, 1]
    return [1, 0.5, "ok", "a1" * 32]


def mutants(document: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Copies of gate.json with one thing changed: each field in a few ways, and each check dropped, doubled and moved."""
    random_ = random.Random(seed)  # noqa: S311
    found = [changed(document, path, value) for path, old in leaves(document) for value in other_values(old, random_)]
    checks = document["checks"]
    for i, check in enumerate(checks):
        found.append({**document, "checks": checks[:i] + checks[i + 1 :]})
        found.append({**document, "checks": [*checks, check]})
        found.append({**document, "checks": [*checks[:i], {**check, "name": f"{check['name']} again"}, *checks[i:]]})
        if i:
            found.append({**document, "checks": [check, *checks[:i], *checks[i + 1 :]]})
    for check in ("floor", "ceiling", "champion", "leakage", "slice"):
        found.append({**document, "checks": [one for one in checks if one["kind"] != check]})
    random_.shuffle(found)
    return found


PLAIN: dict[str, Any] = json.loads(COMPARED.to_bytes())


@cache
def mutants_of_plain() -> list[dict[str, Any]]:
    """Two hundred, drawn by a seed; what the test set judged before is the one thing that cannot be known again."""
    return [one for one in mutants(PLAIN, 20) if one["test_set"] == PLAIN["test_set"] and one != PLAIN][:200]


@pytest.mark.parametrize("number", sample(range(200), 25))
def test_no_mutant_of_an_honest_pass_is_believed(number: int) -> None:
    mutant = mutants_of_plain()[number]
    with pytest.raises((InputError, GateBlockedError), match=r"^gate\.json"):
        require(GateResult.read(json.dumps(mutant).encode(), "gate.json"))


def test_every_field_is_changed_by_some_mutant() -> None:
    before = dict(leaves(PLAIN))
    every = mutants(PLAIN, 20)
    assert len(every) > 1000
    seen = {path for mutant in every for path, value in leaves(mutant) if before.get(path, mutant) != value}
    assert before.keys() <= seen


def test_how_many_models_were_judged_before_cannot_be_known_again_but_has_to_add_up() -> None:
    reuse = COMPARED.test_set
    assert reuse is not None
    assert reuse.supported is not None
    more = msgspec.structs.replace(reuse, models=reuse.supported + 5, exhausted=True)
    require(msgspec.structs.replace(COMPARED, test_set=more))
    for wrong in (
        msgspec.structs.replace(more, exhausted=False),
        msgspec.structs.replace(more, tolerance=0.5),
        msgspec.structs.replace(more, supported=10**6, exhausted=False),
        msgspec.structs.replace(more, test_set="f0" * 32),
        None,
    ):
        with pytest.raises(InputError, match=r"^gate\.json"):
            require(msgspec.structs.replace(COMPARED, test_set=wrong))


@pytest.mark.parametrize(
    ("origin", "believed"),
    [
        (ORIGIN, {"synthetic"}),
        (Origin(Source("loans.csv", "b5" * 32), {}), {"compared", "unreadable"}),
        (None, {None}),
    ],
)
def test_how_the_source_was_held_against_the_bundles_fits_the_manifest(
    origin: Origin | None, believed: set[SourceCheck | None]
) -> None:
    stated: tuple[SourceCheck | None, ...] = ("synthetic", "compared", "unreadable", None)
    for source in stated:
        result = msgspec.structs.replace(COMPARED, source=source)
        if source in believed:
            require_same_decision(result, CHALLENGER, FEATURES, origin, PARAMS, "gate.json", CHAMPION)
        else:
            with pytest.raises(InputError, match="its `source` is not"):
                require_same_decision(result, CHALLENGER, FEATURES, origin, PARAMS, "gate.json", CHAMPION)


def test_a_pass_under_an_exception_that_has_ended_is_refused() -> None:
    exception = {"reason": "why", "approved_by": "who", "until": "2026-12-31"}
    gate = PARAMS.gate.model_copy(update={"exception": PolicyException.model_validate(exception)})
    params = PARAMS.model_copy(update={"gate": gate})

    def decide_again(made: date, now: date) -> None:
        policy = Policy(params.evaluate, params.gate)
        result = judge(
            CHALLENGER,
            policy,
            first_model=True,
            features=FEATURES,
            decision=params.decision,
            source="synthetic",
            today=made,
        )
        require_same_decision(result, CHALLENGER, FEATURES, ORIGIN, params, "gate.json", today=now)

    decide_again(date(2026, 12, 1), date(2026, 12, 31))
    with pytest.raises(
        InputError, match=r"^gate\.json is a pass under an exception to the policy approved by who until .* ended"
    ):
        decide_again(date(2026, 12, 1), date(2027, 1, 1))


class TestChampionThatIsNotAtHand:
    """Its numbers have to fit each other, the policy and the model's own."""

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("roc_auc champion", {"value": 0.02}),
            ("roc_auc champion", {"low": -0.001}),
            ("roc_auc champion", {"high": 0.2}),
            ("roc_auc champion", {"threshold": -0.02}),
            ("roc_auc champion", {"reason": "not worse than the champion by more than 0.01"}),
            ("roc_auc champion", {"confidence": 0.5}),
            ("brier champion", {"threshold": 0.06}),
            ("brier champion", {"reason": "better"}),
            ("brier champion", {"op": "", "threshold": None, "status": "not-applicable"}),
            ("ranking direction of the champion", {"value": 0.7, "low": 0.6}),
            ("ranking direction of the champion", {"reason": "certainly"}),
        ],
    )
    def test_a_number_that_does_not_fit_is_refused(self, name: str, change: dict[str, Any]) -> None:
        checks = tuple(
            msgspec.structs.replace(check, **change) if check.name == name else check for check in COMPARED.checks
        )
        with pytest.raises(InputError, match=r"^gate\.json"):
            require(msgspec.structs.replace(COMPARED, checks=checks), None)

    def test_its_error_rates_are_computed_again(self) -> None:
        for change in (
            {"standard_error": 0.001},
            {"blocks_good": 0.0},
            {"passes_worse": 0.0},
            {"score_correlation": 0.5},
        ):
            *own, of_champion = COMPARED.operating
            rates = msgspec.structs.replace(of_champion, **change)
            with pytest.raises(InputError, match=r"^gate\.json"):
                require(msgspec.structs.replace(COMPARED, operating=(*own, rates)), None)

    def test_a_first_model_where_there_is_a_champion_to_name_is_refused(self) -> None:
        with pytest.raises(InputError, match="compares with no champion"):
            require(msgspec.structs.replace(judged("first"), first_model=False), None)


BRIER_ALONE = PARAMS.model_copy(
    update={"gate": Gate.model_validate({"champion": {"source": "file", "margins": {"brier": 0.05}}})}
)


@pytest.mark.parametrize("champion", [CHAMPION, replace(CHALLENGER, model="f4" * 32)], ids=["another", "equal scores"])
def test_a_comparison_by_brier_alone_is_put_together_from_its_numbers(champion: Predictions) -> None:
    """Nothing but its reason then says how alike the scores are, since ROC-AUC decides nothing."""
    result = judge(
        CHALLENGER,
        Policy(BRIER_ALONE.evaluate, BRIER_ALONE.gate),
        champion=champion,
        features=FEATURES,
        decision=PARAMS.decision,
        source="synthetic",
    )
    require_same_decision(result, CHALLENGER, FEATURES, ORIGIN, BRIER_ALONE, "gate.json")
    without = tuple(check for check in result.checks if check.name != "roc_auc champion")
    with pytest.raises(
        InputError, match=r"^gate\.json names a champion, but lacks its ROC-AUC; run `lockgate gate` again$"
    ):
        require_same_decision(
            msgspec.structs.replace(result, checks=without), CHALLENGER, FEATURES, ORIGIN, BRIER_ALONE, "gate.json"
        )
    with pytest.raises(
        InputError, match=r"^gate\.json is a verdict under another policy than params\.yaml \(policy differs\)"
    ):
        require_same_decision(result, CHALLENGER, FEATURES, ORIGIN, PARAMS, "gate.json")


BY_BOUND = Params.model_validate(
    {
        "evaluate": {"floors": {"roc_auc": 0.6}, "ceilings": {"brier": 0.3}, "fairness": []},
        "gate": {
            "decide_on": "bound",
            "inconclusive": "warn",
            "champion": {"source": "file", "margins": {"roc_auc": 0.05, "pr_auc": 0.1}},
        },
    }
)


@pytest.mark.parametrize("champion", [CHAMPION, None], ids=["at hand", "not at hand"])
def test_a_pass_by_the_bound_is_decided_again_by_the_bound(champion: Predictions | None) -> None:
    policy = Policy(BY_BOUND.evaluate, BY_BOUND.gate)
    result = judge(
        CHALLENGER, policy, champion=CHAMPION, features=FEATURES, decision=PARAMS.decision, source="synthetic"
    )
    assert result.verdict == "pass", result.blocking_reasons()
    require_same_decision(result, CHALLENGER, FEATURES, ORIGIN, BY_BOUND, "gate.json", champion)
    # Brier is shown only, and nobody asks how its interval lies: a margin that is not shown to hold is inconclusive.
    worse = made("a1" * 32, 1.5)
    inconclusive = judge(
        worse, policy, champion=CHAMPION, features=FEATURES, decision=PARAMS.decision, source="synthetic"
    )
    assert inconclusive.verdict != "pass"
    with pytest.raises(InputError, match=r"^gate\.json says (block|inconclusive), not pass"):
        require_same_decision(inconclusive, worse, FEATURES, ORIGIN, BY_BOUND, "gate.json", champion)


def without_check(name: str) -> GateResult:
    return msgspec.structs.replace(COMPARED, checks=tuple(check for check in COMPARED.checks if check.name != name))


@pytest.mark.parametrize(
    ("result", "champion", "words"),
    [
        (
            msgspec.structs.replace(COMPARED, data="f0" * 32),
            CHAMPION,
            r"gate\.json is a verdict on other test data \(data differs\); run `lockgate gate` again",
        ),
        (
            msgspec.structs.replace(COMPARED, model="f0" * 32),
            CHAMPION,
            r"gate\.json is a verdict on another model than a1a1a1a1a1a1; run `lockgate gate` again: only a bundle that passed .*",
        ),
        (
            msgspec.structs.replace(COMPARED, verdict="block"),
            CHAMPION,
            r"gate\.json says block, not pass; run `lockgate gate` again: only a bundle that passed is registered or shipped",
        ),
        (
            msgspec.structs.replace(judged("first"), first_model=False),
            None,
            r"gate\.json compares with no champion, but gate\.champion\.source is file; run `lockgate gate --champion FILE`, or .*",
        ),
        (
            without_check("ks floor"),
            CHAMPION,
            r"gate\.json: its check `ks floor` is not what the bundle's own scores give \(pass at 0\.\d+\); run .* again",
        ),
        (
            msgspec.structs.replace(COMPARED, checks=COMPARED.checks[1:] + COMPARED.checks[:1]),
            CHAMPION,
            r"gate\.json has a check that this policy does not make, or another order of them; run `lockgate gate` again",
        ),
        (
            msgspec.structs.replace(COMPARED, inconclusive="warn"),
            CHAMPION,
            r"gate\.json: its `inconclusive` is not what the bundle's own scores give; run `lockgate gate` again",
        ),
        (
            without_check("ranking direction of the champion"),
            None,
            r"gate\.json names a champion, but lacks its ROC-AUC; run `lockgate gate` again",
        ),
        (
            without_check("brier champion"),
            None,
            r"gate\.json names a champion, but its brier check did not pass; run `lockgate gate` again",
        ),
    ],
)
def test_a_refusal_says_what_differs_and_how_to_fix_it(
    result: GateResult, champion: Predictions | None, words: str
) -> None:
    with pytest.raises(InputError, match=f"^{words}$"):
        require(result, champion)


@pytest.mark.parametrize(
    ("found", "expected", "agrees"),
    [
        (0.5, 0.5, True),
        (0.5 * (1 + 9e-10), 0.5, True),
        (0.5 * (1 + 2e-9), 0.5, False),
        (9e-13, 0.0, True),
        (2e-12, 0.0, False),
        (1, 1.0, True),
        (True, 1, False),
        (1, True, False),
        (True, True, True),
        (True, False, False),
        ("a", "a", True),
        ("a", "b", False),
        (None, None, True),
        (None, 0.0, False),
        (0.0, None, False),
        ("0.5", 0.5, False),
        ([1, 2], (1, 2), True),
        ([1, 2], (1, 3), False),
        ([1], (1, 2), False),
        ([1, 2, 3], (1, 2), False),
        (None, (), False),
        ("ab", ("a", "b"), False),
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
        ({"a": 1, "b": 3}, {"a": 1, "b": 2}, False),
        ({"b": 2, "a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ([("a", 1)], {"a": 1}, False),
    ],
)
def test_numbers_agree_to_their_last_digits_and_everything_else_exactly(
    found: Any, expected: Any, agrees: bool
) -> None:
    assert _agree(found, expected) is agrees


@settings(max_examples=500 if FULL else 30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(document=documents_of(GateResult))
def test_what_fits_the_schema_alone_is_read_or_refused_in_one_line_and_never_believed(document: Any) -> None:
    with pytest.raises((InputError, GateBlockedError), match=r"\Agate\.json[^\n]*\Z"):
        GateResult.read(json.dumps(document).encode(), "gate.json").require_pass(COMPARED.model, "gate.json")


@settings(max_examples=200 if FULL else 20, deadline=None)
@given(
    st.integers(0, 10_000),
    st.sampled_from(["point", "bound"]),
    st.sampled_from([None, 0.0, 0.1]),
    st.booleans(),
)
def test_whatever_the_gate_decides_holds_together(
    seed: int, decide_on: str, noise: float | None, is_weighted: bool
) -> None:
    """No honest verdict is one that its reader would refuse."""
    rng = np.random.default_rng(seed)
    rows = int(rng.choice([30, 80]))
    logit = 2 * rng.standard_normal(rows)
    label = (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)
    label[:2] = 0, 1
    score = np.round(1 / (1 + np.exp(-logit)), int(rng.choice([1, 6])))
    table = pd.DataFrame(
        {
            "row_key": range(rows),
            "y_true": label,
            "y_score": score,
            "g": rng.choice(["a", "b"], rows),
            "w": rng.random(rows) + 0.1,
        }
    )
    params = Params.model_validate(
        {
            "evaluate": {
                "floors": {"roc_auc": rng.random(), "ks": 0.1}, "ceilings": {"ece": 0.2, "log_loss": 1.0}, "slices": ["g"],
                "slice_floors": {"roc_auc": 0.4}, "slice_minimum": 5, "fairness": ["g"],
            },
            "gate": {"decide_on": decide_on, "sample": {"rows": 2, "per_class": 1}},
        }
    )  # fmt: skip
    champion = None
    if noise is not None:
        champion = table.assign(y_score=np.clip(score + noise * rng.standard_normal(rows), 0, 1))
    result = judge(
        table,
        Policy(params.evaluate, params.gate),
        champion=champion,
        weight_column="w" if is_weighted else None,
    )
    assert result.contradiction is None
    assert GateResult.read(result.to_bytes(), "gate.json") == result
