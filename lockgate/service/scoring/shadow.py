"""A challenger in the shadow: it scores the rows that the served model has answered, on a thread of its own.

Nothing of it reaches an answer. A request leaves its rows in a bounded queue; where that is full, as behind a challenger that is
slow, they are dropped and counted. The thread rests as long as it has kept a processor busy, so that it takes at most half of one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import Decision, Feature, Schema
from lockgate.model.onnx_runtime import OnnxModel
from lockgate.service.api.request_validation import Row
from lockgate.service.bundle import VerifiedBundle, read_bundle
from lockgate.service.log import log_event
from lockgate.service.metrics.counters import ShadowMetrics
from lockgate.service.scoring.encoder import Encoder
from lockgate.service.settings import MAX_BATCH_ROWS

POLL_SECONDS = 0.02  # a request wakes nobody, so that it costs an append
CHUNK_ROWS = 256  # at a time: the interpreter is held for less than a millisecond
MAX_QUEUED_ROWS = 10 * MAX_BATCH_ROWS
STOP_SECONDS = 2.0  # for the rows that wait at the end


class ChallengerRows:
    """How rows in the order of the served schema become rows of the challenger, and which of them it does not take."""

    def __init__(self, served: Schema, challenger: Schema) -> None:
        """Raises InputError where the challenger needs a feature that requests do not have, or have of another kind."""
        there = {feature.name: feature for feature in served.features}
        missing = [f"`{name}`" for name in challenger.feature_names if name not in there]
        if missing:
            raise InputError(
                f"the challenger of --shadow needs {', '.join(missing)}, which requests to the served model do not have; give one "
                "that was trained on features of the served model alone"
            )
        for feature in challenger.features:
            kind = there[feature.name].kind
            if feature.kind != kind:
                raise InputError(
                    f"the challenger of --shadow takes `{feature.name}` as {feature.kind}, and requests to the served model have "
                    f"it as {kind}; give one that was trained on the same kinds"
                )
        self._places = [served.feature_names.index(name) for name in challenger.feature_names]
        self._is_same = self._places == list(range(len(served.features)))
        self._stricter = [
            (place, feature)
            for place, feature in enumerate(challenger.features)
            if _is_stricter(feature, there[feature.name])
        ]

    def rows(self, served: Sequence[Row]) -> Sequence[Row]:
        """The rows with the challenger's features, in its order."""
        return served if self._is_same else [tuple(row[place] for place in self._places) for row in served]

    def refused(self, rows: Sequence[Row]) -> set[int]:
        """Which of the challenger's rows have a value that /predict would refuse, were it served, whatever their categories."""
        return {
            number
            for place, feature in self._stricter
            for number, row in enumerate(rows)
            if not _is_taken(row[place], feature)
        }


def _is_stricter(feature: Feature, served: Feature) -> bool:
    """Whether a request that the served model takes can hold what this feature does not."""
    (low, high), (lowest, highest) = feature.bounds, served.bounds
    return (served.nullable and not feature.nullable) or low > lowest or high < highest


def _is_taken(value: float | str | None, feature: Feature) -> bool:
    if value is None:
        return feature.nullable
    low, high = feature.bounds
    return isinstance(value, str) or low <= value <= high


@dataclass(eq=False, slots=True)
class ShadowedRequest:
    """The rows that a request was answered on, and what the challenger says of each: None where it did not score it.

    Both are empty until it `is_finished` with them, and stay so where it gave up.
    """

    digest: str  # of the challenger
    challenger_rows: ChallengerRows
    rows: Sequence[Row]
    served_scores: Sequence[float]
    served_decisions: Sequence[Decision]
    scores: Sequence[float | None] = ()
    decisions: Sequence[Decision | None] = ()
    is_finished: bool = False


