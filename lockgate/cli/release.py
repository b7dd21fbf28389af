"""`lockgate release ...`: the steps of a release, one command each, as release.yml and image.yml run them."""

from __future__ import annotations

import click

from lockgate.cli.release_bundle import accept, champion, hand_over, tag, take_bundle
from lockgate.cli.release_image import describe_image, find_image, pack_image, push_image, tag_image
from lockgate.cli.release_publish import publish, roll_back

STEPS = (tag, take_bundle, champion, hand_over, accept, find_image, pack_image, push_image, describe_image, tag_image,
         publish, roll_back)  # fmt: skip


class InOrder(click.Group):
    """Lists its commands in the order in which a release runs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As added."""
        return list(self.commands)


@click.group(cls=InOrder)
def release() -> None:
    """Steps of a release, as the workflows run them. See docs/release.md.

    Outputs go to the file that GITHUB_OUTPUT names, where it is set.
    """


for step in STEPS:
    release.add_command(step)


if __name__ == "__main__":
    release()
