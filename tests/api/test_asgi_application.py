"""app/main.py is the service for any ASGI server, and a team's own to add to."""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path

from support import invoke, succeed
from watched import free_port

APP = Path(__file__).parents[2] / "app/main.py"
OWN_ROUTE = """

@app.get("/team")
def team() -> str:
    return "ours"
"""


def test_another_server_runs_it_and_a_team_adds_a_route(project: Path) -> None:
    (project / "app").mkdir()
    (project / "app/main.py").write_text(APP.read_text() + OWN_ROUTE)
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "app.main:app", "--port", str(port), "--log-level", "error"], cwd=project
    )
    try:
        succeed(invoke(project, "smoke", f"http://127.0.0.1:{port}"))
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/team")
        assert client.getresponse().read() == b'"ours"'
        client.close()
    finally:
        server.terminate()
        server.wait(30)
    assert server.returncode in (0, -15)


def test_a_bundle_that_did_not_pass_is_not_served(project: Path) -> None:
    (project / "reports/gate.json").unlink()
    code = f"import runpy; runpy.run_path({str(APP)!r})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=False)
    assert "InputError" in ended.stderr
    assert "gate.json" in ended.stderr.splitlines()[-1]
