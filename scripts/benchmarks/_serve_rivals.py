"""The services that people write first, as ASGI applications: `uvicorn --factory benchmarks._serve_rivals:pandas_service`.

The folder that `save_rivals` made is named by RIVAL_PIPELINE. No deferred annotations here: FastAPI has to read them.
"""

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, create_model

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.documents.schema_json import Feature
    from lockgate.documents.schema_json import Schema as DataSchema

PIPELINE = "pipeline.pickle"
MLFLOW_MODEL = "mlflow-model"


class Answer(BaseModel):
    """What the rivals answer."""

    probability: float
    decision: Literal["favourable", "unfavourable"]


def save_rivals(folder: Path, train: "pd.DataFrame", schema: "DataSchema", booster: Any) -> None:
    """A scikit-learn pipeline around as many trees as the bundle has, and the bundle's booster in MLflow's form."""
    import mlflow.xgboost
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from xgboost import XGBClassifier

    texts = [feature.name for feature in schema.features if feature.kind == "categorical"]
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    steps = make_column_transformer((encoder, texts), remainder="passthrough")
    trees = XGBClassifier(n_estimators=booster.num_boosted_rounds(), max_depth=4, learning_rate=0.05, n_jobs=1)
    pipeline = make_pipeline(steps, trees).fit(train[schema.feature_names], train[schema.target])
    (folder / PIPELINE).write_bytes(pickle.dumps((pipeline, schema)))
    # Without a signature MLflow takes a missing number for an object, and XGBoost refuses the row.
    columns = [ColSpec(DataType.double, name, required=False) for name in schema.feature_names]
    mlflow.xgboost.save_model(
        booster,
        folder / MLFLOW_MODEL,
        model_format="json",
        signature=ModelSignature(inputs=Schema(columns)),
        pip_requirements=["xgboost"],
    )


def pandas_service() -> FastAPI:
    """FastAPI with a pydantic model, a data frame of one row, and the pipeline's `predict_proba`."""
    import pandas as pd

    pipeline, schema = pickle.loads((Path(os.environ["RIVAL_PIPELINE"]) / PIPELINE).read_bytes())  # noqa: S301  # ours
    kinds = {"numeric": float | None, "categorical": str | None}
    applicant: Any = create_model("Applicant", **{one.name: (kinds[one.kind], ...) for one in schema.features})
    application = FastAPI()

    @application.post("/predict")
    def predict(row: applicant) -> dict[str, Any]:
        frame = pd.DataFrame([row.model_dump()], columns=schema.feature_names)
        numbers = [one.name for one in schema.features if one.kind == "numeric"]
        frame[numbers] = frame[numbers].astype(float)
        probability = float(pipeline.predict_proba(frame)[0, 1])
        return {"probability": probability, "decision": "favourable" if probability < 0.25 else "unfavourable"}

    return application


def onnx_service() -> FastAPI:
    """FastAPI as it should be written: a pydantic model with bounds and categories, and ONNX Runtime with the bundle's model.onnx.

    No metrics, no drift, no log, no limits, and a key that is there twice is taken.
    """
    import numpy as np
    import onnxruntime

    from lockgate.documents.schema_json import Schema

    bundle = Path("models")
    features = Schema.read_file(bundle / "schema.json").features
    fields: dict[str, Any] = {one.name: (_field(one), ...) for one in features}
    applicant: Any = create_model("Applicant", __config__=ConfigDict(extra="forbid"), **fields)
    codes = [{text: code for code, text in enumerate(one.categories)} if one.categories else None for one in features]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(bundle / "model.onnx", options, providers=["CPUExecutionProvider"])
    application = FastAPI()

    @application.post("/predict")
    async def predict(row: applicant) -> Answer:
        given = row.__dict__.values()
        values = [
            np.nan if value is None else value if known is None else known[value]
            for value, known in zip(given, codes, strict=True)
        ]
        (found,) = session.run(["probability"], {"features": np.array([values], np.float32)})
        probability = found.item()
        return Answer(probability=probability, decision="favourable" if probability < 0.25 else "unfavourable")

    return application


def _field(feature: "Feature") -> Any:
    """The type of a feature's value: finite and within bounds, or one of the categories."""
    if feature.kind == "categorical":
        kind: Any = Literal[tuple(feature.categories)]  # type: ignore[misc]
    else:
        low, high = feature.bounds
        kind = Annotated[float, Field(ge=low, le=high, allow_inf_nan=False)]
    return kind | None if feature.nullable else kind


def constant_service() -> FastAPI:
    """FastAPI that reads nothing and computes nothing."""
    application = FastAPI()

    @application.post("/predict")
    async def predict() -> dict[str, Any]:
        return {"probability": 0.23, "decision": "favourable"}

    return application
