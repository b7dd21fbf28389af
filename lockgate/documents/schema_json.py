"""`schema.json`: what each column of the data is, learnt from the training rows and frozen with the model."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.documents.document import Count, Document, Name, Part, Sentence, Share
from lockgate.documents.manifest_json import Origin

# Names that the kit gives itself: the row key, the model's score in drift.json, and columns of predictions.parquet.
ROW_KEY = "row_key"
RESERVED_COLUMNS = (ROW_KEY, "score")
RESERVED_PREFIX = "lockgate_"  # of the columns of the decision log that are not features
LOG_REQUEST_ID = f"{RESERVED_PREFIX}request_id"
LOG_ROW = f"{RESERVED_PREFIX}row"  # its place in the request
LOG_TIME = f"{RESERVED_PREFIX}time"
LOG_DIGEST = f"{RESERVED_PREFIX}digest"  # of the model that decided
LOG_SCORE = f"{RESERVED_PREFIX}score"
LOG_DECISION = f"{RESERVED_PREFIX}decision"
LOG_SHADOW_DIGEST = f"{RESERVED_PREFIX}shadow_digest"  # of the challenger that scored the row too, and answered nobody
LOG_SHADOW_SCORE = f"{RESERVED_PREFIX}shadow_score"
LOG_SHADOW_DECISION = f"{RESERVED_PREFIX}shadow_decision"
DECISION_KEY = (LOG_REQUEST_ID, LOG_ROW)  # which decision a row of the log is
DECISION_COLUMNS = (LOG_TIME, LOG_DIGEST, LOG_DECISION)  # what a batch keeps of it for its outcomes
LABEL = f"{RESERVED_PREFIX}label"  # its outcome, joined to it
OUTCOME = f"{RESERVED_PREFIX}outcome"  # which of the stored outcomes that is
NO_OUTCOME = -1
Y_TRUE = "y_true"
Y_SCORE = "y_score"
RESERVED_FOR_PREDICTIONS = (ROW_KEY, Y_TRUE, Y_SCORE)

# Beyond the first a float32, which models compute with, is infinite; beyond the second a float64 skips integers.
LARGEST_NUMBER = 3.4028234663852886e38
LARGEST_INTEGER = 2**53 - 1

MAX_DISTINCT = 1_000_000  # different values of a column that are counted
Kind = Literal["numeric", "categorical"]
Decimal = Literal[".", ","]
Thousands = Literal["", ",", ".", " ", "'"]
Decision = Literal["favourable", "unfavourable"]
FAVOURABLE: Decision = "favourable"
UNFAVOURABLE: Decision = "unfavourable"


class Feature(Part, frozen=True):
    """A column that the model is trained on.

    `categories` are sorted and empty for numbers; `nullable` says that the training rows had missing values;
    `minimum` and `maximum` are declared bounds, never learnt; `text` words the feature as an adverse reason.
    """

    name: Name
    kind: Kind
    integer: bool
    nullable: bool
    categories: tuple[Name, ...]
    minimum: float | None
    maximum: float | None
    text: Sentence

    def __post_init__(self) -> None:
        if twice := first_repeated(self.categories):
            raise ValueError(f"feature `{self.name}` has the category `{twice}` twice")

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and largest number that is scored: the declared ones, else what numbers can hold."""
        widest = float(LARGEST_INTEGER) if self.integer else LARGEST_NUMBER
        low = -widest if self.minimum is None else max(-widest, self.minimum)
        high = widest if self.maximum is None else min(widest, self.maximum)
        return low, high


class AuditColumn(Part, frozen=True):
    """A column kept for slices and fairness, never trained on and never sent to the service."""

    name: Name
    kind: Kind


class DroppedColumn(Part, frozen=True):
    """A column of the source that the model does not see, and why: in train.json."""

    name: Name
    reason: Sentence


class NumberFormat(Part, frozen=True):
    """How the texts of a column stand for numbers: 1.234,5 has the decimal `,` and thousands `.`; 41% is 0.41 with `percent`.

    `thousands` and `currency` are empty where there is none. Each number has its percent sign or currency beside it, unless
    `unit_optional` says that those without mean the same.
    """

    decimal: Decimal = "."
    thousands: Thousands = ""
    percent: bool = False
    currency: Annotated[str, Meta(max_length=10)] = ""
    unit_optional: bool = False


