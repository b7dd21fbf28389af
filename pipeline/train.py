"""Stage `train`: training rows become the bundle, in models/.

A model of your own (`train.model: own`): write a function that takes training rows, validation rows and the schema and returns
a `lockgate.Model`, and give it to `lockgate.train` as `trainer`; everything else stays as it is.
"""

import click

import lockgate


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def train(project: lockgate.Project) -> None:
    """Train, write the bundle models/, and log the run to MLflow."""
    with project.open_engine() as engine:
        rows = project.training_rows(engine)
        project.connect()  # a server that is away is known before the training, not after it
        trained = lockgate.train(rows, project.schema, project.params, project.show_progress, engine=engine)
    project.write_training(trained)


if __name__ == "__main__":
    train()
