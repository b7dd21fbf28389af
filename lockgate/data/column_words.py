"""What words in the names of columns, and in the values of a target, say of what the columns are for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

# How much a word in a column's name says that the column is the target.
TARGET_WORDS = {
    re.compile("target|label|outcome|y"): 9,
    re.compile("bad|defaulted|churn|churned|exited|attrition|fraud|fraudulent"): 8,
    re.compile("class|default|delinquent|delinquency|dlqin|chargeoff|event"): 6,
    re.compile("response|risk|status|converted|survived|deposit|approved"): 5,
}
PAST_WORDS = re.compile("prev|previous|prior|past|history|historical|hist|ever|earlier|file")

# Of an identifier's name; the strict ones are never of a measurement.
STRICT_IDENTIFIER_WORDS = re.compile("id|uuid|guid|identifier")
JOINED_IDENTIFIER = re.compile(
    "(loan|customer|client|account|acct|user|member|person|app|application|case|row|record|contract)"
    "(id|no|nr|num|number|key)"
)
SPLIT_NAME = re.compile("(is )?(train|test|split|fold|holdout|partition|validation)( set| split| fold)?")
PERSON_WORDS = re.compile(
    "sex|gender|race|ethnicity|ethnic|religion|nationality|citizenship|foreign|disability|marital|marriage"
    "|married|pregnant"
)
PERSON_VALUE = re.compile(r"\b(fe)?males?\b", re.IGNORECASE)  # as in `personal_status`: male single, female div/dep/mar
CODE_WORDS = re.compile(
    "education|job|occupation|profession|industry|sector|purpose|branch|channel|product|region|state|country"
    "|city|county|zip|zipcode|postcode|postal|code|type|category|housing|employer"
)
ORDER_WORDS = re.compile("rating|grade|score|level|rank|count|cnt|days|years|months|amount|amt")
# How much a word says that a time is the row's own.
TIME_WORDS = {
    re.compile("application|applied|decision|issue|issued|origination|granted|approval"): 3,
    re.compile("date|time|timestamp|month|opened|created|observation|snapshot"): 1,
}
OTHER_TIME_WORDS = re.compile("birth|dob|earliest|first|last|next|end|closed|maturity|due|pymnt")
AFTERWARDS = re.compile(
    "recover(y|ies|ed)|collection (recovery )?fee|charge ?off (amount|amt|date)|write ?off|written off|settlement"
    "|total (pymnt|payment|rec )|out prncp|(last|next) (pymnt|payment)|last credit pull|last fico|hardship"
)
# Two values of a target, in small letters, and the one that is the event.
PAIRS = {
    frozenset({"0", "1"}): "1",
    frozenset({"0.0", "1.0"}): "1.0",
    frozenset({"-1", "1"}): "1",
    frozenset({"n", "y"}): "y",
    frozenset({"f", "t"}): "t",
    frozenset({"false", "true"}): "true",
}
# Whole texts of a target's value.
NO_EVENT = re.compile(
    "no|good|(fully )?(re)?paid|paid off|ok|performing|legit|genuine|stayed|retained|low|low risk"
    "|negative|healthy|alive|(non|not|no) ?(a )?(default|defaulted|fraud|churn|bad)|.* fully paid"
)
EVENT = re.compile(
    "yes|bad|default|defaulted|charged off|charge off|chargeoff|unpaid|delinquent|fraud|fraudulent|churn|churned"
    "|exited|left|high|high risk|positive|dead|failed|failure|.* charged off"
)


def has_word(words: Iterable[str], wanted: re.Pattern[str]) -> bool:
    """Whether one of the words of a name is wanted."""
    return any(wanted.fullmatch(word) for word in words)


def most_points(words: Iterable[str], worth: Mapping[re.Pattern[str], int]) -> int:
    """What the word that is worth most is worth."""
    return max((points for wanted, points in worth.items() if has_word(words, wanted)), default=0)


def is_event(text: str) -> bool | None:
    """Whether a value of a target is the event by its words; None where they do not tell."""
    words = " ".join(re.findall(r"[a-z0-9]+", text.lower()))
    if NO_EVENT.fullmatch(words):
        return False
    return True if EVENT.fullmatch(words) else None
