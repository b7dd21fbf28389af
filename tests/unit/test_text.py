"""Text of anybody made harmless to lay out, and numbers made readable."""

from __future__ import annotations

import math

import pytest

from lockgate.documents.text import (
    clean_reason,
    clean_text,
    cut_middle,
    format_count,
    format_margin,
    format_metric,
    format_p_value,
    format_psi,
    format_share,
    number,
    round_label,
)

MINUS, SPACE, UNSEEN = "\u2212", "\u00a0", "\ufffd"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("", ""),
        ("  two \t words\n", "two words"),
        ("a\u00a0b", "a b"),  # white space of any kind
        ("a\u3000b", "a b"),
        ("a\u202eb", f"a{UNSEEN}b"),  # right to left from here on
        ("a\u200bb", f"a{UNSEEN}b"),
        ("a\x1bb", f"a{UNSEEN}b"),
        ("\ue000", UNSEEN),
        ("\u0378", UNSEEN),
        ("\ud800", UNSEEN),
        ("\u3164", UNSEEN),  # a letter that is blank
        ("e\u0301", "é"),
        ("x" + 5 * "\u0316", "x" + 2 * "\u0316"),  # piles of marks
        ("x" + 3 * "\u0316" + "y" + 3 * "\u0316", "x" + 2 * "\u0316" + "y" + 2 * "\u0316"),
        ("x" + 3 * "\u20dd", "x" + 2 * "\u20dd"),
        (7, "7"),
        (0.5, "0.5"),
        (math.nan, "n/a"),
        (math.inf, "n/a"),
        ({"a": 1, "b": None}, "a=1, b="),
        ([1], "[1]"),
    ],
)
def test_a_value_is_one_visible_line(value: object, expected: str) -> None:
    assert clean_text(value) == expected


def test_an_integer_of_more_digits_than_python_prints_is_none() -> None:
    assert clean_text(10**5000) == "n/a"
    assert number(10**400) is None


def test_the_middle_of_what_is_too_long_goes() -> None:
    assert clean_text("x" * 60) == "x" * 60
    assert clean_text("a" * 41 + "b" * 20) == "a" * 40 + "…" + "b" * 19
    assert clean_text("0123456789", 7) == "0123…89"
    assert cut_middle("0123456789", 10) == "0123456789"
    assert cut_middle("0123456789", 9) == "012345…89"
    assert cut_middle("012345 789", 8) == "01234…89"
    assert cut_middle("01234 6789", 8) == "01234…89"  # no blank beside the ellipsis
    assert cut_middle("0123456 89", 8) == "01234…89"
    endless = clean_text("a" * 3000 + "b" * 3000, 4100)
    assert endless == "a" * 2000 + "b" * 2000
    assert clean_text("a" * 4000, 4100) == "a" * 4000


def test_a_reason_shows_names_in_quotes_as_a_terminal_does() -> None:
    assert clean_reason("`income` alone has it", 240) == "'income' alone has it"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, 1.0),
        (0.25, 0.25),
        (True, None),
        ("1", None),
        (None, None),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
    ],
)
def test_only_a_finite_number_is_one(value: object, expected: float | None) -> None:
    assert number(value) == expected


@pytest.mark.parametrize(
    ("value", "metric", "psi", "margin"),
    [
        (None, "n/a", "n/a", "n/a"),
        (0.0, "0.0000", "0.000", "+0.0000"),
        (0.12345678, "0.1235", "0.123", "+0.1235"),
        (-0.12345678, f"{MINUS}0.1235", f"{MINUS}0.123", f"{MINUS}0.1235"),
        (-0.00001, "0.0000", "0.000", "+0.0000"),
        (1.0, "1.0000", "1.000", "+1.0000"),
        (2.0, "2", "2.000", "+2"),
        (2.5, "2.5000", "2.500", "+2.5000"),
        (-2.0, f"{MINUS}2.0000", f"{MINUS}2.000", f"{MINUS}2.0000"),
        (999_999.5, "999999.5000", "999999.500", "+999999.5000"),
        (1e6, "1.000e+06", "1.000e+06", "+1.000e+06"),
        (-1e6, f"{MINUS}1.000e+06", f"{MINUS}1.000e+06", f"{MINUS}1.000e+06"),
    ],
)
def test_numbers_have_the_digits_of_their_kind(value: float | None, metric: str, psi: str, margin: str) -> None:
    assert (format_metric(value), format_psi(value), format_margin(value)) == (metric, psi, margin)


def test_a_share_that_is_not_nothing_never_reads_nothing() -> None:
    shown = {None: "n/a", 0.0: "0.0", 0.0004: "<0.1", 0.0005: "0.1", 0.1234: "12.3", 1.0: "100.0"}
    for value, text in shown.items():
        assert format_share(value) == (text if value is None else f"{text}{SPACE}%")


def test_a_p_value_is_never_an_exact_zero() -> None:
    assert [format_p_value(value) for value in (None, 0.0, 0.00099, 0.001, 0.05, 1.0)] == [
        *("n/a", "<0.001", "<0.001", "0.001", "0.050", "1.000")
    ]


def test_a_count_has_commas() -> None:
    assert [format_count(value) for value in (None, 0, 999, 12_345.4, -1e6, 1e15, 9e14)] == [
        *("n/a", "0", "999", "12,345", "-1,000,000", "1.000e+15", "900,000,000,000,000")
    ]


def test_a_bins_label_has_four_digits() -> None:
    assert round_label("(-inf, 1200.123456]") == f"({MINUS}∞, 1200]"
    assert round_label("(-0.123456, 1234567.5]") == f"({MINUS}0.1235, 1.235e+06]"
    assert round_label("(1.5e-07, 2]") == f"(1.5e{MINUS}07, 2]"
