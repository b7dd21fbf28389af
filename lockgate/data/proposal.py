"""What the columns of a table are for: a proposal, with the reason for each, from their names and what stands in them.

A proposal is for people to look at and for `params.yaml` to say; nothing is read by it.
"""

from __future__ import annotations

import itertools
import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from lockgate.config.errors import InputError
from lockgate.config.params import Evaluate, Prepare, Sample
from lockgate.config.params_text import Setting
from lockgate.config.suggest import nearest
from lockgate.data.column_facts import ColumnFacts
from lockgate.data.column_words import (
    AFTERWARDS,
    CODE_WORDS,
    JOINED_IDENTIFIER,
    ORDER_WORDS,
    OTHER_TIME_WORDS,
    PERSON_VALUE,
    PERSON_WORDS,
    SPLIT_NAME,
    STRICT_IDENTIFIER_WORDS,
    TIME_WORDS,
    has_word,
    most_points,
)
from lockgate.data.names import IDENTIFIER_WORDS, INVISIBLE, MAX_NAME, MAX_TEXT, NOT_IN_NAMES
from lockgate.data.proposed_target import ProposedClasses, find_classes, find_target
from lockgate.documents.schema_json import (
    RESERVED_COLUMNS,
    RESERVED_FOR_PREDICTIONS,
    RESERVED_PREFIX,
    Change,
    Kind,
)

CHANGE_WORDS: dict[Change, str] = {
    "stripped": "spaces around them",
    "percent": "a percent sign",
    "thousands": "thousands apart",
    "decimal": "a decimal comma",
    "currency": "a currency",
    "negative": "parentheses or a minus behind for what is below zero",
    "dates": "dates",
}

MAX_CODES = 30  # values of a column of whole numbers that may be codes
MIN_ROWS_OF_A_PATTERN = 20  # of fewer rows each may well have a value of its own
RARE = 0.15  # an event of which the default floor of average precision asks too much
PR_AUC_OVER_RATE = 2  # the average precision asked for, over that of a model that knows nothing: the event's rate
LARGEST_TEST_SIZE = 0.5

Use = Literal["target", "identifier", "time", "audit", "unavailable", "dropped", "feature"]
LISTS: dict[Use, str] = {
    "identifier": "id_columns",
    "audit": "audit_columns",
    "unavailable": "unavailable_at_decision",
}


