"""What `register` and `promote` do, step by step, with everything that they call replaced by a log of the calls.

That the steps do what they say with a real MLflow is tests/cli/test_registry.py's to show.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pandas as pd
import pytest
from verdicts import check, verdict

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Params
from lockgate.data.tables import Table, table_bytes
from lockgate.documents.gate_check import Check
from lockgate.documents.gate_json import AcceptedException, NewData
from lockgate.registry import promote as promote_module
from lockgate.registry import register as register_module
from lockgate.registry.mlflow_client import MlflowError
from lockgate.registry.promote import Comparison, promote
from lockgate.registry.promotions import Promotion
from lockgate.registry.register import Registration, register
from lockgate.registry.registry import Version

CLIENT = object()
TODAY = date(2026, 12, 31)
ROWS = pd.DataFrame({"x": [0.0, 1.0]})
TEST, TRAIN = Table(ROWS, "data/test.parquet", "7e" * 32), Table(ROWS, "data/train.parquet", "79" * 32)
BUNDLE: Any = SimpleNamespace(digest="b0" * 32, training_data="79" * 32, schema="the schema")
PARAMS = Params.model_validate({"register": {"model_name": "credit"}, "gate": {"champion": {"source": "registry"}}})
VERDICT = verdict("pass", check(), first_model=False)
REGISTERED = Version(4, BUNDLE.digest, "run 4", "9a" * 32)


@dataclass
class Calls:
    """What was called with what, and what each call gives back."""

    answers: dict[str, Any] = field(default_factory=dict)
    log: list[tuple[Any, ...]] = field(default_factory=list)

    def replace(self, monkeypatch: pytest.MonkeyPatch, module: Any, *names: str) -> None:
        for name in names:
            monkeypatch.setattr(module, name, self.call(name))

    def call(self, name: str) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            self.log.append((name, *arguments, *([options] if options else [])))
            answer = self.answers.get(name)
            if isinstance(answer, Exception):
                raise answer
            return answer(*arguments) if callable(answer) else answer

        return called

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, *arguments in self.log if called == name]  # type: ignore[misc]

    @property
    def names(self) -> list[str]:
        return [name for name, *_ in self.log]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A server that has version 4 of the bundle, and no champion."""
    made = Calls(
        {
            "connect": CLIENT,
            "registry_lock": lambda _name: nullcontext(),
            "bundle_features": "the features",
            "keep_lowest": REGISTERED,
            "store_files": "5f" * 32,
            "logged_model": lambda _client, run_id: f"model of {run_id}",
            "find_run": "run 4",
            "log_training": "run 9",
            "create_version": Version(5, BUNDLE.digest, "run 9", "5f" * 32),
            "shown_uri": "sqlite:///mlflow.db",
            "git_commit": "c0ffee",
            "run_origin": "trained here",
            "version_description": lambda _bundle, _verdict, model_id, _origin: f"about {model_id}",
            "version_uri": lambda _client, _name, version: f"uri of {version.number}",
            "is_signed": False,
            "promote_version": lambda *_: ["champion is it"],
        }
    )
    made.replace(
        monkeypatch, register_module,
        *("connect", "registry_lock", "bundle_features", "recheck", "aliased_version", "end_abandoned_runs", "keep_lowest"),
        *("find_run", "log_training", "log_evaluation", "store_files", "logged_model", "create_version", "tag_verdict"),
        *("version_uri", "is_signed", "move_forward", "promote_version", "shown_uri", "git_commit", "run_origin"),
        "version_description",
    )  # fmt: skip
    monkeypatch.setattr("lockgate.registry.register.time.time", lambda: 12.5)
    return made


