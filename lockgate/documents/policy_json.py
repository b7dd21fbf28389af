"""`policy.json`: how the policy of a change differs from the one that judged it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from lockgate.documents.document import Document, JsonValue, Name, Part

ChangeKind = Literal["policy", "minimum", "other"]


class PolicyChange(Part, frozen=True):
    """One key with its values at the base and in the change, and the one that judged.

    kind: `policy` where the base's value judged in place of the change's, `minimum` where a platform's minimum did, `other`
    for sections that do not judge.
    """

    key: Name
    base: JsonValue
    head: JsonValue
    used: JsonValue
    kind: ChangeKind


class PolicyDifference(Document, frozen=True, kw_only=True):
    """The content of policy.json. `first`: there was no policy before; `changed`: the change edits the policy."""

    HOW_TO_FIX: ClassVar[str] = "run `lockgate policy` again"

    schema: Literal[1] = 1
    changed: bool
    first: bool
    changes: Annotated[tuple[PolicyChange, ...], Meta(max_length=1000)]
