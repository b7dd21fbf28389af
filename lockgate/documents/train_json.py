"""`train.json`: how a model came about."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.documents.document import Count, Document, JsonValue, Name, Part, Sha256, Share
from lockgate.documents.metrics_json import Metrics
from lockgate.documents.schema_json import DroppedColumn

MAX_ROWS = 5000


class SplitSizes(Part, frozen=True):
    """How many rows the model was fitted to, and how many said when to stop."""

    train: Count
    validation: Count


class Round(Part, frozen=True):
    """A boosting round with the log-loss after it."""

    round: Count
    train_log_loss: float | None
    validation_log_loss: float | None


class Importance(Part, frozen=True):
    """A feature's share of the loss that all splits together took away."""

    feature: Name
    gain_share: Share


class TrainingReport(Document, frozen=True, kw_only=True):
    """The content of train.json. `validation` is measured on rows that the model was not fitted to."""

    HOW_TO_FIX: ClassVar[str] = "run `lockgate train` (or `dvc repro train`) again"

    schema: Literal[1] = 1
    model: Sha256
    rows: SplitSizes
    features: Annotated[tuple[Name, ...], Meta(max_length=MAX_ROWS)]
    rounds: Count
    best_iteration: Count
    scale_pos_weight: float
    validation: Metrics
    history: Annotated[tuple[Round, ...], Meta(max_length=MAX_ROWS)]
    importance: Annotated[tuple[Importance, ...], Meta(max_length=MAX_ROWS)]
    dropped: Annotated[tuple[DroppedColumn, ...], Meta(max_length=MAX_ROWS)]
    params: Annotated[dict[str, JsonValue], Meta(max_length=100)]

    @property
    def ended_too_early(self) -> bool:
        """Whether the last round was the best of several, so that nothing shows that more would not have been better."""
        losses = [one.validation_log_loss for one in self.history if one.validation_log_loss is not None]
        is_last = self.rounds > 1 and self.best_iteration == self.rounds - 1
        return is_last and bool(losses) and losses[-1] == min(losses)
