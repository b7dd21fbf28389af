"""Data that do not follow the schema are refused in one line, which names the column and how to fix it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import pytest

from lockgate.config.errors import InputError
from lockgate.data.validation import Role, check_frame
from lockgate.documents.schema_json import ROW_KEY, AuditColumn, Feature, Schema, TargetClasses

AGE = Feature("age", "numeric", True, True, (), 18.0, 99.0, "age")
REGION = Feature("region", "categorical", False, True, ("north", "south"), None, None, "region")
SCHEMA = Schema(
    target="default",
    classes=TargetClasses(("1",), ("0",)),
    features=(AGE, REGION),
    audit=(AuditColumn("sex", "categorical"),),
    id_columns=(),
    time_column=None,
    weight_column="weight",
    columns=(),
)


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            ROW_KEY: ["a", "b", "c", "d"],
            "age": [18.0, 99.0, np.nan, 40.0],
            "region": ["north", "south", None, "north"],
            "sex": ["f", None, "m", "f"],
            "weight": [0.5, 1.0, 2.0, 1.0],
            "default": np.array([0, 1, 0, 1], dtype="int8"),
        }
    )


def with_value(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table[column] = table[column].astype(object) if value is None else table[column]
        table.loc[0, column] = value
        return table

    return change


@pytest.mark.parametrize("role", ["train", "test", "current"])
def test_rows_that_follow_the_schema_pass(role: Role) -> None:
    check_frame(frame(), SCHEMA, role, "data.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="age"), "column `age` is missing; bring it back"),
        (lambda table: table.drop(columns="sex"), "column `sex` is missing; bring it back"),
        (lambda table: table.drop(columns="weight"), "column `weight` is missing; bring it back"),
        (
            lambda table: table.assign(age=list("wxyz")),
            "column `age` must hold numbers; correct the column or prepare.kinds",
        ),
        (lambda table: table.assign(age=[True] * 4), "column `age` must hold numbers"),
        (lambda table: table.assign(region=1.0), "column `region` must hold text"),
        (with_value("age", 17.5), "column `age` (1 rows, the first with 17.5) is below the lowest value allowed"),
        (with_value("age", 100.0), "column `age` (1 rows, the first with 100.0) is above the highest value allowed"),
        (with_value("region", "west"), "column `region` (1 rows, the first with west) has a value that the schema"),
        (with_value("weight", -1.0), "column `weight` (1 rows, the first with -1.0) must be above 0"),
        (with_value("weight", 0.0), "column `weight` (1 rows, the first with 0.0) must be above 0"),
        (with_value("weight", np.nan), "column `weight` (1 rows, the first with nan) must not be missing"),
        (with_value("default", 2), "column `default` (1 rows, the first with 2) has a value that the schema"),
        (with_value(ROW_KEY, "b"), f"column `{ROW_KEY}` (2 rows, the first with b) must be there once"),
        (with_value(ROW_KEY, None), f"column `{ROW_KEY}` (1 rows, the first with None) must not be missing"),
    ],
)
def test_rows_that_do_not_are_refused_by_name(change: Callable[[pd.DataFrame], pd.DataFrame], message: str) -> None:
    with pytest.raises(InputError) as refused:
        check_frame(change(frame()), SCHEMA, "train", "data.csv")
    assert str(refused.value).startswith(f"data.csv: {message}")


def test_a_test_row_may_have_a_category_that_training_did_not_see() -> None:
    check_frame(with_value("region", "west")(frame()), SCHEMA, "test", "data.csv")


def test_a_current_batch_may_have_extremes_and_needs_no_label() -> None:
    batch = frame().drop(columns=["default", "weight", "sex", ROW_KEY])
    batch.loc[0, "age"] = 1_000.0
    check_frame(batch, SCHEMA, "current", "batch.csv")
    with pytest.raises(InputError, match="column `age` must hold numbers"):
        check_frame(batch.assign(age="x"), SCHEMA, "current", "batch.csv")


def test_an_unbounded_feature_takes_any_number() -> None:
    schema = msgspec.structs.replace(
        SCHEMA, features=(msgspec.structs.replace(AGE, minimum=None, maximum=None), REGION)
    )
    check_frame(with_value("age", -1e9)(frame()), schema, "train", "data.csv")