@dataclass(frozen=True)
class ProposedColumn:
    """A column, what it is for and why; `declared` is what `prepare.kinds` has to say of it, None where nothing."""

    facts: ColumnFacts
    use: Use
    reason: str
    declared: Literal["categorical", "drop"] | None = None
    missing_texts: tuple[str, ...] = ()
    """Texts that `prepare.read.missing` has to name, so that it is a column of numbers."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.facts.name

    @property
    def kind(self) -> Kind | None:
        """How a feature or an audit column is read; None for the others."""
        if self.use not in ("feature", "audit"):
            return None
        return "categorical" if self.declared == "categorical" else self.facts.kind or "numeric"


@dataclass(frozen=True)
class Answers:
    """What somebody said of the table; the rest is proposed.

    `columns` has for each use that was asked for its columns, none where there is none; `codes` are the columns of numbers
    that stand for categories, None where nobody was asked.
    """

    target: str | None = None
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    columns: Mapping[Use, tuple[str, ...]] = field(default_factory=dict)
    codes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Proposal:
    """Every column of a table with what it is for, and which values of the target are the event."""

    columns: tuple[ProposedColumn, ...]
    classes: ProposedClasses

    @property
    def target(self) -> ProposedColumn:
        """The column that is to be predicted."""
        return next(column for column in self.columns if column.use == "target")

    def named(self, use: Use) -> list[str]:
        """Names of the columns for this use, in the order of the table."""
        return [column.name for column in self.columns if column.use == use]

    @property
    def codes(self) -> list[str]:
        """Names of the columns whose numbers stand for categories."""
        return [column.name for column in self.columns if column.declared == "categorical" and column.facts.is_whole]

    def reason(self, use: Use) -> str:
        """Why these columns are for this use, each reason once."""
        return "; ".join(dict.fromkeys(column.reason for column in self.columns if column.use == use))

    @property
    def missing_texts(self) -> list[str]:
        """Texts that stand among numbers and mean missing, for `prepare.read.missing`."""
        return list(dict.fromkeys(text for column in self.columns for text in column.missing_texts))

    @property
    def settings(self) -> list[Setting]:
        """What `params.yaml` has to say of the columns of this table."""
        new = new_names(self.columns)
        named: dict[Use, list[str]] = {use: [new.get(name, name) for name in self.named(use)] for use in get_args(Use)}
        return [
            *(
                Setting(("prepare", "rename", name), other, "the name in the file cannot be used")
                for name, other in new.items()
            ),
            Setting(("prepare", "target"), named["target"][0], self.target.reason),
            *_class_settings(self.classes),
            *(Setting(("prepare", "time_column"), name, self.reason("time")) for name in named["time"]),
            *(Setting(("prepare", key), named[use], self.reason(use)) for use, key in LISTS.items() if named[use]),
            *(
                Setting(("prepare", "kinds", new.get(column.name, column.name)), column.declared, column.reason)
                for column in self.columns
                if column.declared
            ),
            *_size_settings(self.classes),
        ]

    @property
    def warnings(self) -> list[str]:
        """What the data do not allow, a sentence each."""
        rows, rarer = self.classes.positive_rows + self.classes.negative_rows, _rarer(self.classes)
        needed = Sample()
        if _needed_test_size(self.classes) <= LARGEST_TEST_SIZE:
            return []
        return [
            f"{rows:,} rows with {rarer:,} of the rarer class are too few: the gate rests a verdict on {needed.rows} test rows "
            f"with {needed.per_class} of the rarer class, so it will block"
        ]


def propose(facts: Sequence[ColumnFacts], answers: Answers = Answers()) -> Proposal:
    """What each column of a table is for, by what can be seen of it and by what somebody said already.

    Raises InputError where an answer names a column that is not there, and where the target cannot be told from the names
    and values, or has no two classes.
    """
    _require_columns(facts, answers)
    target, reason = (_the(facts, answers.target), "as you say") if answers.target else find_target(facts)
    classes = find_classes(target, answers.positive, answers.negative)
    others = [one for one in facts if one is not target and one.distinct > 1]
    chosen = {name: use for use, names in answers.columns.items() for name in names}
    free = [one for one in others if one.name not in chosen]
    identifier, time = _find_identifier(free), _find_time(free)

    def proposed(one: ColumnFacts) -> ProposedColumn:
        if one is target:
            return ProposedColumn(one, "target", reason)
        if one.distinct <= 1:
            reason_to_drop = "the same in every row" if one.distinct else "no value in any row"
            return ProposedColumn(one, "dropped", reason_to_drop)
        if one.name in chosen:
            return _answered(one, chosen[one.name], answers.codes)
        rules: tuple[tuple[Use, Callable[[ColumnFacts], ProposedColumn | None]], ...] = (
            ("dropped", _unusable),
            ("unavailable", _known_afterwards),
            ("identifier", lambda one: identifier if identifier and one is identifier.facts else None),
            ("time", lambda one: time if time and one is time.facts else None),
            ("dropped", _without_pattern),
            ("audit", _about_the_person),
            ("feature", lambda one: _feature(one, [target, *others], answers.codes)),
        )
        # A use that somebody answered for has the columns that were named, and no other.
        found = (rule(one) for use, rule in rules if use not in answers.columns)
        return next(column for column in found if column)

    return Proposal(tuple(proposed(one) for one in facts), classes)


def new_names(columns: Iterable[ProposedColumn]) -> dict[str, str]:
    """Other names, by the file's own, for columns that are used and whose name something later could not take."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for column in columns:
        if column.declared == "drop" or column.use == "unavailable":
            continue
        letters = (letter for letter in column.name if unicodedata.category(letter) not in INVISIBLE)
        name = unicodedata.normalize("NFC", "".join(letters)).translate(dict.fromkeys(map(ord, NOT_IN_NAMES), "'"))
        name = name.strip()[:MAX_NAME].strip() or "column"
        if name in {*RESERVED_COLUMNS, *RESERVED_FOR_PREDICTIONS} or name.startswith(RESERVED_PREFIX):
            name = f"given_{name}"
        name = next(one for one in _numbered(name) if one.casefold() not in seen)
        seen.add(name.casefold())
        if name != column.name:
            found[column.name] = name
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    yield from (f"{name}_{number}" for number in itertools.count(2))


def _answered(one: ColumnFacts, use: Use, codes: tuple[str, ...] | None) -> ProposedColumn:
    declared: Literal["categorical", "drop"] | None = "drop" if use == "dropped" else None
    if use == "audit" and (_are_codes(one) if codes is None else one.name in codes):
        declared = "categorical"
    return ProposedColumn(one, use, "as you say", declared)


