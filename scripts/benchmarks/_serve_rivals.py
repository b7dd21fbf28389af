"""The services that people write first, as ASGI applications: `uvicorn --factory benchmarks._serve_rivals:pandas_service`.

The folder that `save_rivals` made is named by RIVAL_PIPELINE. No deferred annotations here: FastAPI has to read them.
"""

import os
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from pydantic import create_model

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.documents.schema_json import Schema as DataSchema

PIPELINE = "pipeline.pickle"
MLFLOW_MODEL = "mlflow-model"


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


def constant_service() -> FastAPI:
    """FastAPI that reads nothing and computes nothing."""
    application = FastAPI()

    @application.post("/predict")
    async def predict() -> dict[str, Any]:
        return {"probability": 0.23, "decision": "favourable"}

    return application
