"""Every document, made up by its own type: read back as it was, or refused in one line."""

from __future__ import annotations

import importlib
import json
import pkgutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_documents import documents_of

from lockgate import documents
from lockgate.config.errors import InputError
from lockgate.documents.document import Document


def kinds() -> list[type[Document]]:
    """The documents of the kit."""
    for module in pkgutil.iter_modules(documents.__path__):
        importlib.import_module(f"{documents.__name__}.{module.name}")
    return [kind for kind in Document.__subclasses__() if kind.__module__.startswith(documents.__name__)]


def test_all_documents_are_here() -> None:
    assert {kind.__name__ for kind in kinds()} >= {"GateResult", "DriftResult", "Manifest", "Schema", "Profile"}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
@given(data=st.data())
def test_a_made_up_document_is_read_as_it_is_or_refused_in_one_line(kind: type[Document], data: st.DataObject) -> None:
    content = json.dumps(data.draw(documents_of(kind))).encode()
    try:
        read = kind.read(content, "it.json")
    except InputError as refused:
        line = str(refused)
    else:
        line = "it.json is read"
        assert kind.read(read.to_bytes(), "it.json") == read
    assert line.startswith("it.json ")
    assert "\n" not in line
