"""Every JSON document is read with one strictness: each refusal is one line that says what, where, and how to fix it."""

from __future__ import annotations

import json
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator
from verdicts import schema_of

from lockgate import documents
from lockgate.config.errors import InputError
from lockgate.config.limits import JSON_BYTES
from lockgate.documents.curves_json import CalibrationPoint, Curves, RocPoint, ScoreBin, curve_files, read_curves
from lockgate.documents.document import (
    MAX_COUNT,
    MAX_DEPTH,
    MAX_DIGITS,
    Count,
    Document,
    Part,
    Share,
    read_value,
    value_to_bytes,
)
from lockgate.documents.golden_json import GoldenPredictions
from lockgate.documents.metrics_json import metrics_to_bytes, read_metrics
from lockgate.documents.schema_json import DecisionRule, first_repeated


def subclasses(kind: type[Document]) -> Iterator[type[Document]]:
    """Every type of document that the kit has."""
    for module in pkgutil.iter_modules(documents.__path__, "lockgate.documents."):
        import_module(module.name)
    for one in kind.__subclasses__():
        yield from (one, *subclasses(one))


class Row(Part):
    """A part with an optional value."""

    name: str
    share: Share | None = None


class Example(Document):
    """A document of every kind of value."""

    schema: Literal[1]
    count: Count
    rows: tuple[Row, ...]
    by_name: dict[str, Row]
    note: str | None = None

    def __post_init__(self) -> None:
        if self.count > 100:
            raise ValueError("`count` is more than the rows that there can be")


class Either(Document):
    """A document whose parts may be absent."""

    schema: Literal[1]
    one: Row | None
    many: tuple[Row, ...] | None


GOOD: dict[str, Any] = {
    "schema": 1,
    "count": 3,
    "rows": [{"name": "a", "share": 0.5}],
    "by_name": {"b": {"name": "b", "share": None}},
    "note": None,
}


def _read(content: bytes) -> Example:
    return Example.read(content, "example.json", "write it again")


def test_what_is_written_is_read_again() -> None:
    document = _read(json.dumps(GOOD).encode())
    assert document.rows[0].share == 0.5
    assert json.loads(document.to_bytes()) == GOOD
    assert list(json.loads(document.to_bytes())) == list(GOOD)
    assert _read(document.to_bytes()) == document


def test_the_generated_schema_takes_what_the_reader_takes() -> None:
    validator = Draft202012Validator(Example.json_schema())
    assert validator.is_valid(GOOD)
    assert not validator.is_valid({**GOOD, "count": -1})
    assert not validator.is_valid({**GOOD, "more": 1})


KNOWN = "known are `schema`, `count`, `rows`, `by_name`, `note`"


