"""The target is two classes, named where nobody could guess them, and an outcome that is not known is none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from lockgate.config.errors import InputError
from lockgate.config.params import Classes, Prepare, Read
from lockgate.data.source_table import SourceTable
from lockgate.data.target import Target, read_labels, read_target
from lockgate.documents.schema_json import TargetClasses

STATUSES = ["Fully Paid", "Charged Off", "Default", "Current"]


def column(cells: list[object]) -> tuple[pa.ChunkedArray, SourceTable]:
    source = SourceTable(pa.table({"y": pa.chunked_array([pa.array(cells)])}), "prepare.source: f.csv", separator=",")
    return source.cells("y"), source


def target(cells: list[object], prepare: Prepare | None = None, repeat: int = 50) -> Target:
    chunks, source = column(cells * repeat)
    return read_target(chunks, prepare or Prepare(source="f.csv", target="y"), source)


def settings(
    positive: str | int | bool | None = None, classes: Classes | None = None, read: Read | None = None
) -> Prepare:
    return Prepare(source="f.csv", target="y", positive=positive, classes=classes, read=read or Read())


@pytest.mark.parametrize(
    ("cells", "positive"),
    [
        (["0", "1"], "1"),
        (["0.0", "1.0"], "1.0"),
        (["False", "True"], "True"),
        ([0, 1], "1"),
        ([0.0, 1.0], "1"),
        ([False, True], "true"),
    ],
)
def test_the_event_of_obvious_classes_is_not_asked_for(cells: list[object], positive: str) -> None:
    found = target(cells)
    assert found.labels.tolist() == [0, 1] * 50
    assert found.labels.dtype == np.int8
    assert found.positive == positive
    assert found.kept.all()


@pytest.mark.parametrize(
    ("cells", "positive"),
    [
        (["good", "bad"], "bad"),
        (["2", "1"], 1),
        ([2, 1], 1),
        (["2.0", "1.0"], 1),
        (["True", "False"], False),
        (["yes", "NA"], "NA"),
    ],
)
def test_the_event_is_named_by_its_text_or_its_value(cells: list[object], positive: str | int | bool) -> None:
    assert target(cells, settings(positive)).labels.tolist() == [0, 1] * 50


def test_the_event_must_be_named_where_nobody_could_guess_it() -> None:
    with pytest.raises(InputError, match=r"target `y` has the classes ' good' and 'bad'; say in prepare\.positive"):
        target(["bad", " good"])
    with pytest.raises(
        InputError, match=r"prepare\.positive is 'good', but target `y` has ' good' and 'bad'; name one of them"
    ):
        target(["bad", " good"], settings("good"))


def test_more_classes_than_two_are_shown_with_their_counts_and_the_key() -> None:
    with pytest.raises(InputError) as refused:
        target(["Fully Paid", *STATUSES])
    line = str(refused.value)
    assert "target `y` has 4 classes, 'Fully Paid' (100), 'Charged Off' (50), 'Current' (50), 'Default' (50)" in line
    assert "prepare.classes" in line


def test_a_second_header_is_named_with_its_key() -> None:
    with pytest.raises(InputError, match=r"prepare\.read\.header: 2 if row 1 names the columns"):
        target(["default", *["0", "1"] * 50], repeat=1)


def test_one_class_is_none() -> None:
    with pytest.raises(
        InputError, match=r"target `y` has 1 class, '1' \(50\); a model learns from two, the event and its opposite"
    ):
        target(["1"])


def test_classes_are_put_together_and_rows_are_left_out() -> None:
    classes = Classes(positive=["Charged Off", "Default"], negative=["Fully Paid"], left_out=["Current", "Late"])
    found = target(STATUSES, settings(classes=classes))
    assert found.kept.tolist() == [True, True, True, False] * 50
    assert found.labels.tolist() == [0, 1, 1] * 50
    assert [(one.text, one.count) for one in found.left_out] == [("Current", 50)]
    assert found.positive == "Charged Off or Default"
    assert found.classes == TargetClasses(("Charged Off", "Default"), ("Fully Paid",), ("Current", "Late"))


def test_each_value_is_named() -> None:
    with pytest.raises(InputError) as refused:
        target(STATUSES, settings(classes=Classes(positive=["Charged Off", "Default"], negative=["Fully Paid"])))
    assert "holds 'Current' in row 4, which prepare.classes does not name" in str(refused.value)
    assert "'Charged Off' (50), 'Current' (50), 'Default' (50), 'Fully Paid' (50)" in str(refused.value)


def test_classes_of_numbers_are_named_by_their_value() -> None:
    found = target(["1", "2", "3"], settings(classes=Classes(positive=[3], negative=[1, 2])))
    assert found.labels.tolist() == [0, 0, 1] * 50


@pytest.mark.parametrize("missing", ["", "NA", "null", None, "pending"])
def test_rows_without_a_label_are_refused_or_left_out(missing: str | None) -> None:
    read = Read(missing=["pending"])
    with pytest.raises(
        InputError, match="target `y` has 50 missing values, the first in row 3; label these rows or leave"
    ):
        target(["0", "1", missing], settings(read=read))
    if missing != "pending":
        classes = Classes(positive=[1], negative=[0], left_out=[missing or ""])
        assert target(["0", "1", missing], settings(classes=classes)).kept.tolist() == [True, True, False] * 50


def test_few_rows_of_a_class_are_refused() -> None:
    with pytest.raises(InputError, match="target `y` has 49 positive rows; at least 50 are needed to train and judge"):
        target(["0", "1"], repeat=49)


class TestOfACurrentBatch:
    def labels(self, cells: list[object], training: list[object], prepare: Prepare | None = None) -> list[float]:
        known = target(training, prepare)
        chunks, source = column(cells)
        return read_labels("y", chunks, known.reading, known.classes, source).tolist()

    @pytest.mark.parametrize("cells", [["1", "", "0"], [1, None, 0], [1.0, None, 0.0], ["1", "NA", "0"]])
    @pytest.mark.parametrize("training", [["0", "1"], [0, 1]])
    def test_are_read_as_the_training_data_are(self, cells: list[object], training: list[object]) -> None:
        assert np.array_equal(self.labels(cells, training), [1.0, np.nan, 0.0], equal_nan=True)

    @pytest.mark.parametrize(
        ("cells", "training"), [(["1.0", "", "0.0"], ["0", "1"]), (["TRUE", "", "FALSE"], ["False", "True"])]
    )
    def test_texts_are_the_numbers_and_truth_values_that_were_known(
        self, cells: list[str], training: list[str]
    ) -> None:
        assert np.array_equal(self.labels(cells, training), [1.0, np.nan, 0.0], equal_nan=True)

    def test_a_text_that_could_be_two_classes_is_refused(self) -> None:
        classes = Classes(positive=["1"], negative=["01", "2"])
        with pytest.raises(InputError, match=r"holds '1\.0' in row 1"):
            self.labels(["1.0"], ["1"] * 3 + ["01"] * 3 + ["2"], settings(classes=classes))

    def test_typed_truth_values_are_the_texts_that_were_known(self) -> None:
        assert self.labels([True, False], ["False", "True"]) == [1.0, 0.0]

    def test_left_out_classes_are_not_known(self) -> None:
        classes = Classes(positive=["Charged Off", "Default"], negative=["Fully Paid"], left_out=["Current"])
        found = self.labels(STATUSES, STATUSES, settings(classes=classes))
        assert np.array_equal(found, [0.0, 1.0, 1.0, np.nan], equal_nan=True)

    @pytest.mark.parametrize("cell", ["2", " 1", "yes"])
    def test_another_class_is_refused_with_its_row(self, cell: str) -> None:
        with pytest.raises(InputError, match=rf"target `y` holds '{cell}' in row 2 \(2 such\); known are '1', '0'"):
            self.labels(["1", cell, cell], ["0", "1"])


class TestSettings:
    def test_a_value_is_of_one_class(self) -> None:
        with pytest.raises(ValueError, match="`a` is there twice, in `positive` and in `left_out`; keep one"):
            Classes(positive=["a"], negative=["b"], left_out=["a"])
        with pytest.raises(ValueError, match="`1` is there twice, in `positive` and in `negative`"):
            Classes(positive=[1], negative=["1"])

    def test_the_event_is_named_once(self) -> None:
        with pytest.raises(ValueError, match="`positive` and `classes` both say which values are the event"):
            settings("a", Classes(positive=["a"], negative=["b"]))

    def test_a_class_is_not_missing(self) -> None:
        with pytest.raises(ValueError, match=r"`a` is one of `classes` and of `read\.missing`"):
            settings(classes=Classes(positive=["a"], negative=["b"]), read=Read(missing=["a"]))

    def test_the_signs_of_numbers_differ(self) -> None:
        with pytest.raises(ValueError, match="`decimal` and `thousands` are both `,`; they must differ"):
            Read(decimal=",", thousands=",")
        with pytest.raises(ValueError, match="`currency` is `5%`"):
            Read(currency="5%")

    def test_renamed_columns_have_names_of_their_own(self) -> None:
        with pytest.raises(ValueError, match="`rename` gives two columns the name `c`"):
            Prepare(source="f.csv", rename={"a": "c", "b": "c"})