class TestRegister:
    def test_a_new_bundle_becomes_a_version_of_the_run_that_trained_it(self, calls: Calls) -> None:
        calls.answers |= {"keep_lowest": None, "move_forward": "challenger is version 5"}
        made = register(BUNDLE, VERDICT, TEST, PARAMS, training_rows=TRAIN, files={"metrics.json": b"{}"}, today=TODAY)
        stored = {"gate.json": VERDICT.to_bytes(), "metrics.json": b"{}"}
        tags = {
            "lockgate.verdict": "pass",
            "lockgate.gate": "5f" * 32,
            "lockgate.test_data": VERDICT.data,
            "lockgate.policy": VERDICT.policy,
            "lockgate.training_data": "79" * 32,
            "lockgate.commit": "c0ffee",
        }
        assert calls.log == [
            ("bundle_features", BUNDLE, TEST, TRAIN, PARAMS.prepare),
            ("recheck", VERDICT, BUNDLE, "the features", "7e" * 32, PARAMS, "gate.json", {"today": TODAY}),
            ("connect",),
            ("registry_lock", "credit"),
            ("end_abandoned_runs", CLIENT, BUNDLE.digest, "credit", 12.5),
            ("keep_lowest", CLIENT, "credit", BUNDLE.digest),
            ("find_run", CLIENT, BUNDLE, "credit"),
            ("log_evaluation", CLIENT, "run 4", VERDICT),
            ("logged_model", CLIENT, "run 4"),
            ("store_files", CLIENT, "model of run 4", stored),
            ("git_commit",),
            ("run_origin", CLIENT, "run 4"),
            ("version_description", BUNDLE, VERDICT, "model of run 4", "trained here"),
            (
                "create_version",
                CLIENT,
                "credit",
                BUNDLE.digest,
                "run 4",
                "model of run 4",
                tags,
                "about model of run 4",
            ),
            ("shown_uri",),
            ("move_forward", CLIENT, "credit", "challenger", calls.answers["create_version"]),
        ]
        said = ("registered b0b0b0b0b0b0 as version 5 of credit at sqlite:///mlflow.db", "challenger is version 5")
        assert made == Registration(calls.answers["create_version"], True, said)

    def test_without_files_and_training_rows_the_verdict_alone_is_stored(self, calls: Calls) -> None:
        calls.answers |= {"keep_lowest": None, "git_commit": None}
        register(BUNDLE, VERDICT, ROWS, PARAMS)
        (_, seen, train, _), (*_, data, _, _, _) = calls.of("bundle_features")[0], calls.of("recheck")[0]
        assert (seen.name, seen.rows is ROWS, train) == ("the test rows", True, None)
        assert len(data) == 64
        assert data == sha256_bytes(table_bytes(ROWS))
        assert calls.of("store_files")[0][2] == {"gate.json": VERDICT.to_bytes()}
        assert calls.of("create_version")[0][5]["lockgate.commit"] == "unknown"

    def test_a_version_says_under_which_exception_to_the_policy_it_passed(self, calls: Calls) -> None:
        calls.answers |= {"keep_lowest": None}
        accepted = AcceptedException("the bureau changed its score", "the committee", "2026-12-31")
        register(BUNDLE, msgspec.structs.replace(VERDICT, exception=accepted), TEST, PARAMS, today=TODAY)
        said = "approved by the committee until 2026-12-31: the bureau changed its score"
        assert calls.of("create_version")[0][5]["lockgate.exception"] == said
        register(BUNDLE, VERDICT, ROWS, PARAMS, training_rows=ROWS)
        assert calls.of("bundle_features")[1][2].name == "the training rows"

    def test_a_bundle_that_nobody_trained_here_gets_a_run_of_its_own(self, calls: Calls) -> None:
        calls.answers |= {"keep_lowest": None, "find_run": None}
        report: Any = SimpleNamespace(model=BUNDLE.digest)
        register(BUNDLE, VERDICT, TEST, PARAMS, training=report)
        assert calls.of("log_training") == [[CLIENT, BUNDLE, report, "credit", "restored from DVC's cache"]]
        assert calls.of("log_evaluation") == [[CLIENT, "run 9", VERDICT]]
        assert calls.of("logged_model") == [[CLIENT, "run 9"]]
        assert calls.of("create_version")[0][3] == "run 9"
        with pytest.raises(
            InputError, match=r"^reports/train\.json does not exist; run `dvc repro train` or `dvc checkout`"
        ):
            register(BUNDLE, VERDICT, TEST, PARAMS)
        report.model = "0e" * 32
        with pytest.raises(
            InputError, match=r"^reports/train\.json is about another model than models/; run `dvc repro train`$"
        ):
            register(BUNDLE, VERDICT, TEST, PARAMS, training=report)

    def test_a_version_that_is_there_is_no_second_one(self, calls: Calls) -> None:
        made = register(BUNDLE, VERDICT, TEST, PARAMS)
        assert made == Registration(
            REGISTERED, False, ("b0b0b0b0b0b0 is version 4 of credit at sqlite:///mlflow.db already",)
        )
        assert not {"create_version", "find_run", "store_files", "tag_verdict", "is_signed"} & set(calls.names)

    @pytest.mark.parametrize(
        ("gate", "files", "is_signed", "stored"),
        [
            ("", {}, False, True),  # an attempt that was cut off before the verdict was stored
            ("9a", {"gate.json.dsse": b"e"}, False, True),  # signed since
            ("9a", {"gate.json.dsse": b"e"}, True, False),
            ("9a", {}, False, False),
            ("", {"gate.json.dsse": b"e"}, True, True),
        ],
    )
    def test_what_a_version_lacks_is_stored_with_it(
        self, calls: Calls, gate: str, files: dict[str, bytes], is_signed: bool, stored: bool
    ) -> None:
        version = Version(4, BUNDLE.digest, "run 4", gate)
        calls.answers |= {"keep_lowest": version, "is_signed": is_signed}
        register(BUNDLE, VERDICT, TEST, PARAMS, files=files)
        assert calls.of("is_signed") == ([["uri of 4"]] if files else [])
        if stored:
            assert calls.of("store_files") == [[CLIENT, "model of run 4", {"gate.json": VERDICT.to_bytes(), **files}]]
            assert calls.of("tag_verdict") == [[CLIENT, "credit", version, "5f" * 32]]
        else:
            assert not {"store_files", "tag_verdict"} & set(calls.names)

    def test_a_promotion_compares_with_the_champion_of_this_moment(self, calls: Calls) -> None:
        made = register(BUNDLE, VERDICT, TEST, PARAMS, promote=True)
        comparison = Comparison(CLIENT, "credit", BUNDLE, TEST, PARAMS)
        assert calls.of("promote_version") == [[CLIENT, "credit", REGISTERED, comparison]]
        assert made.events[1:] == ("champion is it",)
        assert calls.names.index("move_forward") < calls.names.index("promote_version")

    @pytest.mark.parametrize(("champion", "refused"), [(None, False), (3, False), (4, False), (5, True)])
    def test_a_version_that_was_there_does_not_replace_a_newer_champion(
        self, calls: Calls, champion: int | None, refused: bool
    ) -> None:
        calls.answers |= {"aliased_version": champion and Version(champion, "", "", "")}
        if refused:
            words = (
                "^credit: the champion is version 5, newer than this bundle's version 4; to roll back on purpose run "
                "`lockgate promote 4`$"
            )
            with pytest.raises(InputError, match=words):
                register(BUNDLE, VERDICT, TEST, PARAMS, promote=True)
        else:
            register(BUNDLE, VERDICT, TEST, PARAMS, promote=True)
        assert calls.of("aliased_version") == [[CLIENT, "credit", "champion"]]
        assert bool(calls.of("promote_version")) is not refused

    def test_a_new_version_is_newer_than_every_champion(self, calls: Calls) -> None:
        calls.answers |= {"keep_lowest": None, "aliased_version": Version(9, "", "", "")}
        register(BUNDLE, VERDICT, TEST, PARAMS, promote=True)
        assert calls.of("aliased_version") == []

    def test_a_worse_one_is_registered_and_not_promoted(self, calls: Calls) -> None:
        calls.answers |= {"promote_version": GateBlockedError("the champion stays")}
        with pytest.raises(GateBlockedError, match=r"^registered as version 4, and not promoted: the champion stays$"):
            register(BUNDLE, VERDICT, TEST, PARAMS, promote=True)
        assert "move_forward" in calls.names

    @pytest.mark.parametrize(
        ("champion", "source", "refused"),
        [
            (Version(1, "0e" * 32, "", ""), "registry", True),
            (Version(1, BUNDLE.digest, "", ""), "registry", False),
            (None, "registry", False),
            (Version(1, "0e" * 32, "", ""), "none", False),
        ],
    )
    def test_a_second_first_model_is_refused(
        self, calls: Calls, champion: Version | None, source: str, refused: bool
    ) -> None:
        params = Params.model_validate({**PARAMS.model_dump(by_alias=True), "gate": {"champion": {"source": source}}})
        calls.answers |= {"aliased_version": champion}
        first = verdict("pass", check(), first_model=True)
        if refused:
            with pytest.raises(
                InputError,
                match=r"^the gate was told that this is the first model, but credit has a champion, version 1; run",
            ):
                register(BUNDLE, first, TEST, params)
        else:
            register(BUNDLE, first, TEST, params)
        assert calls.of("aliased_version") == ([] if source == "none" else [[CLIENT, "credit", "champion"]])
        assert ("keep_lowest" in calls.names) is not refused


