"""From the body of a request to the body of its answer, without anything of HTTP."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from lockgate.documents.schema_json import Decision
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.service.api.errors import INVALID_REQUEST, MAX_PROBLEMS, UNSEEN_CATEGORY, Problem, Refusal
from lockgate.service.api.request_types import largest_body, request_types
from lockgate.service.api.request_validation import Identifiers, RequestReader, Row
from lockgate.service.api.response_types import (
    BatchAnswer,
    PredictAnswer,
    Prediction,
)
from lockgate.service.bundle import GateVerdict, VerifiedBundle
from lockgate.service.decision_log import DecisionLog
from lockgate.service.metrics.counters import ModelMetrics
from lockgate.service.scoring.encoder import EncodedRow, Encoder
from lockgate.service.scoring.explainer import Explainer
from lockgate.service.scoring.shadow import Shadow
from lockgate.service.settings import Settings

EXPLAINED_ROWS = 4  # golden rows that are explained before the service is ready; with a large model each takes a while


class Predictor:
    """Validates bodies, scores their rows with one bundle, decides, and counts and logs what was scored.

    Everything that reads the bundle does so here, before the service is ready: later it can no longer fail.
    """

    def __init__(
        self,
        bundle: VerifiedBundle,
        verdict: GateVerdict,
        settings: Settings,
        metrics: ModelMetrics,
        log: DecisionLog | None = None,
        shadow: Shadow | None = None,
    ) -> None:
        """Raises InputError where the model does not give the bundle's golden probabilities, or does not explain them."""
        self.bundle = bundle
        self.verdict = verdict
        self.settings = settings
        self.metrics = metrics
        self.log = log
        self.shadow = None if shadow is None else shadow.beside(bundle)
        self.psi_chance: Sequence[float] = (float("nan"),) * len(bundle.profile.features)  # until it is computed
        self.digest_header = (b"x-model-digest", bundle.digest.encode())
        self.max_body = settings.max_body_bytes or largest_body(bundle.schema)
        self.types = request_types(bundle.schema)
        self.reader = RequestReader(bundle.schema, self.types)
        self.encoder = Encoder(bundle.schema, bundle.profile)
        self.model = OnnxModel(bundle.onnx, len(bundle.schema.features))
        self._refuse_unseen = settings.unseen_categories == "refuse"
        self.decide = bundle.decision.decide
        self._encode = msgspec.json.Encoder().encode
        self.explainer = self._verified_explainer()

    def _verified_explainer(self) -> Explainer | None:
        """What explains, where the bundle has it; the golden rows are scored, and some explained."""
        bundle = self.bundle
        values, probabilities = self.encoder.encode_rows(bundle.golden_rows).values, bundle.golden.probabilities
        self.model.verify(values, probabilities)
        if bundle.native is None:
            return None
        explainer = Explainer(bundle.native, bundle.schema, bundle.decision)
        explainer.verify(values[:EXPLAINED_ROWS], np.array(probabilities[:EXPLAINED_ROWS]))
        return explainer

    def predict(self, body: bytes, request_id: str) -> bytes:
        """The answer of /predict; raises Refusal."""
        row, identifiers, encoded = self.read_row(body)
        probability = self.model.one(encoded.values)
        decision = self.decide(probability)
        self.metrics.scored_row([*encoded.bins, self.encoder.score_bin(probability)], probability, decision)
        self._keep(request_id, (row,), (probability,), (decision,), (identifiers,))
        return self._encode(PredictAnswer(probability, decision, self.bundle.digest, request_id))

    def predict_batch(self, body: bytes, request_id: str) -> bytes:
        """The answer of /predict/batch: all rows, or a Refusal."""
        rows, identifiers = self.reader.batch(body)
        encoded = self.encoder.encode_rows(rows)
        if encoded.unseen or encoded.fractions:
            self._check(("body", "rows"), encoded.unseen, encoded.fractions, batch=True)
        scores = self.model.many(encoded.values)
        probabilities = scores.tolist()
        decisions = list(map(self.decide, probabilities))
        self.encoder.count_scores(scores, encoded.bin_rows)
        self.metrics.scored_rows(encoded.bin_rows, scores, decisions)
        self._keep(request_id, rows, probabilities, decisions, identifiers)
        return self._encode(
            BatchAnswer(list(map(Prediction, probabilities, decisions)), self.bundle.digest, request_id)
        )

    def _keep(
        self,
        request_id: str,
        rows: Sequence[Row],
        scores: Sequence[float],
        decisions: Sequence[Decision],
        identifiers: Sequence[Identifiers],
    ) -> None:
        """Leave what was scored to the challenger in the shadow and to the decision log, neither of which holds up the answer."""
        shadowed = None if self.shadow is None else self.shadow.take(rows, scores, decisions)
        if self.log is not None:
            self.log.record(request_id, rows, scores, decisions, identifiers, shadowed)

    def read_row(self, body: bytes) -> tuple[Row, Identifiers, EncodedRow]:
        """The one applicant in `body`, as given, its identifiers, and as the model takes it; raises Refusal."""
        row, identifiers = self.reader.applicant(body)
        encoded = self.encoder.encode_row(row)
        if encoded.unseen or encoded.fractions:
            self._check(
                ("body",), [(0, one) for one in encoded.unseen], [(0, one) for one in encoded.fractions], batch=False
            )
        return row, identifiers, encoded

    def _check(
        self,
        loc: tuple[str | int, ...],
        unseen: Sequence[tuple[int, int]],
        fractions: Sequence[tuple[int, int]],
        *,
        batch: bool,
    ) -> None:
        """Count unseen categories, and refuse them unless they are taken as missing; refuse parts of whole numbers."""
        for _, feature in unseen:
            self.metrics.unseen_category(feature)
        refused = [(place, True) for place in unseen] if self._refuse_unseen else []
        refused += [(place, False) for place in fractions]
        if refused:
            problems: list[Problem] = [
                self.encoder.problem(feature, (*loc, row) if batch else loc, unseen=is_unseen)
                for (row, feature), is_unseen in sorted(refused)[:MAX_PROBLEMS]
            ]
            raise Refusal(422, INVALID_REQUEST if fractions else UNSEEN_CATEGORY, problems)
