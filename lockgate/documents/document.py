"""The base of every JSON document: read strictly in one place, written from the same type, its schema generated from it.

A document's type is the whole truth about it: `schema`, the number of its form, and each key that it may and must have.
A document that came from a stranger is read with the same strictness as one that this machine wrote.

A form that changes gets the next number. The old type stays for one number more, under a name of its own, as what the new
type names in `PREDECESSOR`; `upgraded` makes the new document of an old one:

    class Dog(Document, frozen=True, kw_only=True):
        PREDECESSOR: ClassVar[type[Document] | None] = Dog1
        schema: Literal[2] = 2
        ...

        @classmethod
        def upgraded(cls, older: Document) -> Dog: ...
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, NoReturn, TypeAlias, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Meta
from msgspec import inspect as types

from lockgate.config.errors import InputError
from lockgate.config.files import read_bytes, readable_json
from lockgate.config.limits import JSON_BYTES
from lockgate.config.suggest import nearest

MAX_DEPTH = 12
MAX_DIGITS = 40  # of a number, as it stands in the file
MAX_COUNT = 2**53 - 1  # beyond it a float cannot count
MAX_SENTENCE = 4000  # characters

# What the keys of several documents hold. A number is always finite: JSON has no others.
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, Meta(max_length=1000)]
Word = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")]
Sentence = Annotated[str, Meta(max_length=MAX_SENTENCE)]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Share = Annotated[float, Meta(ge=0, le=1)]
JsonValue: TypeAlias = Any  # a setting, of whatever type it may have

Value = TypeVar("Value")
DocumentType = TypeVar("DocumentType", bound="Document")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object inside a document."""


class Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One JSON document. A subclass names its keys in the order in which they are written.

    A rule over several keys is a ValueError that `__post_init__` raises: it holds for what is made and what is read.
    """

    HOW_TO_FIX: ClassVar[str] = "make it again with this version of Lockgate"
    PREDECESSOR: ClassVar[type[Document] | None] = None  # the type of the documents with the number before

    @classmethod
    def read(cls: type[DocumentType], content: bytes, where: str | Path, how_to_fix: str | None = None) -> DocumentType:
        """The document in `content`; `where` names it in errors.

        Raises InputError, one line, where it is larger than the limit of JSON, no UTF-8 JSON object, nested deeper than
        `MAX_DEPTH`, has a key twice, an unknown or a missing one, a number that is none or endless, or a value of
        another type or range than the document's; and where its `schema` is newer than this kit, or older than the
        predecessor that this kit still reads.
        """
        try:
            value = _parse(content, str(where))
            number = _number_of(value)
            if number is None or number == cls.schema_number():
                made: DocumentType = _convert(value, cls)
                return made
            if cls.PREDECESSOR is not None and number == cls.PREDECESSOR.schema_number():
                return cls.upgraded(_convert(value, cls.PREDECESSOR))
            how_to_fix = _UPGRADE if number > cls.schema_number() else _MAKE_ANEW
            raise _RefusedError(f"has `schema` {number}, and this version of Lockgate reads {cls._known_numbers()}")
        except _RefusedError as refused:
            raise InputError(f"{where} {refused}; {how_to_fix or cls.HOW_TO_FIX}") from None

    @classmethod
    def upgraded(cls: type[DocumentType], older: Document) -> DocumentType:
        """The document that says what `older`, of the type `PREDECESSOR`, said: a pure function, of a type that has one."""
        raise NotImplementedError(f"{cls.__name__} names no predecessor")

    @classmethod
    def schema_number(cls) -> int:
        """The number of this type's form."""
        (number,) = get_args(get_type_hints(cls)["schema"])
        return int(number)

    @classmethod
    def _known_numbers(cls) -> str:
        own = cls.schema_number()
        return f"{own}" if cls.PREDECESSOR is None else f"{cls.PREDECESSOR.schema_number()} and {own}"

    @classmethod
    def read_file(cls: type[DocumentType], path: Path, how_to_fix: str | None = None) -> DocumentType:
        """The document in a file; raises InputError as `read` does, and where there is no such file."""
        how_to_fix = how_to_fix or cls.HOW_TO_FIX
        return cls.read(read_bytes(path, how_to_fix), path, how_to_fix)

    def to_bytes(self) -> bytes:
        """Readable JSON that `read` takes; raises ValueError where a value is not one that the document may have."""
        return value_to_bytes(self)

    @classmethod
    def json_schema(cls) -> dict[str, Any]:
        """The JSON Schema, draft 2020-12, of what `read` takes."""
        return msgspec.json.schema(cls)


def read_value(content: bytes, kind: type[Value] | Any, where: str | Path, how_to_fix: str) -> Value:
    """The value of the type `kind` that `content` holds, for documents that are a list or a plain mapping.

    Raises InputError as `Document.read` does.
    """
    try:
        made: Value = _convert(_parse(content, str(where)), kind)
    except _RefusedError as refused:
        raise InputError(f"{where} {refused}; {how_to_fix}") from None
    return made


def value_to_bytes(value: object, kind: Any = None) -> bytes:
    """Readable JSON of a value of the type `kind` (its own where none is given), held against that type first.

    Raises ValueError where it does not fit, so that nothing is written that could not be read.
    """
    plain = msgspec.to_builtins(value, enc_hook=_plain_float)
    content = readable_json(plain)
    try:
        _convert(json.loads(content), kind or type(value))
    except _RefusedError as refused:
        raise ValueError(f"{type(value).__name__} {refused}") from None
    return content