STOOD = check(kind="champion", value=0.012, low=-0.004, high=0.03, threshold=-0.01, reason="not worse")
CHAMPION = Version(3, "c4" * 32, "run 3", "")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """A comparison in which the bundle stands."""
    made = Calls(
        {
            "version_uri": lambda _client, _name, version: f"uri of {version.number}",
            "fetch_bundle": lambda _uri, digest: SimpleNamespace(digest=digest, schema=f"schema of {digest[:2]}"),
            "score_bundle": lambda bundle, _rows: f"scores of {bundle.digest[:2]}",
            "make_predictions": lambda *arguments: arguments,
            "compare_with_champion": lambda *_: (STOOD,),
            "data_defined_anew": None,
        }
    )
    names = ("version_uri", "fetch_bundle", "score_bundle", "make_predictions", "compare_with_champion", "check_frame")
    made.replace(monkeypatch, promote_module, *names, "data_defined_anew")
    return made


class TestComparison:
    comparison = Comparison(CLIENT, "credit", BUNDLE, TEST, PARAMS)

    def test_both_are_scored_here_on_the_same_rows(self, compared: Calls) -> None:
        said = self.comparison(CHAMPION)
        shown = "roc_auc differs by +0.0120 (-0.0040 to +0.0300, the margin is 0.01), not worse"
        assert said == f"compared with version 3: {shown}"
        assert compared.of("version_uri") == [[CLIENT, "credit", CHAMPION]]
        assert compared.of("fetch_bundle") == [["uri of 3", CHAMPION.digest]]
        assert compared.of("check_frame") == [
            [ROWS, f"schema of {CHAMPION.digest[:2]}", "test", "data/test.parquet"],
            [ROWS, "the schema", "test", "data/test.parquet"],
        ]
        own, theirs, policy = compared.of("compare_with_champion")[0]
        assert (own[1:3], own[4:]) == (("scores of b0", "the schema"), (BUNDLE.digest, "7e" * 32))
        assert (theirs[1:3], theirs[4:]) == (("scores of c4", "schema of c4"), (CHAMPION.digest, "7e" * 32))
        assert own[0] is theirs[0] is ROWS
        assert (policy.evaluate, policy.gate) == (PARAMS.evaluate, PARAMS.gate)

    def test_rows_that_no_file_holds_are_known_by_their_bytes(self, compared: Calls) -> None:
        Comparison(CLIENT, "credit", BUNDLE, Table(ROWS, "rows"), PARAMS)(CHAMPION)
        assert len({arguments[5] for arguments in compared.of("make_predictions")}) == 1
        assert compared.of("make_predictions")[0][5] == sha256_bytes(table_bytes(ROWS))

    @pytest.mark.parametrize("status", ["block", "inconclusive"])
    def test_a_worse_one_leaves_the_champion_where_it_is(self, compared: Calls, status: str) -> None:
        worse = check(status, kind="champion", value=-0.03, low=-0.04, high=-0.02, threshold=-0.01, reason="worse")
        other = Check("brier champion", "champion", "brier", status="block", reason="not defined")
        compared.answers |= {"compare_with_champion": lambda *_: (STOOD, worse, other)}
        shown = r"roc_auc differs by -0\.0300 \(-0\.0400 to -0\.0200, the margin is 0\.01\), worse; brier: not defined"
        words = rf"^version 3 of credit, the champion, stays: {shown}; nothing was moved$"
        with pytest.raises(GateBlockedError, match=words):
            self.comparison(CHAMPION)

    def test_what_is_only_shown_decides_nothing(self, compared: Calls) -> None:
        shown = Check("brier champion", "champion", "brier", value=0.5, status="not-applicable", reason="shown only")
        compared.answers |= {"compare_with_champion": lambda *_: (STOOD, shown)}
        assert "shown only" not in self.comparison(CHAMPION)

    def test_who_cannot_be_compared_with_stays(self, compared: Calls) -> None:
        compared.answers |= {"fetch_bundle": InputError("it is damaged")}
        words = "^version 3 of credit, the champion, cannot be compared with, so it stays: it is damaged; where the data are .*"
        with pytest.raises(GateBlockedError, match=words):
            self.comparison(CHAMPION)

    @pytest.mark.parametrize("after_synthetic", [True, False])
    @pytest.mark.parametrize("rule", [None, "thresholds", "block"])
    def test_on_data_defined_anew_the_policy_decides(
        self, compared: Calls, rule: str | None, after_synthetic: bool
    ) -> None:
        new_data = NewData(BUNDLE.digest, CHAMPION.digest, after_synthetic, ("the target is `bad`",))
        compared.answers |= {"data_defined_anew": new_data}
        params = Params.model_validate({"gate": {"champion": {"source": "registry", "new_data": rule}}})
        comparison = Comparison(CLIENT, "credit", BUNDLE, TEST, params)
        if rule == "thresholds" or (rule is None and after_synthetic):
            said = comparison(CHAMPION)
            assert said.startswith("replaces version 3 without a comparison: the data are defined anew, the thresholds")
        else:
            with pytest.raises(
                GateBlockedError, match=r"^version 3 of credit, the champion, stays: the data are .* `bad`"
            ):
                comparison(CHAMPION)
        assert compared.of("make_predictions") == []

    def test_a_server_that_does_not_work_is_no_reason_about_the_model(self, compared: Calls) -> None:
        compared.answers |= {"fetch_bundle": MlflowError("no answer")}
        with pytest.raises(MlflowError, match=r"^no answer$"):
            self.comparison(CHAMPION)

    def test_without_margins_nothing_is_compared(self, compared: Calls) -> None:
        params = Params.model_validate({"gate": {"champion": {"margins": {}}}})
        said = Comparison(CLIENT, "credit", BUNDLE, TEST, params)(CHAMPION)
        assert said == "gate.champion.margins is empty, so the thresholds alone decide"
        assert compared.log == []


