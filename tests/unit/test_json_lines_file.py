"""JSON lines are typed as JSON types them: numbers exactly, texts as they stand, and what is absent is null."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest

from lockgate.config.errors import InputError
from lockgate.config.limits import LINE_BYTES, TABLE_BYTES, TABLE_COLUMNS, TABLE_ROWS, Limit
from lockgate.config.params import Read
from lockgate.data.json_lines_file import read_json_lines


def read(content: str, **settings: str) -> pa.Table:
    return read_json_lines(io.BytesIO(content.encode(settings.get("encoding", "utf-8"))), "t", Read(**settings)).columns


def column(*values: str) -> tuple[str, list[Any]]:
    """The type and the cells of a column of these values."""
    cells = read("".join(f'{{"x": {value}, "y": 1}}\n' for value in values))["x"]
    return str(cells.type), cells.to_pylist()


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        (["1", "-2", "null"], "int64", [1, -2, None]),
        (["1", "2.5"], "double", [1.0, 2.5]),
        (["0.1", "1e300"], "double", [0.1, 1e300]),
        (["9007199254740993", "1"], "int64", [2**53 + 1, 1]),
        (["9007199254740993", "0.5"], "string", ["9007199254740993", "0.5"]),
        (["18446744073709551616"], "string", ["18446744073709551616"]),
        (["true", "false"], "bool", [True, False]),
        (['"01"', '" a"', '""', '"NA"'], "string", ["01", " a", "", "NA"]),
        (['"2020-01-01"', '"2020-01-01T10:00:00Z"'], "string", ["2020-01-01", "2020-01-01T10:00:00Z"]),
        (["1", '"1"', "2.0", "true"], "string", ["1", "1", "2", "true"]),
        (["null"], "null", [None]),
    ],
)
def test_a_column_has_the_type_of_its_values(values: list[str], kind: str, cells: list[object]) -> None:
    assert column(*values) == (kind, cells)


def test_a_number_that_python_writes_as_nan_is_read() -> None:
    kind, (first, second) = column("NaN", "1.5")
    assert (kind, second) == ("double", 1.5)
    assert first != first


def test_keys_may_come_in_any_order_or_not_at_all() -> None:
    table = read('{"a": 1, "b": "x"}\n\n{"b": "y", "c": true, "a": 2}\r\n{}\n')
    assert table.to_pydict() == {"a": [1, 2, None], "b": ["x", "y", None], "c": [None, True, None]}


def test_batches_that_disagree_are_one_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lockgate.data.json_lines_file.BATCH_ROWS", 2)
    lines = ['{"a": 1}', '{"a": 2}', '{"a": 3.5, "b": 1}', '{"b": "x"}', '{"a": null}', '{"a": null}']
    assert read("\n".join(lines)).to_pydict() == {
        "a": [1.0, 2.0, 3.5, None, None, None],
        "b": [None, None, "1", "x", None, None],
    }


def test_lists_and_objects_stay() -> None:
    assert read('{"a": [1], "b": {"c": 1}}\n{"a": [], "b": null}\n').to_pydict() == {
        "a": [[1], []],
        "b": [{"c": 1}, None],
    }


def test_text_may_be_of_another_encoding() -> None:
    assert read('{"größe": "ü"}\n', encoding="cp1252").to_pydict() == {"größe": ["ü"]}


@pytest.mark.parametrize("line", ["[1]", "1", '{"a": }', '{"a": 1', "{'a': 1}", "[" * 100_000, "a,b"])
def test_a_line_that_is_no_object_is_refused_by_its_row(line: str) -> None:
    with pytest.raises(
        InputError, match=r"^t, row 2 is no JSON object: .*; write JSON lines, an object a line"
    ) as refused:
        read(f'{{"a": 1}}\n\n{line}\n')
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("limit", "value"), [(TABLE_ROWS, 99), (TABLE_COLUMNS, 2), (TABLE_BYTES, 2399), (LINE_BYTES, 20)]
)
def test_no_more_is_read_than_the_limits(limit: Limit, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    content = '{"a": 1, "b": 2, "c": 3}\n' * 100
    assert read(content).num_rows == 100
    monkeypatch.setenv(limit.variable, str(value))
    with pytest.raises(InputError, match=limit.variable):
        read(content)