_UPGRADE = "a newer Lockgate wrote it: upgrade this one (see docs/upgrading.md)"
_MAKE_ANEW = (
    "an older Lockgate wrote it: make it again with this one, of a model by `dvc repro`, `lockgate gate` and "
    "`lockgate register` (see docs/upgrading.md)"
)


class _RefusedError(Exception):
    """What is wrong, as the rest of a sentence about the document."""


def _number_of(value: Any) -> int | None:
    """The number of a document's form; None where it says none that could be one, which its type then refuses."""
    number = value.get("schema") if isinstance(value, dict) else None
    return number if type(number) is int and 0 < number <= MAX_COUNT else None


def _plain_float(value: Any) -> float:
    """numpy's float64 is a float to Python and to JSON."""
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"{type(value).__name__} is no value of a JSON document")


def _parse(content: bytes, where: str) -> Any:
    def refuse(what: str) -> Callable[[str], NoReturn]:
        def refusal(_: str) -> NoReturn:
            raise _RefusedError(what)

        return refusal

    def number(convert: Callable[[str], float]) -> Callable[[str], float]:
        def converted(text: str) -> float:
            return convert(text) if len(text) <= MAX_DIGITS else refuse("holds an endless number")(text)

        return converted

    def decimal(text: str) -> float:
        value = float(text)
        return value if abs(value) < float("inf") else refuse("holds a number too large for any computer")(text)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        return made if len(made) == len(pairs) else refuse("holds a key twice")("")

    JSON_BYTES.require(len(content), where)
    try:
        value = json.loads(
            content.decode("utf-8"),
            parse_int=number(int),
            parse_float=number(decimal),
            parse_constant=refuse("holds a number that is none (NaN or Infinity)"),
            object_pairs_hook=unique,
        )
    except (ValueError, RecursionError):
        raise _RefusedError("is not valid JSON") from None
    if _is_deeper(value, MAX_DEPTH):
        raise _RefusedError(f"is nested more than {MAX_DEPTH} levels deep")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Level by level, so that the nesting itself cannot exhaust anything."""
    layer = [value]
    for _ in range(levels + 1):
        layer = [
            inner
            for outer in layer
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not layer:
            return False
    return True


def _convert(value: Any, kind: Any) -> Any:
    try:
        made = msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _RefusedError(_explained(str(error), kind)) from None
    missing = _missing_key(value, msgspec.to_builtins(made))
    if missing:
        raise _RefusedError(f"lacks the key {missing}")
    return made


def _missing_key(given: Any, whole: Any, place: str = "$") -> str | None:
    """The first key that a default filled in: a document has all of its keys."""
    if isinstance(whole, dict):
        for key, value in whole.items():
            if key not in given:
                return f"`{place}.{key}`"
            if found := _missing_key(given[key], value, f"{place}.{key}"):
                return found
    if isinstance(whole, list | tuple):
        for index, value in enumerate(whole):
            if found := _missing_key(given[index], value, f"{place}[{index}]"):
                return found
    return None


_UNKNOWN = "Object contains unknown field `"
_ABSENT = "Object missing required field `"


def _explained(problem: str, kind: Any) -> str:
    """The sentence of msgspec or of a document's own rule, on one line, the place first and the nearest known key last."""
    what, _, place = _one_line(problem).partition(" - at `")
    place = place.removesuffix("`") or "$"
    if what.startswith(_UNKNOWN):
        key = what.removeprefix(_UNKNOWN).removesuffix("`")
        shown = key[:60]
        return f"has an unknown key `{shown}` at `{place}`; {nearest(shown, _keys_at(kind, place))}"
    if what.startswith(_ABSENT):
        return f"lacks the key `{place}.{what.removeprefix(_ABSENT)}"
    return f"is not as it must be at `{place}`: {what[:1].lower()}{what[1:]}"


def _one_line(text: str) -> str:
    """The text with a sign for each letter that would end its line or cannot be seen."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


@cache
def _keys_at(kind: Any, place: str) -> tuple[str, ...]:
    """The keys of the object at a path like `$.checks[0]`, all of them where a path leads to one of several types."""
    found: Sequence[types.Type] = [types.type_info(kind)]
    for step in re.findall(r"(?<=\.)\w+|\[[^]]*\]", place):
        found = [inner for one in found for inner in _inside(one, step)]
    return tuple(dict.fromkeys(field.encode_name for one in found for field in _fields(one)))


def _inside(outer: types.Type, step: str) -> list[types.Type]:
    if isinstance(outer, types.UnionType):
        return [found for one in outer.types for found in _inside(one, step)]
    if not step.startswith("["):
        return [field.type for field in _fields(outer) if field.encode_name == step]
    if isinstance(outer, types.DictType):
        return [outer.value_type]
    return [outer.item_type] if isinstance(outer, types.CollectionType) else []


def _fields(one: types.Type) -> tuple[types.Field, ...]:
    if isinstance(one, types.UnionType):
        return tuple(field for inner in one.types for field in _fields(inner))
    return one.fields if isinstance(one, types.StructType) else ()
