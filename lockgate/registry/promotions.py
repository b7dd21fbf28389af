"""The order of promotions, which MLflow's aliases do not have: a log that everybody appends to, and one rule for all readers.

MLflow moves an alias without asking what it pointed to. Of two promotions at once both compare with the same champion, the
later write wins, and the model that it replaces was never compared with. What MLflow does one after the other, for all its
clients, is to number the versions of a registered model. So each promotion appends an entry to a log, a version of the
registered model `NAME promotions`, with the version that it makes champion and the entry that it has compared with the
champion of. **An entry counts if it names the last one that counts before it.** All readers find the same champion in
the log, and of several entries after the same one only the first counts. Whoever finds that their own does not count, or
is not the last one any more, compares with the new champion and appends again. The alias follows the log: whoever has
appended reads both, moves the alias to the last entry's version where it is not there, and reads both again.

What this gives, with any number of promotions at once from any number of machines: nobody becomes champion without having
been compared with the champion before them; the alias ends at the champion of the log; and a promotion that ends well was
champion, by log and alias, when it ended, and has been replaced since only by one that was compared with it.

What it cannot give: MLflow still lets everybody move the alias who may write, by hand or with another program; the next
promotion compares with what stands in the alias and with what stands in the log, should they differ. A promotion that is
killed between its entry and the alias leaves the alias behind, or, if it is killed between a late write and reading the
log once more, one step back; `pull` warns of both, and the next promotion puts it right. And who may write to MLflow may
write entries: the log orders honest promotions, it proves nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from lockgate.config.errors import InputError
from lockgate.registry.mlflow_client import mlflow_errors
from lockgate.registry.provenance import git_commit
from lockgate.registry.registry import (
    CHAMPION,
    Version,
    aliased_version,
    find_number,
    make_registered_model,
    search_versions,
)

MAX_ROUNDS = 10
PAUSE_SECONDS = 1.0

AFTER, VERSION, DIGEST, REPLACED, ATTEMPT, REASON, COMMIT = (
    f"lockgate.{name}" for name in ("after", "version", "digest", "replaced", "attempt", "reason", "commit")
)

# Words about why a version may replace a champion; raises GateBlockedError where it may not.
Compare = Callable[[Version], str]


@dataclass(frozen=True)
class Promotion:
    """An entry of the log: the version that became champion, and the digest of the one that it replaced, if any.

    `number` is the entry's own, `after` that of the entry before it (0: none), `attempt` names the command that made it.
    """

    number: int
    after: int
    version: int
    digest: str
    replaced: str
    attempt: str
    reason: str


def log_name(model_name: str) -> str:
    """The registered model whose versions are the log."""
    return f"{model_name} promotions"


def read_promotions(client: Any, model_name: str) -> list[Promotion]:
    """The promotions that count, in their order."""
    found = search_versions(client, f"name = '{log_name(model_name)}'")
    return counting(entry for one in found if (entry := _entry(one)) is not None)


def last_promotion(client: Any, model_name: str) -> Promotion | None:
    """The promotion that made the champion of the log, None where there was none."""
    promotions = read_promotions(client, model_name)
    return promotions[-1] if promotions else None


def counting(entries: Iterable[Promotion]) -> list[Promotion]:
    """The entries that count: each names the last one that counts before it."""
    counted: list[Promotion] = []
    for entry in sorted(entries, key=lambda entry: entry.number):
        if entry.after == (counted[-1].number if counted else 0):
            counted.append(entry)
    return counted


def was_champion(promotions: Iterable[Promotion], version: Version) -> bool:
    """Whether the version's bundle was champion before."""
    return any(version.digest in (promotion.digest, promotion.replaced) for promotion in promotions)


def become_champion(
    client: Any, model_name: str, version: Version, compare: Compare, pause: Callable[[], None] | None = None
) -> Promotion | None:
    """Make the version champion as soon as it stands the comparison with whoever is; None where it is champion already.

    `pause` is waited for before another round. Raises what `compare` raises, and InputError where others promote without end.
    """
    attempt = uuid4().hex
    for number in range(MAX_ROUNDS):
        if number:
            (pause or _pause)()
        promotions = read_promotions(client, model_name)
        now = aliased_version(client, model_name, CHAMPION)
        if not number and now is not None and now.digest == version.digest:
            return None
        rivals = [now, _last_champion(client, model_name, promotions)]
        reasons = [
            compare(rival)
            for place, rival in enumerate(rivals)
            if rival is not None and rival.digest != version.digest and rival not in rivals[:place]
        ]
        _append(
            client,
            model_name,
            Promotion(
                number=0,
                after=promotions[-1].number if promotions else 0,
                version=version.number,
                digest=version.digest,
                replaced=now.digest if now else "",
                attempt=attempt,
                reason="; ".join(dict.fromkeys(reasons)) or "there was no champion",
            ),
        )
        last = _follow(client, model_name)
        if last.attempt == attempt:
            return last
    raise InputError(f"others keep promoting versions of {model_name} at the same time; run the command again")


def _follow(client: Any, model_name: str) -> Promotion:
    """Move the alias to the champion of the log until it stands there; the last promotion then."""
    for _ in range(MAX_ROUNDS):
        last = read_promotions(client, model_name)[-1]
        now = aliased_version(client, model_name, CHAMPION)
        if now is not None and now.number == last.version:
            return last
        with mlflow_errors():
            client.set_registered_model_alias(model_name, CHAMPION, str(last.version))
    raise InputError(f"others keep moving the alias {CHAMPION} of {model_name}; look at the registry and promote again")


def _last_champion(client: Any, model_name: str, promotions: list[Promotion]) -> Version | None:
    """The champion of the log, where it is still the version that it was."""
    if not promotions:
        return None
    found = find_number(client, model_name, promotions[-1].version)
    return found if found is not None and found.digest == promotions[-1].digest else None


def _append(client: Any, model_name: str, entry: Promotion) -> None:
    make_registered_model(client, log_name(model_name))
    tags = {
        AFTER: str(entry.after),
        VERSION: str(entry.version),
        DIGEST: entry.digest,
        REPLACED: entry.replaced,
        ATTEMPT: entry.attempt,
        REASON: entry.reason,
        COMMIT: git_commit() or "unknown",
    }
    with mlflow_errors():
        client.create_model_version(
            log_name(model_name), source=f"models:/{model_name}/{entry.version}", tags=tags, await_creation_for=0
        )


def _entry(found: Any) -> Promotion | None:
    """The entry that a version of the log is; None where somebody else made it."""
    names = (AFTER, VERSION, DIGEST, REPLACED, ATTEMPT, REASON)
    after, version, *texts = (found.tags.get(name, "") for name in names)
    if not (after.isdigit() and version.isdigit()):
        return None
    return Promotion(int(found.version), int(after), int(version), *texts)


def _pause() -> None:
    time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311