def _changed(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not valid JSON"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[" * 100_000, "is not valid JSON"),
        (b"[1]", "is not as it must be at `$`: expected `object`, got `array`"),
        (b'{"count": NaN}', "holds a number that is none"),
        (b'{"count": -Infinity}', "holds a number that is none"),
        (b'{"count": 1e999}', "holds a number too large"),
        (b'{"count": ' + b"9" * 5000 + b"}", "holds an endless number"),
        (b'{"count": 1, "count": 2}', "holds a key twice"),
        (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), f"is nested more than {MAX_DEPTH} levels deep"),
        (_changed(schema=0), "`$.schema`"),
        (_changed(schema="1"), "`$.schema`"),
        (_changed(schema=True), "`$.schema`"),
        (_changed(count=2.5), "`$.count`"),
        (_changed(count=-1), "`$.count`"),
        (_changed(count=2**53), "`$.count`"),
        (_changed(count=101), "`count` is more than the rows"),
        (_changed(rows=[{"name": "a", "share": 1.5}]), "`$.rows[0].share`"),
        (_changed(rows=[{"name": 3, "share": None}]), "`$.rows[0].name`: expected `str`, got `int`"),
        (_changed(rows=[{"name": "a"}]), "lacks the key `$.rows[0].share`"),
        (b'{"schema": 1}', "lacks the key `$.count`"),
        (_changed(by_name={"b": {"share": None}}), "lacks the key `$.by_name[...].name`"),
        (_changed(nota=1), "has an unknown key `nota` at `$`; did you mean `note`?"),
        (_changed(rows=[{"name": "a", "sahre": 1}]), "`sahre` at `$.rows[0]`; did you mean `share`?"),
        (_changed(by_name={"b": {"nam": "b"}}), "`nam` at `$.by_name[...]`; did you mean `name`?"),
    ],
)
def test_a_document_that_is_none_is_refused_in_one_line(content: bytes, problem: str) -> None:
    with pytest.raises(InputError) as refusal:
        _read(content)
    line = str(refusal.value)
    assert problem in line
    assert line.startswith("example.json ")
    assert line.endswith("; write it again")
    assert "\n" not in line


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"{", "is not valid JSON"),
        (b'{"schema": 1}', "lacks the key `$.count`"),
        (_changed(rows=[{"name": "a"}]), "lacks the key `$.rows[0].share`"),
        (b'{"count": 1, "count": 2}', "holds a key twice"),
        (b'{"count": Infinity}', "holds a number that is none (NaN or Infinity)"),
        (b'{"count": -1e999}', "holds a number too large for any computer"),
        (_changed(count="3"), "is not as it must be at `$.count`: expected `int`, got `str`"),
        (_changed(count=101), "is not as it must be at `$`: `count` is more than the rows that there can be"),
        (_changed(nota=1), "has an unknown key `nota` at `$`; did you mean `note`?"),
        (_changed(**{"x" * 70: 1}), f"has an unknown key `{'x' * 60}` at `$`; {KNOWN}"),
        (_changed(**{"a\nb": 1}), f"has an unknown key `a\ufffdb` at `$`; {KNOWN}"),
    ],
)
def test_the_line_says_what_and_where(content: bytes, line: str) -> None:
    with pytest.raises(InputError) as refusal:
        _read(content)
    assert str(refusal.value) == f"example.json {line}; write it again"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"one": {"nam": "a"}}, "has an unknown key `nam` at `$.one`; did you mean `name`?"),
        ({"many": [{"sahre": 1}]}, "has an unknown key `sahre` at `$.many[0]`; did you mean `share`?"),
    ],
)
def test_the_keys_of_a_part_that_may_be_absent_are_known(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as refusal:
        Either.read(
            json.dumps({"schema": 1, "one": None, "many": None} | changes).encode(), "either.json", "write it again"
        )
    assert str(refusal.value) == f"either.json {line}; write it again"


def test_nesting_and_numbers_may_be_as_large_as_the_limits() -> None:
    def nested(levels: int) -> object:
        return read_value(b"[" * levels + b"]" * levels, Any, "x.json", "again")

    assert nested(MAX_DEPTH + 1) is not None
    with pytest.raises(InputError, match=f"^x.json is nested more than {MAX_DEPTH} levels deep; again$"):
        nested(MAX_DEPTH + 2)
    deep = b'{"a":' * (MAX_DEPTH + 2) + b"1" + b"}" * (MAX_DEPTH + 2)
    with pytest.raises(InputError, match="levels deep"):
        read_value(deep, Any, "x.json", "again")
    for digits in (b"9" * MAX_DIGITS, b"0." + b"9" * (MAX_DIGITS - 2)):
        assert read_value(digits, Any, "x.json", "again") is not None
        with pytest.raises(InputError, match=r"^x\.json holds an endless number; again$"):
            read_value(digits + b"9", Any, "x.json", "again")


def test_a_number_that_no_form_can_have_is_refused_by_the_type() -> None:
    for number in (0, -1, MAX_COUNT + 1, True, 1.0, "1", None):
        with pytest.raises(InputError, match=r"^example\.json is not as it must be at `\$\.schema`: "):
            _read(_changed(schema=number))
    with pytest.raises(InputError, match=f"has `schema` {MAX_COUNT}, "):
        _read(_changed(schema=MAX_COUNT))


def test_a_type_without_a_predecessor_upgrades_nothing() -> None:
    with pytest.raises(NotImplementedError, match=r"^Example names no predecessor$"):
        Example.upgraded(_read(json.dumps(GOOD).encode()))


def test_only_numpys_floats_are_written_as_json_has_them() -> None:
    with pytest.raises(TypeError, match=r"^object is no value of a JSON document$"):
        value_to_bytes([object()])


def test_a_document_beyond_the_limit_is_refused_with_the_way_to_raise_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = _changed(note="x" * 500)
    monkeypatch.setenv(JSON_BYTES.variable, "500")
    with pytest.raises(InputError, match=rf"example\.json has .* bytes, and the limit is 500.*{JSON_BYTES.variable}="):
        _read(content)
    monkeypatch.setenv(JSON_BYTES.variable, str(len(content)))
    assert _read(content).note == "x" * 500


def test_an_unknown_key_cannot_break_the_line() -> None:
    with pytest.raises(InputError) as refusal:
        _read(json.dumps({**GOOD, "a\nb" + "c" * 500: 1}).encode())
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 300


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.json does not exist; make it again"):
        Example.read_file(tmp_path / "x.json")
    with pytest.raises(InputError, match="it is a folder, a pipe or a device"):
        Example.read_file(tmp_path)


def test_nothing_is_written_that_could_not_be_read() -> None:
    with pytest.raises(ValueError, match="Out of range float"):
        Example(schema=1, count=1, rows=(Row("a", float("nan")),), by_name={}).to_bytes()
    with pytest.raises(ValueError, match=r"rows\[0\]\.share"):
        Example(schema=1, count=1, rows=(Row("a", 1.5),), by_name={}).to_bytes()
    written = Example(schema=1, count=1, rows=(Row("a", np.float64(0.25)),), by_name={}).to_bytes()
    assert _read(written).rows[0].share == 0.25


def test_a_list_is_read_and_written_as_strictly() -> None:
    kind = list[Row]
    assert read_value(b'[{"name": "a", "share": 1}]', kind, "rows.json", "again") == [Row("a", 1.0)]
    assert read_value(value_to_bytes([Row("a")], kind), kind, "rows.json", "again") == [Row("a")]
    with pytest.raises(InputError, match=r"rows\.json lacks the key `\$\[0\]\.share`; again"):
        read_value(b'[{"name": "a"}]', kind, "rows.json", "again")


class Reading1(Document, frozen=True, kw_only=True):
    """A document's form before it had a unit."""

    schema: Literal[1] = 1
    degrees: Share


class Reading2(Document, frozen=True, kw_only=True):
    """Its form today."""

    PREDECESSOR: ClassVar[type[Document] | None] = Reading1

    schema: Literal[2] = 2
    value: Share
    unit: Literal["degree", "radian"]

    @classmethod
    def upgraded(cls, older: Document) -> Reading2:
        assert isinstance(older, Reading1)
        return cls(value=older.degrees, unit="degree")


class Reading3(Document, frozen=True, kw_only=True):
    """Its form tomorrow, whose reader knows two of three."""

    PREDECESSOR: ClassVar[type[Document] | None] = Reading2

    schema: Literal[3] = 3
    radians: Share


def test_a_document_with_the_number_before_is_read_by_its_own_type_and_upgraded() -> None:
    assert Reading2.read(Reading1(degrees=0.5).to_bytes(), "x.json") == Reading2(value=0.5, unit="degree")
    assert Reading2.read(Reading2(value=0.5, unit="radian").to_bytes(), "x.json").unit == "radian"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b'{"schema": 1, "degrees": 2}', "`$.degrees`"),
        (b'{"schema": 1, "value": 0.5, "unit": "degree"}', "unknown key `value`"),
        (b'{"schema": 2, "degrees": 0.5}', "unknown key `degrees`"),
        (b'{"schema": 1}', "lacks the key `$.degrees`"),
    ],
)
def test_each_form_is_read_as_strictly_as_the_other(content: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=re.escape(problem)):
        Reading2.read(content, "x.json")


