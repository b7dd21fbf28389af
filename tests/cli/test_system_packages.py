"""`scripts/system-packages`: quick where the commands are there, patient where apt is at work, else one clear line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "system-packages"


def run(*names: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = None if path is None else {"PATH": path}
    return subprocess.run(
        ["/bin/bash", str(SCRIPT), *names], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def folder_of_commands(tmp_path: Path) -> Path:
    for name in ("prometheus", "promtool"):
        command = tmp_path / name
        command.write_text("#!/bin/sh\n")
        command.chmod(0o755)
    return tmp_path


def test_commands_count_whatever_package_they_came_from(folder_of_commands: Path) -> None:
    done = run("prometheus", path=str(folder_of_commands))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_without_apt_one_line_says_what_to_install(folder_of_commands: Path) -> None:
    (folder_of_commands / "promtool").unlink()
    done = run("prometheus", "no-such-package", path=str(folder_of_commands))
    assert done.returncode == 2
    assert done.stderr == (
        "error: not found: prometheus no-such-package, and there is no apt-get here; "
        "install what has their commands on PATH\n"
    )


@pytest.mark.parametrize("names", [(), ("-o",), ("jq;id",), ("",)])
def test_only_names_of_packages_are_taken(names: tuple[str, ...]) -> None:
    done = run(*names)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


LISTS = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)"
ARCHIVES = "E: Could not get lock /var/cache/apt/archives/lock. It is held by process 7 (apt-get)"
BROKEN = "E: Unable to correct problems, you have held broken packages."

# It fails once with each line of the file that is named after its command, then does as it is told.
APT_GET = """#!/bin/bash
PATH=/usr/bin:/bin
folder=$(dirname "$0")
case " $* " in *" update "*) what=update ;; *) what=install ;; esac
echo "$what" >>"$folder/calls"
if [ -s "$folder/$what" ]; then
  head -n 1 "$folder/$what" >&2
  sed -i 1d "$folder/$what"
  exit 100
fi
if [ "$what" = install ]; then ln -s /bin/true "$folder/some-server"; fi
"""


class TestInstalling:
    """As root, with an apt-get of the test's."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        programs = {"apt-get": APT_GET, "id": "#!/bin/sh\necho 0\n", "install": "#!/bin/sh\n", "sleep": "#!/bin/sh\n"}
        for name, text in programs.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        return tmp_path

    def install(self, folder: Path, patience: int = 600) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{folder}:/usr/bin:/bin", "LOCKGATE_APT_SECONDS": str(patience)}
        return subprocess.run(
            ["/bin/bash", str(SCRIPT), "some-server"], env=environment, capture_output=True, text=True, check=False
        )

    def calls(self, folder: Path) -> list[str]:
        return (folder / "calls").read_text().split()

    def test_another_apt_is_waited_for(self, folder: Path) -> None:
        (folder / "update").write_text(f"{LISTS}\n{LISTS}\n")
        (folder / "install").write_text(f"{ARCHIVES}\n")
        done = self.install(folder)
        assert (done.returncode, done.stderr) == (0, "installing some-server\n")
        assert self.calls(folder) == ["update", "update", "update", "install", "install"]

    def test_but_not_for_ever(self, folder: Path) -> None:
        (folder / "update").write_text(f"{LISTS}\n{LISTS}\n")
        done = self.install(folder, patience=0)
        assert done.returncode == 2
        assert done.stderr.splitlines()[1:] == [
            LISTS,
            "error: apt-get could not install some-server; its messages are above",
        ]

    def test_what_waiting_does_not_change_is_said_at_once(self, folder: Path) -> None:
        (folder / "install").write_text(f"{BROKEN}\n{BROKEN}\n")
        done = self.install(folder)
        assert done.returncode == 2
        assert BROKEN in done.stderr
        assert self.calls(folder) == ["update", "install"]