class Reading(Part, frozen=True):
    """How the cells of a column are read, decided once, from the training data: of whatever file comes later, too.

    `missing` are the texts that mean missing there, beside the empty one and, for numbers and times, the known markers.
    `number` is how texts stand for numbers, None for categories, whose text is the cell's own, and for times. `dates` is the
    strptime format of a column of times, None for ISO 8601.
    """

    kind: Kind | Literal["time"]
    missing: tuple[Name, ...] = ()
    number: NumberFormat | None = None
    dates: Name | None = None


Role = Literal["feature", "audit", "target", "identifier", "time", "weight", "dropped"]
Why = Literal["declared", "inferred"]
Change = Literal["stripped", "percent", "thousands", "decimal", "currency", "negative", "dates"]


class MarkerCount(Part, frozen=True):
    """How many cells held this text, which means missing; the empty text stands for cells that held nothing."""

    text: Name
    count: Count


class TargetClasses(Part, frozen=True):
    """Which texts of the target are the event, which are not, and of which rows are left out."""

    positive: tuple[Name, ...]
    negative: tuple[Name, ...]
    left_out: tuple[Name, ...] = ()


class SourceColumn(Part, frozen=True):
    """A column of the source, and what `prepare` made of it.

    `source_name` is its name in the file. `reading` is None for columns that are not read: dropped ones. `missing` counts the
    cells without a value, `markers` the texts that stood in them, most frequent first. `distinct` counts the values there are;
    1,000,000 means as many or more.
    `changed` names what was done to texts to make them numbers or times. `reason` says why it is dropped, empty where it is not.
    """

    name: Name
    source_name: Name
    role: Role
    why: Why
    reading: Reading | None
    missing: Count
    markers: tuple[MarkerCount, ...]
    distinct: Count
    changed: tuple[Change, ...]
    reason: Sentence = ""


class DecisionRule(Part, frozen=True):
    """At or above `threshold` is one decision, below it the other; `favourable` says which of them is the good one."""

    threshold: Share
    favourable: Literal["below", "above"]

    def decide(self, probability: float) -> Decision:
        """The decision on a row with this probability of the positive class."""
        return FAVOURABLE if (probability < self.threshold) == (self.favourable == "below") else UNFAVOURABLE


class Schema(Document, frozen=True, kw_only=True):
    """All columns and their roles; `columns` are those of the source, in its order.

    `origin` says what the rows were prepared from: training moves it into the bundle's manifest, and adds `decision`.
    """

    HOW_TO_FIX: ClassVar[str] = "run `lockgate prepare` (or `dvc repro`) to make it"

    schema: Literal[1] = 1
    target: Name
    classes: TargetClasses
    features: tuple[Feature, ...]
    audit: tuple[AuditColumn, ...]
    id_columns: tuple[Name, ...]
    time_column: Name | None
    weight_column: Name | None
    columns: tuple[SourceColumn, ...]
    decision: DecisionRule | None = None
    origin: Origin | None = None

    def __post_init__(self) -> None:
        if twice := first_repeated(self.feature_names):
            raise ValueError(f"two features have the same name, `{twice}`")

    @property
    def feature_names(self) -> list[str]:
        """Names of the features in the order of the model's columns."""
        return [feature.name for feature in self.features]

    @property
    def request_identifiers(self) -> list[str]:
        """The identifiers that a request may carry: not features, which it has anyway, nor what the decision log names itself."""
        own = {*self.feature_names}
        return [name for name in self.id_columns if name not in own and not name.startswith(RESERVED_PREFIX)]

    @property
    def dropped(self) -> tuple[DroppedColumn, ...]:
        """The columns of the source that the model does not see, and why."""
        return tuple(DroppedColumn(one.name, one.reason) for one in self.columns if one.role == "dropped")

    def reading_of(self, name: str) -> Reading:
        """How the cells of a feature, an audit column or the target are read; by its kind where nothing says more of it."""
        found = next((one.reading for one in self.columns if one.name == name), None)
        if found is not None:
            return found
        kinds = {one.name: one.kind for one in self.features} | {one.name: one.kind for one in self.audit}
        return Reading(kinds.get(name, "categorical"))


def first_repeated(names: tuple[str, ...] | list[str]) -> str | None:
    """The first name that stands more than once, or None."""
    return next((name for name, times in Counter(names).items() if times > 1), None)