def test_what_a_newer_kit_wrote_asks_for_an_upgrade() -> None:
    newer = Reading3(radians=0.5).to_bytes()
    with pytest.raises(
        InputError, match=r"^x\.json has `schema` 3, .* reads 1 and 2; a newer Lockgate wrote it: upgrade"
    ):
        Reading2.read(newer, "x.json")
    with pytest.raises(InputError, match=r"has `schema` 3, .* reads 1; a newer Lockgate wrote it: upgrade"):
        Reading1.read(newer, "x.json")


def test_what_is_older_than_the_form_before_says_how_to_register_anew() -> None:
    with pytest.raises(InputError, match=r"has `schema` 1, .* reads 2 and 3; an older .*`lockgate register`"):
        Reading3.read(Reading1(degrees=0.5).to_bytes(), "x.json")


@pytest.mark.parametrize("kind", [kind for kind in subclasses(Document) if kind.__module__.startswith("lockgate.")])
def test_every_document_of_the_kit_has_a_number_and_a_predecessor_with_the_number_before(kind: type[Document]) -> None:
    assert kind.schema_number() >= 1
    if kind.PREDECESSOR is not None:
        assert kind.PREDECESSOR.schema_number() == kind.schema_number() - 1
        assert "upgraded" in vars(kind)


