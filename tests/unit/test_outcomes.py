"""Outcomes that come later find their decisions, or are refused with what is wrong and how many."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tabular import feature, schema_of

from lockgate.config.errors import InputError
from lockgate.config.params import Read
from lockgate.data.outcomes import (
    STORED,
    Joined,
    join_outcomes,
    log_columns,
    matching_labels,
    read_keys,
    read_outcomes,
    rows_of_keys,
)
from lockgate.data.source_table import source_of_frame
from lockgate.documents.schema_json import Schema, TargetClasses

MODEL, OTHER = "a" * 64, "b" * 64
SCHEMA = msgspec.structs.replace(
    schema_of(feature("income", 0), feature("row", 0)), classes=TargetClasses(("charged off",), ("paid",), ("open",))
)
IDENTIFIED = msgspec.structs.replace(SCHEMA, id_columns=("branch", "loan"))
TODAY = date(2026, 11, 27)


def log(rows: int = 6, **columns: Any) -> pa.Table:
    """Decisions of single requests r0, r1, ... on loans 0, 1, ... of one branch."""
    frame = pd.DataFrame(
        {
            "lockgate_request_id": [f"r{one}" for one in range(rows)],
            "lockgate_row": 0,
            "lockgate_time": pd.Timestamp("2026-03-01T12:00Z"),
            "lockgate_digest": MODEL,
            "branch": "007",
            "loan": [str(one) for one in range(rows)],
        }
    ).assign(**columns)
    return pa.Table.from_pandas(frame, preserve_index=False)


def add(
    rows: dict[str, Any],
    decisions: pa.Table | None = None,
    stored: pa.Table | None = None,
    schema: Schema = SCHEMA,
    digest: str = MODEL,
    allow_unknown: bool = False,
) -> Joined:
    table = replace(source_of_frame(pd.DataFrame(rows), "june.csv"), read_on=TODAY)
    decisions = log() if decisions is None else decisions
    columns = decisions.select([name for name in log_columns(schema) if name in decisions.column_names])
    half = decisions.num_rows // 2
    return join_outcomes(
        read_outcomes(table, schema, Read()),
        [columns[:half], columns[half:]],
        STORED.empty_table() if stored is None else stored,
        digest,
        allow_unknown=allow_unknown,
        where="june.csv",
        log_name="decisions/",
    )


def labels(joined: Joined) -> dict[tuple[str, int], int]:
    rows = joined.rows.to_pylist()
    return {(row["lockgate_request_id"], row["lockgate_row"]): row["lockgate_label"] for row in rows}


@pytest.mark.parametrize("name", ["request_id", "lockgate_request_id"])
def test_by_request_id(name: str) -> None:
    joined = add({name: ["r3", "r1", "r5"], "y": ["paid", "charged off", "paid"], "more": [1, 2, 3]})
    assert labels(joined) == {("r3", 0): 0, ("r1", 0): 1, ("r5", 0): 0}
    assert joined.rows.schema == STORED
    assert joined.rows.to_pylist()[0]["lockgate_time"] == pd.Timestamp("2026-03-01T12:00Z")
    assert joined.summary(0, "outcomes/") == "added 3 outcomes to outcomes/, 1 of them events"


def test_by_identifiers_which_are_exact_texts() -> None:
    rows = {"loan": [3, 1], "branch": ["007", "007"], "y": ["paid", "charged off"]}
    assert labels(add(rows, schema=IDENTIFIED)) == {("r3", 0): 0, ("r1", 0): 1}
    with pytest.raises(InputError, match=r"did not make in decisions/: 2, such as '7' '3', '7' '1'"):
        add({**rows, "branch": [7, 7]}, schema=IDENTIFIED)


def test_the_request_id_goes_before_identifiers() -> None:
    rows = {"request_id": ["r3"], "loan": ["1"], "branch": ["007"], "y": ["paid"]}
    assert labels(add(rows, schema=IDENTIFIED)) == {("r3", 0): 0}


def test_an_identifier_called_request_id_is_one() -> None:
    schema = msgspec.structs.replace(SCHEMA, id_columns=("request_id",))
    decisions = log().append_column("request_id", pa.array(["x", "y", "z", "u", "v", "w"]))
    assert labels(add({"request_id": ["z"], "y": ["paid"]}, decisions, schema=schema)) == {("r2", 0): 0}


def test_rows_of_a_batch_by_their_place() -> None:
    decisions = log(lockgate_request_id="r", lockgate_row=np.arange(6))
    rows = {"request_id": ["r", "r"], "lockgate_row": [0, 5], "y": ["charged off", "paid"]}
    assert labels(add(rows, decisions)) == {("r", 0): 1, ("r", 5): 0}
    with pytest.raises(InputError, match=r"such as 'r' .row 6.; leave them out"):
        add({**rows, "lockgate_row": [0, 6]}, decisions)
    with pytest.raises(
        InputError, match=r"more than one decision for 1, such as 'r'; these are batches: say in a column `row`"
    ):
        add({"request_id": ["r"], "y": ["paid"]}, decisions)


def test_a_feature_called_row_is_no_place() -> None:
    assert labels(add({"request_id": ["r1"], "row": [7.5], "y": ["paid"]})) == {("r1", 0): 0}


def test_rows_without_an_outcome_yet_are_counted() -> None:
    rows = {"request_id": ["r1", "r2", "r3", "r4"], "y": ["paid", None, "", "open"]}
    table = source_of_frame(pd.DataFrame(rows), "june.csv")
    found = read_outcomes(table, SCHEMA, Read())
    assert (found.unlabelled, list(found.labels)) == (3, [0])
    assert add(rows).summary(3, "o") == "added 1 outcomes to o, 0 of them events; 3 rows have no outcome yet"


def test_the_same_again_changes_nothing() -> None:
    rows = {"request_id": ["r1", "r2"], "y": ["paid", "charged off"]}
    once = add(rows)
    again = add(rows, stored=once.rows)
    assert (again.rows.num_rows, again.known) == (0, 2)
    assert again.summary(0, "outcomes/") == "nothing to add to outcomes/; 2 were known already"
    more = add({"request_id": ["r2", "r4"], "y": ["charged off", "paid"]}, stored=once.rows)
    assert (labels(more), more.known) == ({("r4", 0): 0}, 1)


def test_only_decisions_of_the_model_count() -> None:
    decisions = pa.concat_tables([log(3), log(3, lockgate_request_id=["s0", "s1", "s2"], lockgate_digest=OTHER)])
    by_loan = {"loan": ["1"], "branch": ["007"], "y": ["paid"]}
    assert labels(add(by_loan, decisions, schema=IDENTIFIED)) == {("r1", 0): 0}
    assert labels(add(by_loan, decisions, schema=IDENTIFIED, digest=OTHER)) == {("s1", 0): 0}
    with pytest.raises(InputError, match=r"'s1'.*1 of them are decisions of another model; name it with --digest"):
        add({"request_id": ["s1", "x"], "y": ["paid", "paid"]}, decisions)


def test_what_the_log_does_not_have_may_be_left_out_and_is_counted() -> None:
    rows = {"request_id": ["x", "r1", "y", "z", "u"], "y": ["paid"] * 5}
    with pytest.raises(
        InputError,
        match=r"did not make in decisions/: 4, such as 'x', 'y', 'z'; leave them out, or give --allow-unknown",
    ):
        add(rows)
    joined = add(rows, allow_unknown=True)
    assert (labels(joined), joined.unknown) == ({("r1", 0): 0}, 4)
    assert joined.summary(0, "o").endswith("; 4 are of no decision in the log")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another class": ({"request_id": ["r1", "r2"], "y": ["paid", "gone"]}, r"`y` holds 'gone' in row 2 \(1 such\)"),
    "twice": ({"request_id": ["r1", "r2", "r1"], "y": ["paid"] * 3}, r"more than once \(2, such as 'r1' *\)"),
    "twice, and differently": ({"request_id": ["r1", "r1"], "y": ["paid", "charged off"]}, "more than once"),
    "no label at all": ({"request_id": ["r1"], "y": [None]}, "no row has an outcome in `y`"),
    "no label column": ({"request_id": ["r1"]}, "no column `y`, which holds the outcome"),
    "no key": ({"y": ["paid"]}, r"no column `request_id` or `lockgate_request_id`; write it as the service answered it, or"),
    "a missing key": ({"request_id": ["r1", None], "y": ["paid"] * 2}, r"`request_id` has 1 missing values, the first in row 2"),
    "no place": ({"request_id": ["r1"], "lockgate_row": ["first"], "y": ["paid"]}, "holds 'first' in row 1"),
    "a day to come": ({"request_id": ["r1", "r2"], "outcome_date": ["2026-05-01", "2062-05-01"], "y": ["paid"] * 2},
                      r"1 days to come, the first in row 2, 2062-05-01"),
    "a day before the decision": ({"request_id": ["r1", "r2"], "outcome_date": ["2026-05-01", "2026-02-28"], "y": ["paid"] * 2},
                                  r"known before their decision: 1, such as 'r2' .row 0."),
    "no day": ({"request_id": ["r1"], "outcome_date": ["soon"], "y": ["paid"]}, "holds 'soon'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case: str) -> None:
    rows, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        add(rows)


def test_identifiers_that_the_file_lacks_are_named() -> None:
    with pytest.raises(InputError, match=r"and no identifier `branch`, `loan`; write one of them; docs/outcomes.md"):
        add({"loan": ["1"], "y": ["paid"]}, schema=IDENTIFIED)


def test_a_contradiction_to_what_is_stored_is_refused() -> None:
    stored = add({"request_id": ["r1", "r2"], "y": ["paid", "paid"]}).rows
    with pytest.raises(
        InputError, match=r"contradict what is stored: 1, such as 'r2' .row 0.; correct them, or take the stored"
    ):
        add({"request_id": ["r1", "r2", "r3"], "y": ["paid", "charged off", "paid"]}, stored=stored)


def test_two_decisions_for_one_identifier_need_request_ids() -> None:
    decisions = log(loan=["0", "1", "1", "2", "3", "3"])
    rows = {"loan": ["1", "2"], "branch": ["007", "007"], "y": ["paid", "paid"]}
    with pytest.raises(InputError, match=r"more than one decision for 1, such as '007' '1'; write the request ids"):
        add(rows, decisions, schema=IDENTIFIED)
    assert labels(add({"loan": ["2"], "branch": ["007"], "y": ["paid"]}, decisions, schema=IDENTIFIED)) == {
        ("r3", 0): 0
    }


NOON, LATER = pd.Timestamp("2026-03-01T12:00Z"), pd.Timestamp("2026-03-01T12:00:00.000001Z")
TIMES = [NOON, NOON, LATER, NOON, NOON, NOON]
TWO_OF_ONE_ID = {"lockgate_request_id": ["r0", "r1", "r1", "r3", "r4", "r5"], "lockgate_time": TIMES}


def test_requests_that_share_an_id_are_refused_with_what_tells_them_apart() -> None:
    for row in ({}, {"lockgate_row": [0]}):
        with pytest.raises(
            InputError,
            match=r"more than one decision for 1, such as 'r1'.*; several requests had the same id: copy `lockgate_time` and "
            "`lockgate_row` from the log beside the `request_id`",
        ):
            add({"request_id": ["r1"], "y": ["paid"], **row}, log(**TWO_OF_ONE_ID))
    assert labels(add({"request_id": ["r3"], "y": ["paid"]}, log(**TWO_OF_ONE_ID))) == {("r3", 0): 0}


@pytest.mark.parametrize("copied", [[LATER, NOON], ["2026-03-01T12:00:00.000001Z", "2026-03-01 12:00:00+00:00"]])
def test_requests_that_share_an_id_are_told_apart_by_their_time(copied: list[Any]) -> None:
    decisions = log(**TWO_OF_ONE_ID)
    rows = {"request_id": ["r1", "r3"], "lockgate_time": copied, "y": ["charged off", "paid"]}
    joined = add(rows, decisions)
    assert np.array_equal(
        matching_labels(decisions, joined.rows), [np.nan, np.nan, 1, 0, np.nan, np.nan], equal_nan=True
    )
    assert (add(rows, decisions, joined.rows).rows.num_rows, add(rows, decisions, joined.rows).known) == (0, 2)
    other = add({"request_id": ["r1"], "lockgate_time": [NOON], "y": ["paid"]}, decisions, joined.rows)
    assert (labels(other), other.known) == ({("r1", 0): 0}, 0)
    both = pa.concat_tables([joined.rows, other.rows])
    assert np.array_equal(matching_labels(decisions, both), [np.nan, 0, 1, 0, np.nan, np.nan], equal_nan=True)


def test_a_time_that_the_log_does_not_have_is_no_decision() -> None:
    rows = {"request_id": ["r1"], "lockgate_time": ["2026-03-01T12:00:01Z"], "y": ["paid"]}
    with pytest.raises(
        InputError, match=r"did not make in decisions/: 1, such as 'r1' of 2026-03-01T12:00:01\+00:00; leave"
    ):
        add(rows)
    with pytest.raises(InputError, match=r"`lockgate_time` holds numbers; copy it from the log"):
        add({**rows, "lockgate_time": [1772366400]})
    with pytest.raises(InputError, match=r"column `lockgate_time` has 1 missing values, the first in row 1"):
        add({**rows, "lockgate_time": [None]})


def test_an_id_that_two_models_answered_labels_the_one_that_is_meant() -> None:
    decisions = log(2, lockgate_request_id="r0", lockgate_digest=[MODEL, OTHER])
    joined = add({"request_id": ["r0"], "y": ["charged off"]}, decisions, digest=OTHER)
    assert np.array_equal(matching_labels(decisions, joined.rows), [np.nan, 1], equal_nan=True)
    assert add({"request_id": ["r0"], "y": ["paid"]}, decisions, joined.rows).rows.num_rows == 1
    rows = {"request_id": ["r0", "r0"], "lockgate_digest": [MODEL, OTHER], "y": ["paid", "charged off"]}
    with pytest.raises(
        InputError, match=r"1, such as 'r0' by model bbbbbbbbbbbb \(1 of them are decisions of another model"
    ):
        add(rows, decisions)
    assert add(rows, decisions, allow_unknown=True).rows["lockgate_digest"].to_pylist() == [MODEL]


def test_a_decision_that_the_log_has_twice_takes_no_outcome() -> None:
    stored = add({"request_id": ["r1"], "y": ["paid"]}).rows
    twice = pa.concat_tables([log(), log(2)])
    message = r"rows of the same request id, row, model and time: 2, such as 'r1' .row 0. of 2026-03-01T12:00:00.*remove the copy"
    for rows, schema in (({"request_id": ["r1"]}, SCHEMA), ({"loan": ["1"], "branch": ["007"]}, IDENTIFIED)):
        with pytest.raises(InputError, match=message):
            add({**rows, "y": ["paid"]}, twice, schema=schema)
    with pytest.raises(InputError, match=message):
        matching_labels(twice, stored)
    assert np.isnan(matching_labels(twice, STORED.empty_table())).all()


def test_an_identifier_that_is_a_feature_is_joined_by_the_text_of_its_number() -> None:
    decisions = log(loan=[0.0, 1.0, 2.0, 3.0, 4.0, 5.5])
    rows = {"loan": ["2", "5.5"], "branch": ["007", "007"], "y": ["paid", "charged off"]}
    assert labels(add(rows, decisions, schema=IDENTIFIED)) == {("r2", 0): 0, ("r5", 0): 1}


@pytest.mark.parametrize(("column", "values"), [("lockgate_row", "first"), ("lockgate_time", "soon")])
def test_a_table_that_is_no_log_is_named(column: str, values: str) -> None:
    with pytest.raises(InputError, match=f"column `{column}` of the log holds .*: it is no decision log"):
        add({"request_id": ["r1"], "y": ["paid"]}, log(**{column: values}))


def test_two_names_of_one_decision_are_refused() -> None:
    rows = {"request_id": ["r1", "r1"], "lockgate_row": [0, 1], "y": ["paid", "paid"]}
    with pytest.raises(InputError, match=r"such as 'r1' .row 1."):
        add(rows)


def test_a_log_of_another_model_is_named() -> None:
    with pytest.raises(InputError, match=r"no decision of model bbbbbbbbbbbb; the models in it are `aaaaaaaaaaaa`"):
        add({"request_id": ["r1"], "y": ["paid"]}, digest=OTHER)


def test_a_model_may_be_named_as_messages_name_it() -> None:
    rows = {"request_id": ["r1"], "y": ["paid"]}
    assert labels(add(rows, digest=MODEL[:12])) == {("r1", 0): 0}
    both = pa.concat_tables([log(3), log(3, lockgate_request_id=["s0", "s1", "s2"], lockgate_digest="a" * 63 + "b")])
    with pytest.raises(
        InputError, match="no decision of model aaaaaaaaaaaa; the models in it are `aaaaaaaaaaaa`, `aaaaaaaaaaaa`"
    ):
        add(rows, both, digest="a" * 12)
    assert labels(add(rows, both)) == {("r1", 0): 0}


def test_a_log_without_identifiers_says_how_to_send_them() -> None:
    decisions = log(loan=None, branch=None)
    with pytest.raises(
        InputError, match=r"has the identifier `branch`, `loan`; write request ids, or send it with each request"
    ):
        add({"loan": ["2"], "branch": ["007"], "y": ["paid"]}, decisions, schema=IDENTIFIED)


def test_decisions_without_an_identifier_join_to_none() -> None:
    decisions = log(loan=["0", None, None, "3", "4", "5"])
    rows = {"loan": ["3"], "branch": ["007"], "y": ["charged off"]}
    assert labels(add(rows, decisions, schema=IDENTIFIED)) == {("r3", 0): 1}


def test_stored_outcomes_are_the_labels_of_their_decisions() -> None:
    stored = add({"request_id": ["r4", "r0"], "y": ["charged off", "paid"]}).rows
    found = matching_labels(log(), stored)
    assert np.array_equal(found, [0, np.nan, np.nan, np.nan, 1, np.nan], equal_nan=True)
    assert np.isnan(matching_labels(log(), STORED.empty_table())).all()


def test_an_outcome_that_is_stored_twice_counts_once() -> None:
    stored = add({"request_id": ["r4", "r0"], "y": ["charged off", "paid"]}).rows
    twice = pa.concat_tables([stored, stored])
    found = matching_labels(log(), twice)
    assert np.array_equal(found, [0, np.nan, np.nan, np.nan, 1, np.nan], equal_nan=True)
    assert add({"request_id": ["r4", "r1"], "y": ["charged off", "paid"]}, stored=twice).known == 1
    other = stored.set_column(
        stored.schema.get_field_index("lockgate_label"), "lockgate_label", pa.array([1, 1], "int8")
    )
    with pytest.raises(
        InputError, match=r"two outcomes are stored for one decision: 2, such as 'r0' .row 0.; take them"
    ):
        matching_labels(log(), pa.concat_tables([stored, other]))


@pytest.mark.parametrize("column", ["lockgate_request_id", "lockgate_row"])
def test_a_decision_without_a_place_takes_no_outcome(column: str) -> None:
    rows = {"loan": ["2", "3"], "branch": ["007", "007"], "y": ["paid", "paid"]}
    with pytest.raises(
        InputError, match=r"june.csv: 2 outcomes are of decisions that have no `lockgate_request_id` or no"
    ):
        add(rows, log(**{column: None}), schema=IDENTIFIED)


@pytest.mark.parametrize("empty", [None, "", " ", np.nan])
def test_days_of_which_none_is_known_are_none(empty: object) -> None:
    joined = add({"request_id": ["r1", "r2"], "outcome_date": [empty, empty], "y": ["paid", "paid"]})
    assert joined.rows["lockgate_outcome_date"].to_pylist() == [None, None]


def test_keys_name_the_rows_of_a_log() -> None:
    keys = read_keys(source_of_frame(pd.DataFrame({"loan": [2, 9, 2], "branch": "007"}), "left.csv"), IDENTIFIED)
    assert list(rows_of_keys(keys, log())) == [False, False, True, False, False, False]
    assert not rows_of_keys(keys, log().drop_columns(["loan"])).any()
    requests = read_keys(source_of_frame(pd.DataFrame({"request_id": ["r0", "r5"]}), "left.csv"), IDENTIFIED)
    assert list(np.flatnonzero(rows_of_keys(requests, log()))) == [0, 5]
    batch = log(lockgate_request_id="r0", lockgate_row=np.arange(6))
    assert rows_of_keys(requests, batch).all()
    one = source_of_frame(pd.DataFrame({"request_id": ["r1"], "lockgate_time": [LATER]}), "left.csv")
    assert list(np.flatnonzero(rows_of_keys(read_keys(one, IDENTIFIED), log(**TWO_OF_ONE_ID)))) == [2]
