"""CML as the poster: one `cml comment`, with everything that it must not do switched off."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pipeline.core.comment.comments import Report
from pipeline.core.github.cml import cml_environment, run_bounded

# It sleeps 125 s on a secondary rate limit; the REST API waits more cleverly.
SECONDS = 90


@dataclass(frozen=True)
class Cml:
    """An installed CML. `command` is its program; `url` the repository's page on the server that is to be asked."""

    command: Path
    url: str
    token: str = field(repr=False)
    seconds: float = SECONDS

    def comment(self, verb: Literal["create", "update"], number: int, report: Report) -> str:
        """Post the report on pull request `number`; what went wrong in a few words, empty where CML says it posted.

        Whether it did, only GitHub knows.
        """
        with tempfile.TemporaryDirectory(prefix="lockgate-cml-") as folder:
            file = Path(folder, "report.md")
            file.write_text(report.body, encoding="utf-8")
            # Publishing sends pictures and linked files to a public server, and the default target may be a commit.
            command = [
                str(self.command), "comment", verb, "--driver=github", f"--repo={self.url}", f"--target=pr/{number}",
                "--publish=false", f"--watermark-title={report.title}", str(file),
            ]  # fmt: skip
            environment = cml_environment(os.environ, folder, self.token, report.commit)
            return run_bounded(command, folder, environment, self.seconds, "CML")
