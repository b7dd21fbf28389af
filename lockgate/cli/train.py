"""`lockgate train`: training rows become the bundle, and a run in MLflow."""

from __future__ import annotations

import click

from lockgate.cli.command import Command
from lockgate.cli.stage import stage_options
from lockgate.model.training import kit_section
from lockgate.model.training import train as train_model
from lockgate.project import Project


@click.command(cls=Command)
@stage_options
def train(project: Project) -> None:
    """Train, write the bundle models/, and log the run to MLflow.

    Fails where ONNX Runtime, which serves the model, does not give the trained model's probabilities to 1e-6.

    \b
    Example:
        lockgate train
        MLFLOW_TRACKING_URI=https://mlflow.example lockgate train
    """
    kit_section(project.params)  # whoever trains a model of their own is told so first
    with project.open_engine() as engine:
        rows = project.training_rows(engine)
        project.connect()  # a server that is away is known before the training, not after it
        trained = train_model(rows, project.schema, project.params, project.show_progress, engine=engine)
    project.write_training(trained)
