"""Stage `train`: a model of ours becomes the bundle, in models/. `train.library` in params.yaml chooses which one."""

import click
from lightgbm_model import fit_lightgbm
from scikit_learn_model import fit_scikit_learn

import lockgate

LIBRARIES = {"lightgbm": fit_lightgbm, "scikit-learn": fit_scikit_learn}


@click.command(cls=lockgate.Command)
@lockgate.stage_options
def train(project: lockgate.Project) -> None:
    """Train, write the bundle models/, and log the run to MLflow."""
    rows = project.read_rows("train")
    project.connect()  # a server that is away is known before the training, not after it
    settings = project.params.train
    if settings.library not in LIBRARIES:
        raise lockgate.InputError(
            f"params.yaml: `train.library` is {settings.library}; name one of {', '.join(LIBRARIES)}"
        )
    fit = LIBRARIES[settings.library]
    trained = lockgate.train(
        rows,
        project.schema,
        project.params,
        trainer=lambda training, validation, schema: fit(training, validation),
    )
    project.write_training(trained)


if __name__ == "__main__":
    train()
