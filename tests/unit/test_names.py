"""What a column and a category may be called, and that every refusal is one line that can be read."""

from __future__ import annotations

import re

import pandas as pd
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from tabular import feature, schema_of

from lockgate.config.errors import InputError
from lockgate.config.params import Prepare
from lockgate.data.dataset import infer_features, prepare
from lockgate.data.names import MAX_NAME, MAX_TEXT, check_names, quoted
from lockgate.documents.schema_json import Schema
from lockgate.service.api.request_types import request_types


def table(**columns: object) -> pd.DataFrame:
    rows = 400
    base = pd.DataFrame({"income": range(rows), "default": [0, 1] * (rows // 2)})
    return base.assign(**columns)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (" ", "has no name"),
        ("income ", "a space at an end"),
        ("\u00a0income", "a space at an end"),
        ("a\nb", "cannot be seen, U+000A"),
        ("a\x00b", "cannot be seen, U+0000"),
        ("a\x7fb", "cannot be seen, U+007F"),
        ("a\x85b", "cannot be seen, U+0085"),
        ("a\u2028b", "cannot be seen, U+2028"),
        ("a\u202eb", "cannot be seen, U+202E"),
        ("a\u200bb", "cannot be seen, U+200B"),
        ("a\ud800b", "cannot be seen, U+D800"),
        ('a"b', 'has " in its name'),
        ("a\\b", "has \\ in its name"),
        ("cafe\u0301", "Unicode's form NFC"),
        ("x" * (MAX_NAME + 1), f"a name of {MAX_NAME + 1} characters, and {MAX_NAME} are the most"),
    ],
)
def test_a_name_that_something_later_cannot_take_is_refused(name: str, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        check_names(["income", name], "loans.csv")
    line = str(refused.value)
    assert line.startswith(f"loans.csv: column {quoted(name)} has ")
    assert problem in line
    assert "; rename with prepare.rename: {" in line
    assert ": NAME}, or leave out with prepare.kinds: {" in line
    assert line.isprintable()
    line.encode()


def test_all_such_names_are_refused_at_once_with_settings_that_accept_them() -> None:
    bad = {"score": 1.0, "income ": 1.0, "a\\b": 1.0, "Income": 1.0, "lockgate_x": 1.0}
    with pytest.raises(InputError) as refused:
        prepare(table(**bad), Prepare())
    line = str(refused.value)
    assert line.startswith(
        "the source: 5 columns need another name: 'score' has a name that Lockgate uses itself; 'income ' has "
    )
    kinds = yaml.safe_load(line.partition("prepare.kinds: ")[2])
    assert kinds == dict.fromkeys(bad, "drop")
    assert yaml.safe_load(re.findall(r"prepare\.rename: (\{.*?\})", line)[0]) == dict.fromkeys(bad, "NAME")
    prepare(table(**bad), Prepare(kinds=kinds))


def test_prepare_refuses_it() -> None:
    with pytest.raises(InputError, match="the source: column 'a\"b' has \" in its name"):
        prepare(table(**{'a"b': 1.0}), Prepare())


def test_a_column_that_is_left_out_may_be_called_anything_that_can_be_written() -> None:
    name = 'a [b] "c"\n'
    found = prepare(table(**{name: 1.0}), Prepare(kinds={name: "drop"}))
    assert Schema.read(found.schema.to_bytes(), "schema.json").dropped[0].name == name
    hopeless = "x" * (MAX_TEXT + 1)
    with pytest.raises(InputError, match="a name that cannot be written"):
        prepare(table(**{hopeless: 1.0}), Prepare(kinds={hopeless: "drop"}))
    with pytest.raises(InputError, match="a name that cannot be written"):
        infer_features(table(**{hopeless: 1.0}))


@pytest.mark.parametrize("name", ["Income", "INCOME"])
def test_names_that_differ_only_in_case_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"'{name}' has the name of 'income' but for upper and lower case"):
        prepare(table(**{name: 1.0}), Prepare())
    prepare(table(**{name: 1.0}), Prepare(kinds={name: "drop"}))


def test_a_category_or_class_that_no_document_holds_is_refused() -> None:
    with pytest.raises(InputError, match=r"`job` holds a text of 1,001 characters, .*: 'x+\.\.\.'.*prepare\.kinds"):
        prepare(table(job=["x" * (MAX_TEXT + 1), "y"] * 200), Prepare())
    prepare(table(job=["x" * MAX_TEXT, "y"] * 200), Prepare())
    with pytest.raises(InputError, match="`job` holds a text with a zero byte"):
        prepare(table(job=["a\0b", "y"] * 200), Prepare())
    with pytest.raises(InputError, match="`default` holds a text of 1,001 characters"):
        positive = "x" * (MAX_TEXT + 1)
        prepare(table(default=[positive, "y"] * 200), Prepare(positive=positive))


@given(st.text(max_size=40))
@example("")
@example("model_config")
@example("__class__")
@example("f0")
@example("rows")
def test_any_name_is_refused_in_one_line_or_makes_a_type_of_requests(name: str) -> None:
    try:
        check_names([name], "loans.csv")
    except InputError as refused:
        line = str(refused)
    else:
        request_types(schema_of(feature(name, 0), feature(f"{name}2", 3)))
        return
    assert line.isprintable()