@pytest.mark.parametrize(
    ("favourable", "decisions"),
    [
        ("below", ["favourable", "unfavourable", "unfavourable"]),
        ("above", ["unfavourable", "favourable", "favourable"]),
    ],
)
def test_a_score_at_the_threshold_is_decided_as_one_above(favourable: Any, decisions: list[str]) -> None:
    rule = DecisionRule(0.25, favourable)
    assert [rule.decide(probability) for probability in (0.2499, 0.25, 1.0)] == decisions


def test_rows_that_a_service_has_to_refuse_are_told_from_those_that_it_answers() -> None:
    schema = schema_of("late", income=(), grade=("a", "b"))
    optional = msgspec.structs.replace(schema.features[1], nullable=True)
    schema = msgspec.structs.replace(schema, features=(schema.features[0], optional))
    rows: Any = (
        {"income": 1.0, "grade": None},
        {"income": None, "grade": "a"},
        {"grade": "b"},
        {"income": 0.0, "grade": "b"},
    )
    golden = GoldenPredictions(rows=rows, probabilities=(0.1, 0.2, 0.3, 0.4))
    assert golden.complete(schema) == [(rows[0], 0.1), (rows[3], 0.4)]
    assert golden.incomplete(schema) == [rows[1], rows[2]]
    with pytest.raises(ValueError, match=r"^it has 4 rows and 3 probabilities$"):
        GoldenPredictions(rows=rows, probabilities=(0.1, 0.2, 0.3))


def test_what_a_schema_says_nothing_of_is_read_by_its_kind() -> None:
    schema = schema_of("late", income=(), grade=("a", "b"))
    assert [schema.reading_of(name).kind for name in ("income", "grade", "late")] == [
        "numeric",
        "categorical",
        "categorical",
    ]


def test_a_schema_names_nothing_twice() -> None:
    schema = schema_of("late", income=(), grade=("a", "b"))
    with pytest.raises(ValueError, match=r"^two features have the same name, `income`$"):
        msgspec.structs.replace(schema, features=(*schema.features, schema.features[0]))
    with pytest.raises(ValueError, match=r"^feature `grade` has the category `b` twice$"):
        msgspec.structs.replace(schema.features[1], categories=("a", "b", "c", "b"))
    assert first_repeated(["a", "b", "b", "a"]) in ("a", "b")
    assert first_repeated(["a", "b"]) is None


def test_curves_are_read_from_the_files_that_were_written() -> None:
    curves = Curves(
        roc=(RocPoint(0.0, 0.5),),
        calibration=(CalibrationPoint(0.1, None, None, None, 0),),
        scores=(ScoreBin(0.5, "negative", 1.0),),
    )
    files = curve_files(curves)
    assert set(files) == {"roc.json", "precision_recall.json", "calibration.json", "scores.json"}
    assert json.loads(files["scores.json"]) == [{"score": 0.5, "class": "negative", "share": 1.0}]
    assert read_curves({name.removesuffix(".json"): content for name, content in files.items()}) == curves
    with pytest.raises(InputError, match=r"^plots/roc\.json is not valid JSON; run `lockgate evaluate` again$"):
        read_curves({"roc": b"{"})


def test_metrics_are_read_back_without_the_number_of_their_form() -> None:
    content = metrics_to_bytes({"roc_auc": 0.75, "n": 700})
    assert json.loads(content) == {"schema": 1, "roc_auc": 0.75, "n": 700}
    assert read_metrics(content, "metrics.json") == {"roc_auc": 0.75, "n": 700}
    assert read_metrics(b'{"schema": 1, "ks": null}', "metrics.json") == {"ks": None}
    for content, problem in (
        (b"{}", "has `schema` None, and this version of Lockgate reads 1"),
        (b'{"schema": 2}', "has `schema` 2, and this version of Lockgate reads 1"),
        (b"{", "is not valid JSON"),
    ):
        with pytest.raises(InputError, match=rf"^metrics\.json {problem}; run `lockgate evaluate` again$"):
            read_metrics(content, "metrics.json")
    with pytest.raises(ValueError, match="Out of range float"):
        metrics_to_bytes({"roc_auc": float("nan")})
    with pytest.raises(ValueError, match=r"^dict is not as it must be at `key`"):
        metrics_to_bytes({"ROC": 0.5})