class Shadow:
    """A challenger and the thread that scores with it."""

    def __init__(self, bundle: VerifiedBundle, metrics: ShadowMetrics, *, refuse_unseen: bool) -> None:
        """Raises InputError where the model does not give the bundle's golden probabilities."""
        self.digest = bundle.digest
        self._schema = bundle.schema
        self._decide = bundle.decision.decide
        self._encoder = Encoder(bundle.schema, bundle.profile)
        self._model = OnnxModel(bundle.onnx, len(bundle.schema.features))
        self._model.verify(self._encoder.encode_rows(bundle.golden_rows).values, bundle.golden.probabilities)
        self._metrics = metrics
        self._refuse_unseen = refuse_unseen
        self._queue: deque[ShadowedRequest] = deque()
        self._taken = 0  # rows put into the queue, by the server's thread alone
        self._gone = 0  # rows scored or given up, by the challenger's thread alone
        self._stop = Event()
        self._failing = False
        self._thread = Thread(target=self._score_until_stopped, name="shadow", daemon=True)

    def beside(self, served: VerifiedBundle) -> ShadowFeed | None:
        """What takes the rows of this served bundle; None, and a line in the log, where the challenger has no place beside it."""
        if served.digest == self.digest:
            why = "the challenger of --shadow is the served model now; there is nothing to compare"
        else:
            try:
                return ShadowFeed(self, ChallengerRows(served.schema, self._schema))
            except InputError as error:
                why = str(error)
        log_event("shadow-off", level="warning", message=why, model=served.digest, shadow=self.digest)
        return None

    def start(self) -> None:
        """Start to score."""
        self._thread.start()

    def stop(self) -> None:
        """Score what waits, for a moment, and end."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * STOP_SECONDS)

    def take(self, request: ShadowedRequest) -> bool:
        """Put an answered request into the queue, without waiting; where that is full its rows are dropped and counted."""
        rows = len(request.rows)
        if self._taken - self._gone + rows > MAX_QUEUED_ROWS or self._stop.is_set():
            self._metrics.dropped(rows)
            return False
        self._queue.append(request)
        self._taken += rows  # last: whoever waits for so many rows finds them
        return True

    def _score_until_stopped(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            # What comes meanwhile waits for the next turn: a few rows cost nearly as much as a chunk.
            there = self._taken
            while self._gone < there and not self._stop.is_set():
                self._score(self._chunk())
        end = time.monotonic() + STOP_SECONDS
        while self._queue and time.monotonic() < end:
            self._score(self._chunk())
        for given_up in self._queue:
            given_up.is_finished = True
        self._metrics.dropped(self._taken - self._gone, by_challenger=True)

    def _chunk(self) -> list[ShadowedRequest]:
        """The next requests: one, or several small ones to the same schema."""
        chunk = [self._queue.popleft()]
        rows = len(chunk[0].rows)
        while self._queue:
            one = self._queue[0]
            rows += len(one.rows)
            if rows > CHUNK_ROWS or one.challenger_rows is not chunk[0].challenger_rows:
                break
            chunk.append(self._queue.popleft())
        return chunk

    def _score(self, requests: list[ShadowedRequest]) -> None:
        """Score the requests, some rows at a time, and count what came of them."""
        rows_of = requests[0].challenger_rows
        rows = rows_of.rows([row for one in requests for row in one.rows])
        chunks = [rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS)]
        found = np.concatenate([self._scores(rows_of, chunk) for chunk in chunks])
        scores = [None if score != score else score for score in found.tolist()]  # NaN
        decisions = [None if score is None else self._decide(score) for score in scores]
        served = np.array([score for one in requests for score in one.served_scores])
        served_decisions = [decision for one in requests for decision in one.served_decisions]
        both = [(one, other) for one, other in zip(served_decisions, decisions, strict=True) if other is not None]
        is_scored = ~np.isnan(found)
        self._metrics.scored(served[is_scored], found[is_scored], both)
        start = 0
        for one in requests:
            end = start + len(one.rows)
            one.scores, one.decisions, one.is_finished = scores[start:end], decisions[start:end], True
            start = end
        self._gone += len(rows)

    def _scores(self, rows_of: ChallengerRows, rows: Sequence[Row]) -> NDArray[np.float64]:
        """The probability of each row, NaN where it is refused or fails, and then a rest of the processor time that this took."""
        began = time.thread_time()
        try:
            encoded = self._encoder.encode_rows(rows)
            found = self._model.many(encoded.values)
            refused = rows_of.refused(rows) | {row for row, _ in encoded.fractions}
            if self._refuse_unseen:
                refused |= {row for row, _ in encoded.unseen}
            found[list(refused)] = np.nan
            self._metrics.refused(len(refused))
            self._metrics.failed(int(np.isnan(found).sum()) - len(refused))
            self._failing = False
        except Exception as error:  # whatever a model that no gate has passed comes up with
            if not self._failing:
                message = "the challenger fails, and its rows are counted as failed"
                log_event("shadow-failing", level="error", message=message, shadow=self.digest, error=error)
            self._failing = True
            self._metrics.failed(len(rows))
            found = np.full(len(rows), np.nan)
        self._stop.wait(time.thread_time() - began)
        return found


@dataclass(frozen=True)
class ShadowFeed:
    """What takes the answered rows of one served bundle to the challenger."""

    shadow: Shadow
    challenger_rows: ChallengerRows

    @property
    def digest(self) -> str:
        """The challenger's."""
        return self.shadow.digest

    def take(
        self, rows: Sequence[Row], scores: Sequence[float], decisions: Sequence[Decision]
    ) -> ShadowedRequest | None:
        """Have the rows of an answered request scored; None where they are dropped. Never waits."""
        request = ShadowedRequest(self.digest, self.challenger_rows, rows, scores, decisions)
        return request if self.shadow.take(request) else None


def read_challenger(folder: Path | None, served: VerifiedBundle) -> VerifiedBundle | None:
    """The bundle of --shadow, if there is one: verified as any that is served, but for the gate, which it has yet to pass.

    Raises InputError where it is damaged, or needs what requests to the served bundle do not have.
    """
    if folder is None:
        return None
    challenger = read_bundle(folder)
    ChallengerRows(served.schema, challenger.schema)
    return challenger
