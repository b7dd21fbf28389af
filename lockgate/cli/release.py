"""`lockgate release ...`: the steps of a release, one command each, as the workflows of a release run them."""

from __future__ import annotations

import click

from lockgate.cli.command import load_command

# The steps in the order in which a release runs them, and the module in this folder that each is in: a module is what one
# job runs, and imports no package that the job's environment does not have.
STEPS = {
    "tag": "release_bundle",
    "take-bundle": "release_bundle",
    "take-measured": "release_bundle",
    "champion": "release_bundle",
    "hand-over": "release_bundle",
    "log-in": "release_image",
    "accept": "release_image",
    "find-image": "release_image",
    "pack-image": "release_image",
    "push-image": "release_image",
    "describe-image": "release_image",
    "approval": "release_production",
    "verify-image": "release_production",
    "tag-image": "release_production",
    "publish": "release_publish",
    "roll-back": "release_roll_back",
}


class Steps(click.Group):
    """Imports a step's module when the step is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a release runs them."""
        return list(STEPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The step, or None where there is none of this name."""
        if cmd_name not in STEPS:
            return None
        return load_command(STEPS[cmd_name], cmd_name)


@click.group(cls=Steps)
def release() -> None:
    """Steps of a release, as the workflows run them. See docs/release.md.

    Outputs go to the file that GITHUB_OUTPUT names, where it is set.
    """


if __name__ == "__main__":
    release()
