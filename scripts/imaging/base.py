"""The image that ours stands on: what the Dockerfile names, or, where no registry is reachable, one made of Debian's packages."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from imaging.context import DOCKERFILE, ROOT
from imaging.docker import docker

from lockgate.config.errors import InputError

PACKAGES = "python3,python3-venv,ca-certificates"
PULL_SECONDS = 180


def default_base() -> str:
    """The default of the Dockerfile's argument BASE."""
    found = re.search(r"^ARG BASE=(\S+)$", (ROOT / DOCKERFILE).read_text(), re.MULTILINE)
    if found is None:
        raise InputError(f"{ROOT / 'app/Dockerfile'} has no default for BASE")
    return found.group(1)


def some_base() -> str:
    """The default base where it is here or can be pulled; else, as root, Debian's Python."""
    wanted = default_base()
    for arguments in (("image", "inspect", wanted), ("pull", "--quiet", wanted)):
        try:
            docker(*arguments, limit=PULL_SECONDS)
        except InputError:
            continue
        return wanted
    print(f"{wanted} cannot be pulled here: the base is made with debootstrap", file=sys.stderr)
    return debian_base()


def debian_base() -> str:
    """Debian's own Python, of the release that this machine has, imported as an image; made once a daemon."""
    release = platform.freedesktop_os_release()
    if os.geteuid() != 0 or release.get("ID") != "debian":
        raise InputError(
            "only root on Debian can make a base with debootstrap; name one with --base that is here already"
        )
    suite = release["VERSION_CODENAME"]
    name = f"lockgate-base:{suite}"
    if docker("image", "ls", "--quiet", name):
        return name
    subprocess.run([ROOT / "scripts/system-packages", "debootstrap"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", suite, folder],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
        if made.returncode != 0:
            raise InputError(f"debootstrap failed: {made.stdout.decode(errors='replace')[-500:]}")
        for package in Path(folder, "var/cache/apt/archives").glob("*.deb"):
            package.unlink()
        tar = subprocess.Popen(["tar", "-C", folder, "--numeric-owner", "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", name], stdin=tar.stdout, stdout=subprocess.DEVNULL, check=True)
        if tar.wait() != 0:
            raise InputError("tar could not read what debootstrap made")
    return name
