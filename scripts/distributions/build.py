"""Build the kit's wheel and source distribution, hold them to the tag that releases them, and write their checksums."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
VERSION_FILE = "lockgate/config/version.py"
CHECKSUMS = "SHA256SUMS"


class RefusedError(Exception):
    """Why nothing is released, and how to fix it, on one line."""


def version_of(text: str) -> str:
    """The version that the kit's version file states."""
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if found is None:
        raise RefusedError(f"{VERSION_FILE} states no __version__; restore it")
    return found[1]


def require_tag(tag: str, version: str) -> None:
    """Raises unless the tag is the version's."""
    if tag != f"v{version}":
        raise RefusedError(
            f"the tag is {tag}, and {VERSION_FILE} says {version}; tag the commit v{version}, or raise the version first"
        )


def build(folder: Path, version: str) -> list[Path]:
    """Both distributions of the checkout, checked by twine, in a folder that is made."""
    if folder.exists():
        raise RefusedError(f"{folder} is there already; name a new folder, so that nothing old is released")
    _run("hatchling", "build", "--directory", str(folder.absolute()))
    made = sorted(folder.iterdir())
    wanted = [f"lockgate-{version}-py3-none-any.whl", f"lockgate-{version}.tar.gz"]
    if [path.name for path in made] != wanted:
        raise RefusedError(f"the build made {', '.join(path.name for path in made)}, not {' and '.join(wanted)}")
    _run("twine", "check", "--strict", *map(str, made))
    return made


def checksums(files: list[Path]) -> str:
    """What `sha256sum --check` reads."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def _run(module: str, *arguments: str) -> None:
    ended = subprocess.run([sys.executable, "-I", "-m", module, *arguments], cwd=ROOT, check=False)
    if ended.returncode != 0:
        raise RefusedError(f"{module} failed; what it says stands above")


def main(tag: str, folder: Path) -> int:
    """Build for a tag; exit code 2 where it is refused."""
    try:
        version = version_of((ROOT / VERSION_FILE).read_text())
        require_tag(tag, version)
        made = build(folder, version)
    except RefusedError as refused:
        print(f"Error: {refused}", file=sys.stderr)
        return 2
    (folder / CHECKSUMS).write_text(checksums(made))
    print((folder / CHECKSUMS).read_text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
