"""Documents that nobody wrote: values drawn from a document's own type, for tests that feed every field of one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from msgspec import inspect as types

MOST = 3  # entries of a list or mapping


def documents_of(kind: Any) -> SearchStrategy[Any]:
    """Plain values, as `json.loads` gives them, each of which fits the type `kind` of a document or of a part of one."""
    return _fitting(types.type_info(kind))


def _fitting(one: types.Type) -> SearchStrategy[Any]:
    match one:
        case types.StructType():
            return st.fixed_dictionaries({field.encode_name: _fitting(field.type) for field in one.fields})
        case types.UnionType():
            return st.one_of([_fitting(inner) for inner in one.types])
        case types.LiteralType():
            return st.sampled_from(one.values)
        case types.IntType():
            return st.integers(one.ge, one.le)
        case types.FloatType():
            return st.floats(one.ge, one.le, allow_nan=False, allow_infinity=False)
        case types.StrType():
            return st.from_regex(one.pattern, fullmatch=True) if one.pattern else st.text(max_size=one.max_length or 9)
        case types.DictType():
            return st.dictionaries(_fitting(one.key_type), _fitting(one.value_type), max_size=MOST)
        case types.CollectionType() | types.VarTupleType():
            return st.lists(_fitting(one.item_type), max_size=MOST)
        case types.BoolType():
            return st.booleans()
        case types.NoneType():
            return st.none()
        case _:
            return st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9)