def _unusable(one: ColumnFacts) -> ProposedColumn | None:
    if not one.is_plain:
        return ProposedColumn(one, "dropped", "no plain value a cell", "drop")
    if SPLIT_NAME.fullmatch(" ".join(one.words)) and one.distinct <= MAX_CODES:
        return ProposedColumn(one, "dropped", "says how somebody split the rows", "drop")
    return None


def _known_afterwards(one: ColumnFacts) -> ProposedColumn | None:
    if AFTERWARDS.search(" ".join(one.words)):
        return ProposedColumn(one, "unavailable", "known only after the decision, by its name")
    return None


def _find_identifier(facts: Iterable[ColumnFacts]) -> ProposedColumn | None:
    """The column that tells rows apart: another value in each, and a name that says so or values that are codes."""

    def points(one: ColumnFacts) -> int:
        if not one.is_unique or one.holds_times or one.rows < MIN_ROWS_OF_A_PATTERN or one.is_row_counter:
            return 0
        if one.kind == "numeric" and not one.is_whole:
            return 0
        if has_word(one.words, STRICT_IDENTIFIER_WORDS) or JOINED_IDENTIFIER.fullmatch("".join(one.words)):
            return 3
        if has_word(one.words, IDENTIFIER_WORDS):
            return 2
        return int(one.are_codes)

    best = max(facts, key=points, default=None)
    return ProposedColumn(best, "identifier", "another value in each row") if best and points(best) else None


def _find_time(facts: Iterable[ColumnFacts]) -> ProposedColumn | None:
    """The time of a row: of the application or the decision, not a birth or a last payment."""

    def points(one: ColumnFacts) -> int:
        if not one.times_are_clear or one.missing or one.distinct < MIN_ROWS_OF_A_PATTERN // 2:
            return 0
        if has_word(one.words, OTHER_TIME_WORDS) or AFTERWARDS.search(" ".join(one.words)):
            return 0
        return 1 + most_points(one.words, TIME_WORDS)

    best = max(facts, key=points, default=None)
    if not best or not points(best):
        return None
    return ProposedColumn(best, "time", "dates: the newest rows are the test set")


def _without_pattern(one: ColumnFacts) -> ProposedColumn | None:
    """Columns whose values say nothing of another row: counters, other identifiers, free text; and times."""
    reason, many = None, one.rows >= MIN_ROWS_OF_A_PATTERN
    if one.is_row_counter:
        return ProposedColumn(one, "dropped", "counts the rows", None if one.is_unnamed else "drop")
    if one.holds_times:
        reason = "dates, which are no feature" if one.times_are_clear else "dates that can be read in two ways"
    elif many and one.is_unique and (one.is_whole or one.kind != "numeric") and has_word(one.words, IDENTIFIER_WORDS):
        reason = "another value in each row"
    elif (
        has_word([*one.words[:1], *one.words[-1:]], STRICT_IDENTIFIER_WORDS)
        and (one.is_whole or one.kind != "numeric")
        and one.distinct > MAX_CODES
    ):
        reason = "names something that is in several rows"
    elif not one.numbers_are_clear:
        reason = "numbers whose sign may be a decimal one: say which in prepare.read.decimal, and take this line away"
    elif one.are_unread_numbers:
        reason = "numbers in a notation that is not read: write them in digits, as 12500, and take this line away"
    elif one.kind is None and not one.odd_texts:
        reason = f"{one.distinct:,} different texts"
    elif one.kind == "categorical" and any(len(text) > MAX_TEXT for text, _ in one.values):
        reason = "texts that are too long for a category"
    elif one.kind == "categorical" and many and one.distinct > max(MAX_CODES, one.rows / 2):
        reason = f"{one.distinct:,} different texts in {one.rows:,} rows"
    return ProposedColumn(one, "dropped", reason, "drop") if reason else None


def _about_the_person(one: ColumnFacts) -> ProposedColumn | None:
    says_sex = any(PERSON_VALUE.search(text) for text, _ in one.values)
    if not (has_word(one.words, PERSON_WORDS) or says_sex) or one.distinct > MAX_CODES:
        return None
    declared: Literal["categorical"] | None = "categorical" if _are_codes(one) else None
    return ProposedColumn(one, "audit", "who somebody is: measured for fairness, never trained on", declared)


