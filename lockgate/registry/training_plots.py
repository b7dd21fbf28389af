"""Pictures of a training for MLflow's pages."""

from __future__ import annotations

import io
import warnings
from typing import Any

from lockgate.documents.train_json import TrainingReport

MAX_FEATURES = 25


def training_plots(report: TrainingReport) -> dict[str, bytes]:
    """PNG images by file name: the losses by round, and the features' shares of the gain."""
    return {"loss.png": _losses(report), "importance.png": _importance(report)}


def _losses(report: TrainingReport) -> bytes:
    figure, axes = _figure(4.0)
    rounds = [record.round for record in report.history]
    axes.plot(rounds, [record.train_log_loss for record in report.history], label="train log loss")
    axes.plot(rounds, [record.validation_log_loss for record in report.history], label="validation log loss")
    axes.axvline(report.best_iteration + 1, color="0.6", linestyle="--", label="best round")
    axes.set(xlabel="round", ylabel="log-loss")
    axes.legend()
    return _png(figure)


def _importance(report: TrainingReport) -> bytes:
    shares = list(reversed(report.importance[:MAX_FEATURES]))
    figure, axes = _figure(1.0 + 0.25 * len(shares))
    axes.barh([record.feature for record in shares], [record.gain_share for record in shares])
    axes.set(xlabel="share of the total gain")
    return _png(figure)


def _figure(height: float) -> tuple[Any, Any]:
    # A figure of its own: pyplot keeps global state and looks for a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, height), layout="constrained")
    return figure, figure.subplots()


def _png(figure: Any) -> bytes:
    from matplotlib import rc_context

    stream = io.BytesIO()
    # Names are data: no formula is meant by a dollar sign, and no font has every letter.
    with rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(stream, format="png", dpi=120, metadata={"Software": None})
    return stream.getvalue()
