"""Which column of a table is likely to be predicted, and which of its values are the event: by names, words and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockgate.config.errors import InputError
from lockgate.config.suggest import nearest
from lockgate.data.column_facts import ColumnFacts
from lockgate.data.column_words import PAIRS, PAST_WORDS, SPLIT_NAME, TARGET_WORDS, has_word, is_event, most_points
from lockgate.data.target import MIN_PER_CLASS, obvious_positive

SURE = 5  # points from which on a column is taken for the target
LIKELY = 2  # points that are enough where no other column can be it
APART = 3  # points that the next best has to be behind
MAX_CLASSES = 12  # of a target of which some values are known to be the event and others not to be


@dataclass(frozen=True)
class ProposedClasses:
    """Which values of the target are the event, which are not, and of which rows nobody knows yet.

    `is_obvious` says that `prepare` takes them so without being told.
    """

    positive: tuple[str, ...]
    negative: tuple[str, ...]
    left_out: tuple[str, ...]
    positive_rows: int
    negative_rows: int
    reason: str
    is_obvious: bool

    @property
    def rate(self) -> float:
        """The event's share of the rows that count."""
        return self.positive_rows / (self.positive_rows + self.negative_rows)


def target_candidates(facts: Sequence[ColumnFacts]) -> list[tuple[int, ColumnFacts]]:
    """Columns of two classes, or of values that say which of them are the event, with their points, most first."""
    found = []
    for place, one in enumerate(facts):
        present = one.rows - one.missing
        texts = [text for text, _ in one.values]
        outcomes = {is_event(text) for text in texts} - {None}
        say_so = len(outcomes) == 2 or frozenset(text.strip().lower() for text in texts) in PAIRS
        several = 2 < one.distinct <= MAX_CLASSES and len(outcomes) == 2
        if not (one.distinct == 2 or several) or present < one.rows / 2 or SPLIT_NAME.fullmatch(" ".join(one.words)):
            continue
        if one.distinct == 2 and min(count for _, count in one.values) < MIN_PER_CLASS:
            continue
        points = most_points(one.words, TARGET_WORDS)
        points += 3 * (one.words in (["loan", "status"], ["credit", "risk"]))
        points -= 8 * has_word(one.words, PAST_WORDS)
        points += 2 * ("next" in one.words) + 2 * (place == len(facts) - 1) + 1 * say_so
        points -= 3 * bool(one.missing)
        if several and points < SURE:
            continue
        found.append((points, one))
    return sorted(found, key=lambda each: -each[0])


def find_target(facts: Sequence[ColumnFacts]) -> tuple[ColumnFacts, str]:
    """The column that is likeliest to be predicted, and why.

    Raises InputError where none is, or several are about equally likely.
    """
    candidates = target_candidates(facts)
    if not candidates:
        raise InputError(
            "no column has the two classes that a target has, of at least "
            f"{MIN_PER_CLASS} rows each; name the target with --target"
        )
    points, best = candidates[0]
    is_alone = len(candidates) == 1
    if points < (LIKELY if is_alone else SURE) or (not is_alone and points - candidates[1][0] < APART):
        shown = ", ".join(f"`{one.name}`" for _, one in candidates[:5])
        raise InputError(f"the target may be {shown}; name it with --target")
    by_name = most_points(best.words, TARGET_WORDS) > 0
    return best, "its name says so" if by_name else "the only column of two classes"


def find_classes(target: ColumnFacts, positive: Sequence[str] = (), negative: Sequence[str] = ()) -> ProposedClasses:
    """Which values of the target are the event: as said, as their words say, or the rarer of two; the rest is left out.

    Raises InputError where the target has too many values, one that was said is not among them, or nothing tells which are
    the event and which are not.
    """
    counts = dict(target.values)
    if not 2 <= target.distinct <= MAX_CLASSES:
        raise InputError(
            f"target `{target.name}` has {target.distinct:,} values; a binary target has two classes, so name another "
            "column with --target"
        )
    for text in (*positive, *negative):
        if text not in counts:
            raise InputError(f"target `{target.name}` has no value {text}; {nearest(text, counts)}")
        if text in positive and text in negative:
            raise InputError(f"{text} cannot be the event and not be it; name it once, with --positive or --negative")
    reason = "as you say"
    if not positive:
        positive, reason = _event(counts)
    if not negative:
        others = [text for text in counts if text not in positive]
        negative = others if len(others) == 1 else [text for text in others if is_event(text) is False]
    if not positive or not negative:
        shown = ", ".join(f"{text} ({count:,})" for text, count in target.values)
        raise InputError(
            f"target `{target.name}` has the values {shown}; say with --positive which of them are the event, and with --negative "
            "which are not, each as often as needed"
        )
    left_out = [text for text in counts if text not in (*positive, *negative)] + [""] * bool(target.missing)
    events, non_events = (sum(counts[text] for text in texts) for texts in (positive, negative))
    reasons = [f"{events / (events + non_events):.1%} of the rows", reason]
    if left_out:
        reasons.append(f"{target.rows - events - non_events:,} rows whose outcome is not known are left out")
    return ProposedClasses(
        tuple(positive),
        tuple(negative),
        tuple(left_out),
        events,
        non_events,
        "; ".join(filter(None, reasons)),
        is_obvious=not left_out and [obvious_positive(counts)] == list(positive),
    )


def _event(counts: Mapping[str, int]) -> tuple[list[str], str]:
    """The values that are the event, and why; none where nothing tells."""
    lower = {text.strip().lower(): text for text in counts}
    told = [text for text in counts if is_event(text)]
    denied = [text for text in counts if is_event(text) is False]
    if pair := PAIRS.get(frozenset(lower)):
        return [lower[pair]], ""
    if told and (len(counts) > 2 or len(told) == 1):
        return told, "the words say so"
    if len(counts) > 2:
        return [], ""
    if len(denied) == 1:
        return [text for text in counts if text not in denied], f"the other class is {denied[0]}"
    return [min(counts, key=lambda text: counts[text])], "the rarer class, so check that it is the event"
