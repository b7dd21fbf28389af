"""The name of a model where a repository has several."""

from __future__ import annotations

import pytest

from lockgate.config.errors import InputError
from lockgate.config.model_name import MAX_LENGTH, require_name, suffixed, tag_prefix


@pytest.mark.parametrize("name", ["", "a", "7", "credit-cards", "vans", "v-1", "a1-b2-c3", "a" * MAX_LENGTH])
def test_a_name_is_taken_as_it_is(name: str) -> None:
    assert require_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "Credit",
        "credit_cards",
        "-a",
        "a-",
        "a--b",
        "a b",
        "a/b",
        "..",
        "a\n",
        "é",
        "v1",
        "v2-a",
        "a" * (MAX_LENGTH + 1),
    ],
)
def test_another_name_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(InputError, match=r"^`--name` is .*; a model's name has lower-case letters") as refused:
        require_name(name, "--name")
    assert len(str(refused.value).splitlines()) == 1


def test_what_carries_the_name() -> None:
    assert [suffixed("report", name) for name in ("", "credit-cards")] == ["report", "report-credit-cards"]
    assert [tag_prefix(name) for name in ("", "credit-cards")] == ["model-", "model-credit-cards-"]
