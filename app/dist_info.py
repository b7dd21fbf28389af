"""Names the copied package and its version to importlib.metadata: the image has no build backend to do it.

Run while the image is built: `python dist_info.py pyproject.toml SITE_PACKAGES`.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def main() -> None:
    """Write NAME-VERSION.dist-info/METADATA."""
    project = tomllib.loads(Path(sys.argv[1]).read_text())["project"]
    folder = Path(sys.argv[2]) / f"{project['name']}-{project['version']}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        f"Summary: {project['description']}\nLicense: {project['license']}\n"
    )


if __name__ == "__main__":
    main()
