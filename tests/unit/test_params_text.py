"""`params.yaml` as `lockgate init` writes it is read again as what was meant, whatever columns are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockgate.config.params_text import Setting, params_text
from lockgate.config.yaml_file import parse_yaml

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = TEXTS | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.lists(TEXTS, max_size=9)


def read(settings: list[Setting]) -> object:
    return parse_yaml(params_text(settings, "Made."), "the test")


@given(st.dictionaries(TEXTS, VALUES, min_size=1, max_size=4), TEXTS)
def test_whatever_is_written_is_read_again(values: dict[str, object], reason: str) -> None:
    settings = [Setting(("prepare", key), value, reason) for key, value in values.items()]  # type: ignore[arg-type]
    assert read(settings) == {"prepare": values}


@pytest.mark.parametrize(
    "text", ["yes", "true", "null", "~", "1e3", "1", ".5", "", " a", "a: b", "- a", "#a", "a #b", "[a", "'", "ä"]
)
def test_texts_that_yaml_takes_for_something_else_stay_texts(text: str) -> None:
    assert read([Setting(("prepare", "target"), text), Setting(("prepare", "id_columns"), [text, "b"])]) == {
        "prepare": {"target": text, "id_columns": [text, "b"]}
    }


def test_the_form() -> None:
    """Sections apart, a reason behind a key, plain names without quotes, a long list with one entry a line."""
    settings = [
        Setting(("prepare", "target"), "default payment", "its name\nsays so"),
        Setting(("prepare", "kinds", "zip"), "categorical", "codes"),
        Setting(("prepare", "id_columns"), ["loan.id"]),
        Setting(("prepare", "audit_columns"), ["a" * 50, "b" * 50]),
        Setting(("evaluate", "floors", "roc_auc"), 0.7),
    ]
    assert params_text(settings, "Made.") == (
        "# Made.\n"
        "prepare:\n"
        "  target: default payment  # its name\\nsays so\n"
        "  kinds:\n"
        "    zip: categorical  # codes\n"
        "  id_columns: [loan.id]\n"
        "  audit_columns:\n"
        f"    - {'a' * 50}\n"
        f"    - {'b' * 50}\n"
        "\n"
        "evaluate:\n"
        "  floors:\n"
        "    roc_auc: 0.7\n"
    )
