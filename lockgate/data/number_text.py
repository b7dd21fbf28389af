"""Texts that stand for numbers: 1.5 and 1e3, and 1.234,5 or 41% or $ 12,000 or (12.50) where all of a column is written so."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from lockgate.data.text_cells import all_true, any_true
from lockgate.documents.schema_json import NumberFormat

PERCENT = "%"
CURRENCY_SIGNS = "$€£¥₹₽₩₺₪₫₴₦₱฿₿"
# Codes of currencies that loans are made in, and signs that are letters.
CURRENCY_CODES = (
    *(
        "AED",
        "ARS",
        "AUD",
        "BDT",
        "BGN",
        "BRL",
        "CAD",
        "CHF",
        "CLP",
        "CNY",
        "COP",
        "CZK",
        "DKK",
        "EGP",
        "EUR",
        "GBP",
        "HKD",
    ),
    *(
        "HUF",
        "IDR",
        "ILS",
        "INR",
        "ISK",
        "JPY",
        "KES",
        "KRW",
        "KZT",
        "MAD",
        "MXN",
        "MYR",
        "NGN",
        "NOK",
        "NZD",
        "PEN",
        "PHP",
    ),
    *("PKR", "PLN", "RON", "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "UYU", "VND", "ZAR"),
    *("A$", "C$", "HK$", "NT$", "R$", "S$", "US$", "Fr.", "Kč", "Rs.", "Rs", "kr", "kr.", "zł"),
)
# What stands for one of the characters that are asked for: spaces that do not break, and typographic signs.
_SAME = {"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"}


# Numbers below zero as accounting writes them, (12.5) or $(12.5) or ($12.5), and as SAP does, 12.50-.
_IN_PARENTHESES = r"^([^\d()+-]*)\(\s*([^()+-]+?)\s*\)$"
_SIGN_BEHIND = r"^([^()+-]*[\d.,])-$"
# Notations that are recognised and not read: a factor behind the digits, hexadecimal, digits that are not 0 to 9.
_FACTOR_BEHIND = r"(?i)([\d.,])\s?(?:k|m|mn|mm|mio|mln|b|bn|mrd|tsd|lakh|crore)\.?$"
_HEXADECIMAL = r"^[+-]?0[xX][0-9A-Fa-f]+$"
_OTHER_DIGIT = r"[^\P{Nd}0-9]"

_DIGITS = r"[+-]?[0-9.,](?:[0-9., ']*[0-9.,])?(?:[eE][+-]?[0-9]+)?"


@dataclass(frozen=True)
class NumberTexts:
    """Texts taken apart: the digits with their separators (null where a text is no number), and the unit beside them.

    `digits` and `units` have a value a text: "-1,234.5" and "%", "$" or "EUR", "" where there is none. `accounting` says which
    are numbers below zero by parentheses, or by a sign behind the digits.
    """

    digits: pa.Array
    units: pa.Array
    accounting: pa.Array

    def fit(self, number: NumberFormat) -> pa.Array:
        """Which of the texts are numbers in this format."""
        written = pc.match_substring_regex(self.digits, _pattern(number.decimal, number.thousands)).fill_null(False)
        unit = unit_of(number)
        has_unit = pc.equal(self.units, unit)
        if number.unit_optional:
            has_unit = pc.or_(has_unit, pc.equal(self.units, ""))
        return pc.and_(written, has_unit.fill_null(False))

    def numbers(self, number: NumberFormat) -> pa.Array:
        """The texts, all of which fit, as float64: the number nearest to what is written, or int64 where all are whole."""
        texts = pc.replace_substring(self.digits, number.thousands, "") if number.thousands else self.digits
        if number.decimal == ",":
            texts = pc.replace_substring(texts, ",", ".")
        if number.percent:  # the nearest number to the quotient, not the quotient of the nearest number
            return pc.binary_join_element_wise(texts, "e-2", "").cast(pa.float64())
        if not any_true(pc.match_substring_regex(texts, "[.eE+]")):
            try:
                return texts.cast(pa.int64())
            except pa.ArrowInvalid:  # more digits than that
                pass
        return texts.cast(pa.float64())

    def taken(self, chosen: pa.Array) -> NumberTexts:
        """Those at the positions where `chosen` is true."""
        return NumberTexts(self.digits.filter(chosen), self.units.filter(chosen), self.accounting.filter(chosen))

    def without_accounting(self) -> NumberTexts:
        """The same where (12.5) and 12.5- are no numbers."""
        digits = pc.if_else(self.accounting, pa.scalar(None, pa.string()), self.digits)
        return NumberTexts(digits, self.units, pc.and_not(self.accounting, self.accounting))


def taken_apart(texts: pa.Array, currency: str | None = None) -> NumberTexts:
    """The texts as digits and units; `currency` is one that the project names beside the known ones."""
    if not all_true(pc.string_is_ascii(texts)):
        for written, meant in _SAME.items():
            texts = pc.replace_substring(texts, written, meant)
    texts = pc.utf8_trim_whitespace(texts)
    bare = pc.match_substring_regex(texts, f"^{_DIGITS}$")
    if all_true(bare):  # a regular expression that takes apart takes ten times as long
        return NumberTexts(texts, pc.if_else(bare, "", ""), pc.invert(bare))
    signed = _sign_in_front(texts)
    found = pc.extract_regex(signed, _parts(currency))
    sign, before, digits, after = (pc.struct_field(found, name) for name in ("sign", "before", "digits", "after"))
    both = pc.and_(pc.not_equal(before, ""), pc.not_equal(after, ""))
    whole = pc.binary_join_element_wise(sign, digits, "")
    whole = pc.if_else(both.fill_null(True), pa.scalar(None, pa.string()), whole)
    units = pc.binary_join_element_wise(before, after, "")
    return NumberTexts(whole, units, pc.and_(whole.is_valid(), pc.not_equal(signed, texts)))


def in_known_notation(texts: pa.Array) -> pa.Array:
    """The texts, where what people write for numbers and no setting reads has numbers instead, not the same ones.

    12k and 3.4M become 12 and 3.4, 0x1F becomes 1, and other digits than 0 to 9 become such: to recognise them, not to read them.
    """
    texts = pc.utf8_trim_whitespace(texts)
    if not all_true(pc.string_is_ascii(texts)):
        texts = pc.replace_substring_regex(pc.utf8_normalize(texts, "NFKC"), _OTHER_DIGIT, "1")
    texts = pc.replace_substring_regex(texts, _FACTOR_BEHIND, r"\1")
    return pc.replace_substring_regex(texts, _HEXADECIMAL, "1")


def unit_of(number: NumberFormat) -> str:
    """What stands beside the digits of each number."""
    return PERCENT if number.percent else number.currency


def _sign_in_front(texts: pa.Array) -> pa.Array:
    texts = pc.replace_substring_regex(texts, _IN_PARENTHESES, r"-\1\2")
    return pc.replace_substring_regex(texts, _SIGN_BEHIND, r"-\1")


def _pattern(decimal: str, thousands: str) -> str:
    whole = r"\d+"
    if thousands:  # groups of three, the first of which does not begin with 0
        whole += rf"|[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+"
    point = re.escape(decimal)
    return rf"^[+-]?(?:(?:{whole})(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?$"


def _parts(currency: str | None) -> str:
    names = [*CURRENCY_CODES, *CURRENCY_SIGNS, *([currency] if currency else [])]
    unit = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return rf"^(?P<sign>[+-]?)\s*(?P<before>(?:{unit})?)\s*(?P<digits>{_DIGITS})\s*(?P<after>(?:%|{unit})?)$"
