"""What is proposed of the columns of a table: by their names, by what stands in them, and by what somebody said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Params
from lockgate.config.params_text import Setting
from lockgate.data.column_facts import column_facts
from lockgate.data.names import check_names
from lockgate.data.proposal import Answers, Proposal, ProposedColumn, propose
from lockgate.data.source_table import source_of_frame

ROWS = 1000
RANDOM = np.random.default_rng(5)
NO_ANSWERS = Answers()
OUTCOME = np.where(np.arange(ROWS) % 4 == 0, 1, 0)


def proposal(answers: Answers = NO_ANSWERS, separator: str = ",", **columns: object) -> Proposal:
    """What is proposed of a table of these columns, a target and an amount, as a file with this separator holds it."""
    table = pd.DataFrame({"amount": RANDOM.lognormal(8, 1, ROWS), **columns})
    if "target" not in columns and answers.target is None:
        table["target"] = OUTCOME
    return propose(column_facts(replace(source_of_frame(table, "the table"), separator=separator)), answers)


def column(name: str, values: Sequence[object]) -> ProposedColumn:
    """What is proposed of this column."""
    return next(one for one in proposal(**{name: values}).columns if one.name == name)


def setting(found: Proposal, *path: str) -> object:
    """The value that params.yaml is to have at this path, None where it has none."""
    return next((one.value for one in found.settings if one.path == path), None)


def cycle(*values: object) -> list[object]:
    """These values again and again, shuffled, so that a column of them is no counter."""
    return list(RANDOM.permutation([values[row % len(values)] for row in range(ROWS)]))


class TestTarget:
    @pytest.mark.parametrize(
        "name",
        ["default.payment.next.month", "BAD", "TARGET", "class", "Risk", "loan_status", "Churn", "is_fraud", "y"],
    )
    def test_the_names_that_targets_have(self, name: str) -> None:
        table = pd.DataFrame({name: OUTCOME, "owner": cycle(0, 1), "amount": RANDOM.random(ROWS)})
        assert propose(column_facts(source_of_frame(table, "t"))).target.name == name

    def test_a_default_of_the_past_is_no_target(self) -> None:
        table = pd.DataFrame({"loan_status": OUTCOME, "default_on_file": cycle(0, 1), "previous_default": cycle(0, 1)})
        assert propose(column_facts(source_of_frame(table, "t"))).target.name == "loan_status"

    def test_a_mark_of_a_split_is_no_target(self) -> None:
        found = proposal(_is_test=cycle(True, False))
        assert found.target.name == "target"
        assert setting(found, "prepare", "kinds", "_is_test") == "drop"

    def test_two_that_are_alike_are_for_somebody_to_say(self) -> None:
        with pytest.raises(InputError, match=r"may be `label`, `target`.*--target"):
            proposal(target=OUTCOME, label=cycle(0, 1))
        assert proposal(Answers(target="label"), target=OUTCOME, label=cycle(0, 1)).target.name == "label"

    def test_a_column_of_two_values_that_nothing_calls_a_target_is_not_taken(self) -> None:
        table = pd.DataFrame({"term": cycle(36, 60), "amount": RANDOM.random(ROWS)})
        with pytest.raises(InputError, match="may be `term`"):
            propose(column_facts(source_of_frame(table, "t")))

    def test_without_two_classes_there_is_none(self) -> None:
        table = pd.DataFrame({"target": [1] * 10 + [0] * (ROWS - 10), "amount": RANDOM.random(ROWS)})
        with pytest.raises(InputError, match=r"at least 50 rows each.*--target"):
            propose(column_facts(source_of_frame(table, "t")))

    def test_one_that_is_not_there_is_named_with_the_nearest(self) -> None:
        with pytest.raises(InputError, match=r"no column `outcom`.*`outcome`"):
            proposal(Answers(target="outcom"), outcome=OUTCOME)

    def test_one_of_many_values_is_refused(self) -> None:
        with pytest.raises(InputError, match=r"`amount` has 1,000 values"):
            proposal(Answers(target="amount"), label=OUTCOME)


class TestClasses:
    @pytest.mark.parametrize(
        ("event", "other"),
        [
            ("bad", "good"),
            ("Charged Off", "Fully Paid"),
            ("Yes", "No"),
            ("y", "n"),
            ("default", "non-default"),
            ("Default", "paid"),
            ("churned", "active"),
            ("rejected", "good"),
            (1, -1),
        ],
    )
    @pytest.mark.parametrize("share", [3, 1])
    def test_words_tell_the_event_however_frequent_it_is(self, event: object, other: object, share: int) -> None:
        found = proposal(target=cycle(*[event] * (4 - share), *[other] * share))
        assert setting(found, "prepare", "positive") == str(event)

    def test_else_it_is_the_rarer_one_and_this_is_said(self) -> None:
        found = proposal(target=cycle(1, 1, 1, 2))
        assert setting(found, "prepare", "positive") == "2"
        assert "rarer" in found.classes.reason

    @pytest.mark.parametrize("values", [(0, 1), (False, True), (0.0, 1.0)])
    def test_what_prepare_takes_by_itself_is_not_written(self, values: tuple[object, object]) -> None:
        found = proposal(target=cycle(*values))
        assert found.classes.is_obvious
        assert setting(found, "prepare", "positive") is None

    def test_an_answer_counts(self) -> None:
        found = proposal(Answers(positive=("good",)), target=cycle("good", "bad", "bad"))
        assert setting(found, "prepare", "positive") == "good"
        with pytest.raises(InputError, match=r"no value godo.*`good`"):
            proposal(Answers(positive=("godo",)), target=cycle("good", "bad"))

    def test_answers_count_among_several_values(self) -> None:
        answers = Answers(target="state", positive=("a",), negative=("b", "c"))
        found = proposal(answers, state=cycle("a", "b", "c", "d"))
        assert setting(found, "prepare", "classes", "positive") == ["a"]
        assert setting(found, "prepare", "classes", "negative") == ["b", "c"]
        assert setting(found, "prepare", "classes", "left_out") == ["d"]

    def test_a_value_is_the_event_or_not(self) -> None:
        with pytest.raises(InputError, match="--positive or --negative"):
            proposal(Answers(positive=("good",), negative=("good",)), target=cycle("good", "bad"))

    def test_rows_without_an_outcome_are_left_out_and_counted(self) -> None:
        found = proposal(target=cycle("1", "0", "0", ""))
        assert setting(found, "prepare", "classes", "left_out") == [""]
        assert "250 rows whose outcome is not known" in found.classes.reason

    def test_of_several_values_known_words_decide_and_the_others_are_left_out(self) -> None:
        states = cycle("Fully Paid", "Fully Paid", "Charged Off", "Current", "Default", "In Grace Period")
        found = proposal(loan_status=states, target=cycle(1, 2, 3, 4, 5))
        assert found.target.name == "loan_status"
        assert setting(found, "prepare", "classes", "positive") == ["Charged Off", "Default"]
        assert setting(found, "prepare", "classes", "negative") == ["Fully Paid"]
        assert set(setting(found, "prepare", "classes", "left_out")) == {"Current", "In Grace Period"}  # type: ignore[call-overload]

    def test_of_several_values_that_do_not_tell_the_key_is_named(self) -> None:
        with pytest.raises(InputError, match=r"a \(\d+\).*--positive.*--negative"):
            proposal(Answers(target="state"), state=cycle("a", "b", "c"))


class TestIdentifiers:
    @pytest.mark.parametrize("name", ["ID", "loan_id", "SK_ID_CURR", "customerID", "loanid", "account_number", "key"])
    def test_a_name_and_another_value_in_each_row(self, name: str) -> None:
        assert column(name, RANDOM.permutation(ROWS) + 5000).use == "identifier"

    def test_codes_need_no_name(self) -> None:
        assert column("x", [f"LC{number}" for number in RANDOM.permutation(ROWS)]).use == "identifier"

    def test_of_two_the_one_whose_name_says_so(self) -> None:
        found = proposal(reference=RANDOM.permutation(ROWS), loan_id=RANDOM.permutation(ROWS))
        assert found.named("identifier") == ["loan_id"]
        assert setting(found, "prepare", "kinds", "reference") == "drop"

    def test_an_amount_is_none_even_where_no_two_rows_are_equal(self) -> None:
        assert column("balance", RANDOM.permutation(ROWS) * 7).use == "feature"

    def test_one_that_is_in_several_rows_is_left_out(self) -> None:
        one = column("customer_id", cycle(*range(400)))
        assert (one.use, one.declared) == ("dropped", "drop")

    @pytest.mark.parametrize(
        ("name", "declared"),
        [("Unnamed: 0", None), ("__index_level_0__", None), ("index", "drop"), ("rownames", "drop")],
    )
    def test_a_counter_is_left_out_by_prepare_itself_where_it_has_no_name(
        self, name: str, declared: str | None
    ) -> None:
        found = column(name, list(range(ROWS)))
        assert (found.use, found.reason, found.declared) == ("dropped", "counts the rows", declared)


class TestTimes:
    DAYS = pd.date_range("2021-01-01", periods=ROWS, freq="D")

    @pytest.mark.parametrize("typed", [True, False])
    def test_the_time_of_the_row_and_not_another(self, typed: bool) -> None:
        days = self.DAYS if typed else self.DAYS.strftime("%Y-%m-%d")
        found = proposal(birth_date=days, issue_date=days, last_payment_date=days, updated=days)
        assert found.named("time") == ["issue_date"]
        assert setting(found, "prepare", "kinds", "birth_date") == "drop"
        assert found.named("unavailable") == ["last_payment_date"]

    @pytest.mark.parametrize("form", ["%b-%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y-%m-%dT%H:%M:%S"])
    def test_whatever_form_of_dates_prepare_reads(self, form: str) -> None:
        assert column("issue_d", self.DAYS.strftime(form)).use == "time"

    def test_dates_that_can_be_read_in_two_ways_are_left_out(self) -> None:
        days = [f"{1 + row % 12:02}/{1 + row // 12 % 12:02}/2021" for row in range(ROWS)]
        one = column("issue_date", days)
        assert (one.use, one.declared) == ("dropped", "drop")
        assert "two ways" in one.reason

    def test_one_with_gaps_is_none(self) -> None:
        days = pd.Series(self.DAYS).where(np.arange(ROWS) % 10 > 0)
        assert column("issue_date", days).use == "dropped"


class TestKinds:
    def test_numbers_and_texts_are_what_they_are(self) -> None:
        assert column("age", cycle(*range(20, 70))).kind == "numeric"
        assert column("grade", cycle("A", "B", "C")).kind == "categorical"

    @pytest.mark.parametrize("name", ["EDUCATION", "region", "zip_code", "JobType"])
    def test_codes_by_their_name(self, name: str) -> None:
        one = column(name, cycle(1, 2, 3, 4))
        assert (one.use, one.kind, one.declared) == ("feature", "categorical", "categorical")

    @pytest.mark.parametrize("name", ["region_rating", "grade", "delinquencies"])
    def test_whole_numbers_with_an_order_stay_numbers(self, name: str) -> None:
        assert column(name, cycle(1, 2, 3, 4)).declared is None

    @pytest.mark.parametrize(
        ("cells", "words"),
        [
            (["12.5%", "7%"], "a percent sign"),
            (["$1,200", "$900"], "a currency"),
            ([" 1", "2 "], "spaces around them"),
            (["1,200", "12,345"], "thousands apart"),
        ],
    )
    def test_how_numbers_are_written_is_said(self, cells: list[str], words: str) -> None:
        one = column("amount_due", cycle(*cells))
        assert one.kind == "numeric"
        assert words in one.reason

    def test_a_sign_that_may_be_the_decimal_one_is_for_somebody_to_say(self) -> None:
        found = proposal(separator=";", amount_due=cycle("1,200", "12,345"))
        assert setting(found, "prepare", "kinds", "amount_due") == "drop"
        assert "prepare.read.decimal" in found.columns[1].reason

    def test_digits_with_a_leading_zero_are_texts(self) -> None:
        assert column("branch", cycle("007", "012", "100")).kind == "categorical"

    def test_free_text_is_left_out(self) -> None:
        assert column("remark", [f"they said {number} things" for number in range(ROWS)]).declared == "drop"

    def test_numbers_that_no_setting_reads_are_left_out_and_called_so(self) -> None:
        found = column("income", [f"{number}.5k" for number in range(ROWS)])
        assert (found.use, found.declared) == ("dropped", "drop")
        assert found.reason.startswith("numbers in a notation that is not read: write them in digits")
        assert found.facts.examples == ("0.5k", "1.5k", "2.5k")

    def test_texts_that_no_category_holds_are_left_out(self) -> None:
        assert column("remark", cycle("short", "long" * 300)).declared == "drop"

    def test_lists_are_left_out(self) -> None:
        assert column("history", [[1, 2]] * ROWS).declared == "drop"

    def test_a_constant_needs_no_word(self) -> None:
        one = column("country", ["NA-1"] * ROWS)
        assert (one.use, one.declared) == ("dropped", None)

    def test_a_text_among_numbers_is_missing(self) -> None:
        found = proposal(balance=cycle(*map(str, range(50)), "unknown"))
        assert found.missing_texts == ["unknown"]

    def test_but_not_where_it_means_something_in_another_column(self) -> None:
        found = proposal(balance=cycle(*map(str, range(10)), "other"), purpose=cycle("car", "other"))
        assert found.missing_texts == []
        found = proposal(balance=cycle(*map(str, range(10)), "bad"), target=cycle("good", "bad"))
        assert found.missing_texts == []
        found = proposal(balance=cycle(*map(str, range(10)), "other"), purpose=cycle("car", "other"))
        assert setting(found, "prepare", "kinds", "balance") == "categorical"


class TestOtherUses:
    @pytest.mark.parametrize("name", ["sex", "CODE_GENDER", "MARRIAGE", "is_foreign_worker"])
    def test_who_somebody_is(self, name: str) -> None:
        one = column(name, cycle(1, 2))
        assert (one.use, one.kind) == ("audit", "categorical")

    def test_a_sex_may_stand_in_a_column_of_another_name(self) -> None:
        assert column("personal_status", cycle("male single", "Female div/dep/mar", "male mar/wid")).use == "audit"
        assert column("housing_status", cycle("rent", "own", "for free")).use == "feature"

    @pytest.mark.parametrize("name", ["recoveries", "total_pymnt", "last_pymnt_amnt", "collection_recovery_fee"])
    def test_what_is_known_only_afterwards(self, name: str) -> None:
        assert column(name, RANDOM.random(ROWS)).use == "unavailable"

    def test_an_answer_is_instead_of_a_proposal(self) -> None:
        answers = Answers(columns={"identifier": (), "audit": ("region",)}, codes=("region",))
        found = proposal(answers, loan_id=RANDOM.permutation(ROWS), sex=cycle(1, 2), region=cycle(1, 2, 3))
        assert found.named("identifier") == []
        assert found.named("audit") == ["region"]
        assert setting(found, "prepare", "kinds", "region") == "categorical"
        assert setting(found, "prepare", "kinds", "sex") is None

    def test_a_column_has_one_use(self) -> None:
        with pytest.raises(InputError, match=r"`sex` cannot be identifier and audit"):
            proposal(Answers(columns={"identifier": ("sex",), "audit": ("sex",)}), sex=cycle(1, 2))


class TestSizes:
    def test_a_small_table_gets_a_larger_test_set(self) -> None:
        target = cycle(*[0] * 6, 1)  # 142 events, of which a quarter is below 50
        assert setting(proposal(target=target), "prepare", "test_size") == 0.4
        assert setting(proposal(), "prepare", "test_size") is None

    def test_one_that_is_too_small_is_said_to_be(self) -> None:
        found = proposal(target=cycle(*[0] * 11, 1))
        assert setting(found, "prepare", "test_size") == 0.5
        assert "83 of the rarer class" in found.warnings[0]

    def test_a_rare_event_gets_a_floor_that_can_be_reached(self) -> None:
        assert setting(proposal(target=cycle(*[0] * 9, 1)), "evaluate", "floors", "pr_auc") == 0.2
        assert setting(proposal(), "evaluate", "floors", "pr_auc") is None


class TestNames:
    @pytest.mark.parametrize(
        ("name", "new"),
        [
            ("income ", "income"),
            ("score", "given_score"),
            ("row_key", "given_row_key"),
            ("lockgate_x", "given_lockgate_x"),
            ('the "real" one', "the 'real' one"),
            ("in\u200bcome", "income"),
            ("e\u0301tat", "\u00e9tat"),
            ("TARGET", "TARGET_2"),
            ("n" * 300, "n" * 200),
        ],
    )
    def test_one_that_nothing_later_takes_is_another_one(self, name: str, new: str) -> None:
        found = proposal(target=OUTCOME, **{name: cycle(1, 2, 3)})
        assert setting(found, "prepare", "rename", name) == new
        check_names([new], "the table")

    def test_every_other_key_has_the_new_name(self) -> None:
        found = proposal(**{"sex ": cycle(1, 2), "region ": cycle(1, 2, 3)})
        assert setting(found, "prepare", "audit_columns") == ["sex"]
        assert setting(found, "prepare", "kinds", "region") == "categorical"

    def test_a_column_that_is_left_out_keeps_its_own(self) -> None:
        found = proposal(**{"remark ": [f"they said {number} things" for number in range(ROWS)]})
        assert setting(found, "prepare", "rename", "remark ") is None
        assert setting(found, "prepare", "kinds", "remark ") == "drop"


class TestPublicFiles:
    """Tables with the columns of public credit files, and values as they stand there."""

    @staticmethod
    def settings(table: pd.DataFrame) -> dict[str, object]:
        texts = table.astype(object).where(table.notna(), "").astype(str)
        found = propose(column_facts(replace(source_of_frame(texts, "the table"), separator=",")))
        return {".".join(one.path): one.value for one in found.settings}

    def test_german_credit_in_words(self) -> None:
        table = pd.DataFrame(
            {
                "Unnamed: 0": range(ROWS),
                "Age": cycle(*range(19, 76)),
                "Sex": cycle("male", "male", "female"),
                "Job": cycle(0, 1, 2, 2, 3),
                "Housing": cycle("own", "rent", "free"),
                "Saving accounts": cycle("NA", "little", "moderate", "quite rich", "rich"),
                "Checking account": cycle("little", "moderate", "NA", "rich"),
                "Credit amount": RANDOM.integers(250, 18_500, ROWS),
                "Duration": cycle(*range(4, 73)),
                "Purpose": cycle("radio/TV", "education", "car", "furniture/equipment"),
                "Risk": cycle("good", "good", "bad"),
            }
        )
        assert self.settings(table) == {
            "prepare.target": "Risk",
            "prepare.positive": "bad",
            "prepare.audit_columns": ["Sex"],
            "prepare.kinds.Job": "categorical",
        }

    def test_german_credit_in_codes(self) -> None:
        codes = {f"Attribute{number}": cycle(*(f"A{number}{one}" for one in range(1, 5))) for number in (1, 3, 4, 6)}
        amounts = {"Attribute2": cycle(*range(4, 73)), "Attribute5": RANDOM.integers(250, 18_500, ROWS)}
        few = {"Attribute8": cycle(1, 2, 3, 4), "Attribute18": cycle(1, 1, 2)}
        table = pd.DataFrame({**codes, **amounts, **few, "class": cycle(1, 1, 2)})
        assert self.settings(table) == {"prepare.target": "class", "prepare.positive": "2"}

    def test_loans_with_gaps_whose_target_is_not_the_last_column(self) -> None:
        rates = np.where(RANDOM.random(ROWS) < 0.1, np.nan, RANDOM.normal(11, 3, ROWS).round(2))
        table = pd.DataFrame(
            {
                "person_age": cycle(*range(20, 70)),
                "person_income": RANDOM.integers(4, 150, ROWS) * 1000,
                "person_home_ownership": cycle("RENT", "OWN", "MORTGAGE", "OTHER"),
                "loan_intent": cycle("PERSONAL", "EDUCATION", "MEDICAL"),
                "loan_grade": cycle("A", "B", "C"),
                "loan_int_rate": rates,
                "loan_status": cycle(0, 0, 0, 1),
                "cb_person_default_on_file": cycle(0, 0, 1),
                "cb_person_cred_hist_length": cycle(*range(2, 31)),
            }
        )
        assert self.settings(table) == {"prepare.target": "loan_status"}


def test_every_setting_is_one_of_params_yaml() -> None:
    """With the reason that stands behind it, one line each."""
    found = proposal(
        loan_id=RANDOM.permutation(ROWS),
        issue_date=pd.date_range("2021-01-01", periods=ROWS),
        sex=cycle(1, 2),
        recoveries=RANDOM.random(ROWS),
        remark=[f"they said {number} things" for number in range(ROWS)],
        target=cycle(*[0] * 9, 2),
    )
    document: dict[str, object] = {}
    for one in found.settings:
        assert isinstance(one, Setting)
        assert one.reason
        inner = document
        for key in one.path[:-1]:
            inner = inner.setdefault(key, {})  # type: ignore[assignment]
        inner[one.path[-1]] = one.value
    params = Params.model_validate(document)
    assert params.prepare.target == "target"
    assert params.prepare.kinds == {"sex": "categorical", "remark": "drop"}
    assert params.evaluate.floors == {"roc_auc": 0.7, "pr_auc": 0.2}
