"""The release of the kit that documents and examples call, by its commit: written from here into each `uses` line.

The root action alone is called by the tag `v1`, which moves.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from documents.references import documents
from documents.tables import ROOT

VERSION = "0.1.0"
# Of the tag `v` VERSION, 40 hexadecimal digits. A commit cannot name itself, so it is set after the release (docs/release-kit.md);
# before the first one it is empty, and the lines have the tag, which never moves.
COMMIT = ""

CALL = re.compile(r"^(?P<call>\s*(?:- )?uses: OWNER/lockgate/[\w./-]+)@[^\s#]+(?: # v\S+)?$", re.MULTILINE)


def reference(version: str = VERSION, commit: str = COMMIT) -> str:
    """What stands behind the `@`."""
    return f"{commit} # v{version}" if commit else f"v{version}"


def with_reference(text: str, stated: str) -> str:
    """The text with each call of the kit's workflows and actions at `stated`."""
    return CALL.sub(lambda match: f"{match['call']}@{stated}", text)


def callers() -> Iterator[Path]:
    """The files that call the kit as somebody else's."""
    yield from documents()
    for folder in ("examples", "tests/e2e/caller"):
        yield from sorted(path for path in ROOT.glob(f"{folder}/**/.github/**/*.yml"))


def main(arguments: list[str]) -> int:
    """Write the files, or with --check say which are not as they should be."""
    stale = [path for path in callers() if with_reference(path.read_text(), reference()) != path.read_text()]
    for path in stale:
        print(f"{'stale' if '--check' in arguments else 'wrote'}: {path.relative_to(ROOT)}")
        if "--check" not in arguments:
            path.write_text(with_reference(path.read_text(), reference()))
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