class TestPromote:
    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> Calls:
        made = Calls(
            {
                "connect": CLIENT,
                "registry_lock": lambda _name: self.lock(made),
                "get_version": REGISTERED,
                "version_uri": "the uri",
                "fetch_bundle": BUNDLE,
                "fetch_verdict": SimpleNamespace(gate_json=VERDICT.to_bytes()),
                "read_promotions": [],
                "become_champion": lambda _client, _name, version, compare: Promotion(
                    1, 0, version.number, version.digest, "", "", compare(CHAMPION)
                ),
            }
        )
        names = ("connect", "registry_lock", "get_version", "version_uri", "fetch_bundle", "fetch_verdict")
        made.replace(monkeypatch, promote_module, *names, "read_promotions", "become_champion")
        return made

    def lock(self, calls: Calls) -> AbstractContextManager[None]:
        return nullcontext(calls.log.append(("locked",)))

    def test_a_former_champion_comes_back_without_a_comparison(self, calls: Calls) -> None:
        before = Promotion(1, 0, 4, BUNDLE.digest, "", "", "")
        calls.answers |= {"read_promotions": [before]}
        said = promote(PARAMS, 4, lambda _schema: pytest.fail("no rows are needed"))
        rollback = "it was champion before, so this is a rollback and nothing is compared"
        assert said == [f"champion is version 4 of credit (b0b0b0b0b0b0): {rollback}"]
        assert [entry[:4] for entry in calls.log[:-1]] == [
            ("connect",),
            ("registry_lock", "credit"),
            ("locked",),
            ("get_version", CLIENT, "credit", 4),
            ("version_uri", CLIENT, "credit", REGISTERED),
            ("fetch_bundle", "the uri", REGISTERED.digest),
            ("fetch_verdict", "the uri", REGISTERED.digest, REGISTERED.gate),
            ("read_promotions", CLIENT, "credit"),
        ]
        assert calls.log[-1][:4] == ("become_champion", CLIENT, "credit", REGISTERED)

    def test_any_other_is_compared_on_the_rows_that_it_was_judged_on(
        self, calls: Calls, compared: Calls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls.replace(monkeypatch, promote_module, "version_uri", "fetch_bundle")
        compared.answers |= {"make_predictions": "predictions"}
        schemas: list[Any] = []

        def read_rows(schema: Any) -> Table:
            schemas.append(schema)
            return Table(ROWS, "data/test.parquet", VERDICT.data)

        said = promote(PARAMS, 4, read_rows)
        assert said[0].startswith(
            "champion is version 4 of credit (b0b0b0b0b0b0): compared with version 3: roc_auc differs"
        )
        assert schemas == ["the schema"]
        assert compared.of("make_predictions")[0][5] == VERDICT.data

    def test_on_other_rows_nothing_can_be_compared(self, calls: Calls) -> None:
        words = (
            r"^data/test\.parquet does not hold the rows that version 4 was judged on, and it was never champion; check out "
            r"its commit and restore its data \(`dvc pull`\), or register it again on today's$"
        )
        with pytest.raises(InputError, match=words):
            promote(PARAMS, 4, lambda _schema: TEST)

    EXCEPTION = AcceptedException("the bureau changed its score", "the committee", TODAY.isoformat())

    @pytest.mark.parametrize(
        "promotions", [[], [Promotion(1, 0, 4, BUNDLE.digest, "", "", "")]], ids=["new", "rollback"]
    )
    @pytest.mark.parametrize(
        ("today", "why"),
        [(TODAY + timedelta(days=1), "it has ended"), (None, r"pass `today` to promote\(\) to tell whether it holds")],
    )
    def test_after_the_end_of_the_exception_that_it_passed_under_nobody_becomes_champion(
        self, calls: Calls, promotions: list[Promotion], today: date | None, why: str
    ) -> None:
        under = msgspec.structs.replace(VERDICT, exception=self.EXCEPTION)
        calls.answers |= {"fetch_verdict": SimpleNamespace(gate_json=under.to_bytes()), "read_promotions": promotions}
        words = (
            r"^version 4 of credit passed under an exception to the policy approved by the committee until 2026-12-31: the "
            rf"bureau changed its score; {why}, so the champion stays: promote a version that meets the policy, or have a "
            r"later day approved, gate the model again and register it$"
        )
        with pytest.raises(GateBlockedError, match=words):
            promote(PARAMS, 4, lambda _schema: pytest.fail("nothing is compared"), today=today)
        assert "become_champion" not in calls.names

    def test_up_to_its_last_day_the_exception_holds(self, calls: Calls) -> None:
        under = msgspec.structs.replace(VERDICT, exception=self.EXCEPTION)
        before = Promotion(1, 0, 4, BUNDLE.digest, "", "", "")
        calls.answers |= {"fetch_verdict": SimpleNamespace(gate_json=under.to_bytes()), "read_promotions": [before]}
        said = promote(PARAMS, 4, lambda _schema: TEST, today=TODAY)
        assert said[0].startswith("champion is version 4 of credit")
