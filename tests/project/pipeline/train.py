"""A project's own stage: the kit's training, and a sentence that only this script prints."""

import click

from lockgate.cli.train import train

if __name__ == "__main__":
    click.echo("the project's own script trains")
    train()
