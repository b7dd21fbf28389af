"""Promoting: the champion is compared with at the moment it is replaced; a former champion comes back without a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from lockgate.config.errors import GateBlockedError, InputError
from lockgate.config.files import sha256_bytes
from lockgate.config.params import Evaluate, Params
from lockgate.data.stage_rows import StageRows
from lockgate.data.tables import Table, table_bytes
from lockgate.data.validation import check_frame
from lockgate.documents.gate_check import Check
from lockgate.documents.gate_json import AcceptedException, GateResult
from lockgate.documents.schema_json import Schema
from lockgate.gate.checks.champion import check_of_new_data, compare_with_champion
from lockgate.gate.evidence import Policy
from lockgate.gate.new_data import data_defined_anew
from lockgate.model.bundle import Bundle
from lockgate.model.predictions import Predictions, make_predictions
from lockgate.model.scored_rows import predict
from lockgate.model.scoring import score_bundle
from lockgate.registry.artifacts import fetch_bundle
from lockgate.registry.mlflow_client import MlflowError, connect
from lockgate.registry.promotions import become_champion, read_promotions, was_champion
from lockgate.registry.registry import Version, get_version, registry_lock, version_uri
from lockgate.registry.stored_verdict import fetch_verdict

ROLLBACK = "it was champion before, so this is a rollback and nothing is compared"
NO_MARGINS = "gate.champion.margins is empty, so the thresholds alone decide"


def promote(
    params: Params, number: int, read_rows: Callable[[Schema], Table | StageRows], *, today: date | None = None
) -> list[str]:
    """Make version `number` the champion; what happened, a line each. MLflow is what MLFLOW_TRACKING_URI names.

    Its bundle and its verdict are fetched and verified first. A version that was champion before comes back without a
    comparison; any other has to stand the comparison with the champion of this moment on the rows that it was judged on,
    which `read_rows` reads by its schema. Raises GateBlockedError where it does not, and where it passed under an
    exception to the policy that does not hold on the day `today`, in UTC, or is held against none; the champion then stays.
    """
    client, name = connect(), params.register_.model_name
    with registry_lock(name):
        version = get_version(client, name, number)
        uri = version_uri(client, name, version)
        bundle = fetch_bundle(uri, version.digest)
        verdict = GateResult.read(fetch_verdict(uri, version.digest, version.gate).gate_json, uri)
        if verdict.exception is not None:
            _require_exception_in_force(verdict.exception, number, name, today)
        if was_champion(read_promotions(client, name), version):
            return promote_version(client, name, version, lambda _champion: ROLLBACK)

        def compare(champion: Version) -> str:
            rows = read_rows(bundle.schema)
            if rows.sha256 != verdict.data:
                file = rows.path if isinstance(rows, StageRows) else rows.name
                raise InputError(
                    f"{file} does not hold the rows that version {number} was judged on, and it was never champion; "
                    "check out its commit and restore its data (`dvc pull`), or register it again on today's"
                )
            return Comparison(client, name, bundle, rows, params)(champion)

        return promote_version(client, name, version, compare)


def _require_exception_in_force(exception: AcceptedException, number: int, name: str, today: date | None) -> None:
    if today is None or exception.has_ended(today):
        why = "pass `today` to promote() to tell whether it holds" if today is None else "it has ended"
        raise GateBlockedError(
            f"version {number} of {name} passed under an exception to the policy {exception.sentence}; {why}, so the champion "
            "stays: promote a version that meets the policy, or have a later day approved, gate the model again and register it"
        )


def promote_version(client: Any, name: str, version: Version, compare: Callable[[Version], str]) -> list[str]:
    """Make the version champion where `compare` allows it; what happened, a line each. The caller holds the registry's lock."""
    promotion = become_champion(client, name, version, compare)
    who = f"champion is version {version.number} of {name} ({version.digest[:12]})"
    if promotion is None:
        return [f"{who} already: nothing moved"]
    return [f"{who}: {promotion.reason}"]


@dataclass(frozen=True)
class Comparison:
    """Whether `bundle` may replace a champion: both are scored here, on the same rows, and the policy's margins decide."""

    client: Any
    name: str
    bundle: Bundle
    rows: Table | StageRows
    params: Params

    def __call__(self, champion: Version) -> str:
        """What came out, in words; raises GateBlockedError where it may not replace the champion, or nobody can tell.

        Where the data are defined anew nothing is compared, and `gate.champion.new_data` says whether it may.
        """
        policy = Policy(self.params.evaluate, self.params.gate)
        if not policy.gate.champion.margins:
            return NO_MARGINS
        who = f"version {champion.number} of {self.name}, the champion"
        try:
            theirs = fetch_bundle(version_uri(self.client, self.name, champion), champion.digest)
            if new_data := data_defined_anew(self.bundle, theirs, shared_rows=None):
                check = check_of_new_data(new_data, policy.gate.champion)
                if check.status == "block":
                    raise GateBlockedError(f"{who}, stays: {check.reason}; nothing was moved")
                return f"replaces version {champion.number} without a comparison: {check.reason}"
            predictions_of_champion = self._predictions(theirs)
            checks = compare_with_champion(self._predictions(self.bundle), predictions_of_champion, policy)
        except MlflowError:
            raise
        except InputError as error:
            raise GateBlockedError(
                f"{who}, cannot be compared with, so it stays: {error}; where the data are defined anew let the thresholds "
                "alone decide (`gate.champion: {source: none, margins: {}}`, then gate again), or go back to an earlier "
                "champion with `lockgate promote VERSION`"
            ) from error
        blocking = [check for check in checks if check.status in ("block", "inconclusive")]
        if blocking:
            raise GateBlockedError(f"{who}, stays: {'; '.join(map(_words, blocking))}; nothing was moved")
        deciding = [check for check in checks if check.status == "pass"]
        return f"compared with version {champion.number}: {'; '.join(map(_words, deciding))}"

    def _predictions(self, bundle: Bundle) -> Predictions:
        if isinstance(self.rows, StageRows):
            return predict(bundle, replace(self.rows, schema=bundle.schema), Evaluate())
        rows = self.rows.rows
        check_frame(rows, bundle.schema, "test", self.rows.name)
        data = self.rows.sha256 or sha256_bytes(table_bytes(rows))
        return make_predictions(rows, score_bundle(bundle, rows), bundle.schema, Evaluate(), bundle.digest, data)


def _words(check: Check) -> str:
    if check.value is None or check.threshold is None:
        return f"{check.metric}: {check.reason}"
    margin = f"the margin is {abs(check.threshold):g}"
    return f"{check.metric} differs by {check.value:+.4f} ({check.low:+.4f} to {check.high:+.4f}, {margin}), {check.reason}"
