"""A model that was trained elsewhere, as a bundle: its ONNX file, and the table whose rows it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.params import OwnTrain, Params
from lockgate.data.tables import Table
from lockgate.documents.schema_json import Schema
from lockgate.model.onnx_standard_form import StandardForm, standard_form
from lockgate.model.scoring import onnx_scores
from lockgate.model.training import Trained, train


class _ImportedModel:
    """A model of which nothing is here but its ONNX form."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `model_frame`."""
        return onnx_scores(self._content, features)

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """The file itself."""
        return self._content

    def files(self) -> Mapping[str, bytes]:
        """None: no form of a library is known."""
        return {}


@dataclass(frozen=True)
class Imported:
    """The bundle and `train.json` of an imported model, and which of its outputs and columns the probability is."""

    trained: Trained
    form: StandardForm

    @property
    def summary(self) -> str:
        """One line for people."""
        column = "" if self.form.event_class is None else f", column {self.form.event_class}"
        found = self.trained.report.validation
        return (
            f"imported {self.trained.report.model[:12]}, whose probability is `{self.form.output}`{column}: ROC-AUC "
            f"{found['roc_auc']:.4f}, PR-AUC {found['pr_auc']:.4f}, Brier {found['brier']:.4f} on "
            f"{self.trained.report.rows.validation:,} of the training rows"
        )


def require_own_section(params: Params) -> None:
    """Raises InputError where the settings name a model that the kit trains, in whose place an imported one would stand."""
    if not isinstance(params.train, OwnTrain):
        raise InputError(
            f"train.model is `{params.train.model}`, which `lockgate train` trains, and an imported model would be taken for it; "
            "write `train: {model: own}` into params.yaml"
        )


def import_model(
    content: bytes,
    training_rows: Table | pd.DataFrame,
    schema: Schema,
    params: Params,
    *,
    name: str = "the model",
    output: str | None = None,
    event_class: int | None = None,
) -> Imported:
    """The bundle of a model in ONNX, with what `train` freezes of the rows: schema, profile, golden predictions.

    The rows are those that the model was trained on, or others of the same kind. `name` is what messages call the file.
    `output` and `event_class` choose the probability, as in `standard_form`.
    Raises InputError where the settings name a model that the kit trains, and where this one is not of these features, is none
    that a bundle may have, or gives no probabilities.
    """
    require_own_section(params)
    form = standard_form(content, schema, name, output, event_class)
    trained = train(training_rows, schema, params, trainer=lambda *_: _ImportedModel(form.content), has_held_out=False)
    return Imported(trained, form)
