"""`test_set_history.json`: every decision that was taken on a test set."""

from __future__ import annotations

from typing import ClassVar, Literal

from lockgate.documents.document import Document, Name, Part


class PastDecision(Part, frozen=True, order=True):
    """A verdict on a model: the sha256 of test set, model and policy, and the verdict."""

    test_set: Name
    model: Name
    policy: Name
    verdict: Name


class DecisionHistory(Document, frozen=True, kw_only=True):
    """The decisions, each once, ordered by test set, model and policy."""

    HOW_TO_FIX: ClassVar[str] = "restore it, or delete it to count from here"

    schema: Literal[1] = 1
    decisions: tuple[PastDecision, ...]
