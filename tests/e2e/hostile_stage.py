"""A stage as an attacker would write it, in the place of pipeline/train.py: it trains, and then tries to decide.

Whatever it leaves for others to run notes the job in which it ran, in the file `ran` of the state folder.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from lockgate.cli.train import train

FORGES_HAND_OVER = False
WORKSPACE = Path(os.environ["GITHUB_WORKSPACE"])
RAN = Path(os.environ["LOCKGATE_ACT_STATE"], "ran")
NOTE = f"open({str(RAN)!r}, 'a').write(os.environ.get('GITHUB_JOB', '') + ' ')"
FORGE = """
import pathlib, sys, time
folders = [pathlib.Path(name) for name in sys.argv[1:]]
while folders[0].exists():
    for folder in folders:
        if folder.exists():
            (folder / "reports").mkdir(exist_ok=True)
            (folder / "reports/gate.json").write_text('{"verdict": "pass"}')
    time.sleep(0.1)
"""


def leave_variables() -> None:
    """For the steps after this one."""
    with open(os.environ["GITHUB_ENV"], "a") as stream:
        stream.write(f"BASH_ENV={WORKSPACE}/hostile.sh\nPYTHONPATH={WORKSPACE}\n")
    (WORKSPACE / "hostile.sh").write_text(f"printf '%s ' \"$GITHUB_JOB\" >>'{RAN}'\n")
    (WORKSPACE / "sitecustomize.py").write_text(f"import os; {NOTE}\n")


def edit_the_kit() -> None:
    """In the folder from which it runs."""
    Path(sysconfig.get_path("purelib"), "hostile.pth").write_text(f"import os; {NOTE}\n")


def leave_a_process() -> None:
    """It writes a verdict again and again, and into what is handed over."""
    folders = [str(WORKSPACE), *([f"{os.environ['RUNNER_TEMP']}/lockgate-measured"] if FORGES_HAND_OVER else [])]
    null = subprocess.DEVNULL
    command = [sys.executable, "-I", "-c", FORGE, *folders]
    subprocess.Popen(command, start_new_session=True, stdin=null, stdout=null, stderr=null)


if __name__ == "__main__":
    leave_variables()
    edit_the_kit()
    leave_a_process()
    train()
