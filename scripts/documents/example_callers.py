"""The workflows of `examples/`, as `lockgate init --callers` writes them for anybody, at the release that documents name.

predictions/ has a `pr.yml` of its own: it trains nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

from documents.kit_release import reference
from documents.tables import ROOT

from lockgate.ci.callers import CALLERS, KitReference, caller_files

KIT = "OWNER/lockgate"
EXAMPLES = {"predictions": ("pr-comment.yml",), "table": CALLERS, "own-model": CALLERS}


def written_callers() -> dict[Path, str]:
    """Each workflow file that `lockgate init` writes, by its place in this repository."""
    files = caller_files(KitReference(KIT, reference()))
    return {
        ROOT / "examples" / example / path: text
        for example, names in EXAMPLES.items()
        for path, text in files.items()
        if path.name in names
    }


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which are not as they should be."""
    stale = [(path, text) for path, text in written_callers().items() if not path.is_file() or path.read_text() != text]
    for path, text in stale:
        print(f"{'stale' if '--check' in arguments else 'wrote'}: {path.relative_to(ROOT)}")
        if "--check" not in arguments:
            path.write_text(text)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