def _feature(one: ColumnFacts, others: Sequence[ColumnFacts], codes: tuple[str, ...] | None) -> ProposedColumn:
    if codes is not None and one.kind == "numeric":
        return ProposedColumn(one, "feature", "as you say", "categorical" if one.name in codes else None)
    if (
        _are_codes(one)
        and one.distinct > 2
        and has_word(one.words, CODE_WORDS)
        and not has_word(one.words, ORDER_WORDS)
    ):
        return ProposedColumn(one, "feature", "codes, by its name: their order means nothing", "categorical")
    if one.odd_texts:
        return _among_numbers(one, others)
    if one.kind == "numeric":
        written = (
            f", written with {' and '.join(CHANGE_WORDS[change] for change in one.changed)}" if one.changed else ""
        )
        return ProposedColumn(one, "feature", f"numbers{written}")
    return ProposedColumn(one, "feature", "texts" if one.distinct > 2 else "two texts")


def _among_numbers(one: ColumnFacts, others: Sequence[ColumnFacts]) -> ProposedColumn:
    """A column of numbers and a few texts: they mean missing, unless they mean something in another column."""
    elsewhere = {text for other in others if other.kind == "categorical" for text, _ in other.values}
    if one.odd_texts_are_missing and not elsewhere & set(one.odd_texts):
        shown = ", ".join(one.odd_texts)
        return ProposedColumn(one, "feature", f"numbers, where {shown} means missing", missing_texts=one.odd_texts)
    if one.distinct <= MAX_CODES:
        return ProposedColumn(one, "feature", "numbers and texts", "categorical")
    return ProposedColumn(one, "dropped", f"numbers and texts such as {one.odd_texts[0]}", "drop")


def _are_codes(one: ColumnFacts) -> bool:
    """Whether numbers may stand for categories: whole ones, and few of them."""
    return one.kind == "numeric" and one.is_whole and one.distinct <= MAX_CODES


def _class_settings(classes: ProposedClasses) -> list[Setting]:
    if classes.is_obvious:
        return []
    if not classes.left_out and len(classes.positive) == len(classes.negative) == 1:
        return [Setting(("prepare", "positive"), classes.positive[0], classes.reason)]
    lists = {"positive": classes.positive, "negative": classes.negative, "left_out": classes.left_out}
    return [
        Setting(("prepare", "classes", key), list(texts), classes.reason if key == "left_out" else "")
        for key, texts in lists.items()
        if texts
    ]


def _size_settings(classes: ProposedClasses) -> list[Setting]:
    found = []
    needed = _needed_test_size(classes)
    if needed > Prepare().test_size:
        size = min(math.ceil(needed * 20) / 20, LARGEST_TEST_SIZE)
        least = Sample()
        reason = f"a verdict rests on {least.rows} test rows, {least.per_class} of the rarer class"
        found.append(Setting(("prepare", "test_size"), size, reason))
    floors = Evaluate().floors
    if classes.rate < RARE:
        reachable = round(PR_AUC_OVER_RATE * classes.rate, 2)
        reason = f"twice what guessing has; the default, {floors['pr_auc']:.2f}, is for an event less rare"
        found += [
            Setting(("evaluate", "floors", "roc_auc"), floors["roc_auc"], "the default"),
            Setting(("evaluate", "floors", "pr_auc"), max(reachable, 0.01), reason),
        ]
    return found


def _needed_test_size(classes: ProposedClasses) -> float:
    """The share of the rows that makes a test set of the fewest rows that a verdict rests on, and a tenth more."""
    least, rows = Sample(), classes.positive_rows + classes.negative_rows
    return 1.1 * max(least.rows / rows, least.per_class / max(1, _rarer(classes)))


def _rarer(classes: ProposedClasses) -> int:
    return min(classes.positive_rows, classes.negative_rows)


def _require_columns(facts: Sequence[ColumnFacts], answers: Answers) -> None:
    names = [one.name for one in facts]
    seen: dict[str, str] = {}
    for use, columns in {"target": (answers.target,) if answers.target else (), **answers.columns}.items():
        for name in columns:
            if name not in names:
                raise InputError(f"there is no column `{name}` for the {use}; {nearest(name, names)}")
            if name in seen:
                raise InputError(f"column `{name}` cannot be {seen[name]} and {use} at once; leave one out")
            seen[name] = use


def _the(facts: Sequence[ColumnFacts], name: str) -> ColumnFacts:
    return next(one for one in facts if one.name == name)
