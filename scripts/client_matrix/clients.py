"""The clients of the matrix: each makes the requests of a plan, in order, and says what it got."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from client_matrix.plan import NONE, Answer, Request, read_answers, write_plan

PROGRAMS = Path(__file__).parent / "programs"
SECONDS = 60
CURL_SECONDS = 20
CURL_PRINTS = r"%{http_code}\t%header{x-request-id}\t%header{server-timing}\t%{errormsg}\n"
STATUS = re.compile(r"^  HTTP/[\d.]+ (\d{3})", re.MULTILINE)


@dataclass(frozen=True)
class Client:
    """A client; `makes` says which requests it can make at all, and `may_be_refused` that it insists on HTTP/2."""

    name: str
    version: Callable[[], str]
    run: Callable[[Path, Path], str]  # the plan's file and its folder, to a line a request
    makes: Callable[[Request], bool] = lambda _: True
    may_be_refused: bool = False


def ask(client: Client, plan: Sequence[Request], host: str) -> dict[str, Answer]:
    """The answers to a client's requests, by name; a request without one is not among them."""
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        folder = Path(name)
        file = write_plan([request for request in plan if client.makes(request)], host, folder)
        return read_answers(client.run(file, folder), folder)


def verdict(client: Client, plan: Sequence[Request], answers: dict[str, Answer]) -> tuple[str, list[tuple[str, str]]]:
    """The cell's word, and each request's name with what is wrong in its answer."""
    asked = [request for request in plan if client.makes(request)]
    if client.may_be_refused and all(is_clean_refusal(answers.get(request.name)) for request in asked):
        return "refused", []
    flaws = []
    for request in asked:
        answer = answers.get(request.name)
        flaw = "the client ended before it" if answer is None else request.flaw(answer)
        if flaw is not None:
            flaws.append((request.name, flaw))
    return ("ok" if not flaws else f"{len(flaws)} FAIL"), flaws


def is_clean_refusal(answer: Answer | None) -> bool:
    """Whether a client that insists on HTTP/2 was told at once that there is none."""
    return answer is not None and answer.status in (0, 400, 505) and "timed out" not in answer.problem.lower()


def clients(classes: Path) -> list[Client]:
    """All of them; Java's are compiled into `classes` already."""

    def java(name: str, kind: str) -> Client:
        return Client(
            name,
            lambda: printed(["java", "-version"]).split('"')[1],
            lambda plan, _: printed(
                ["java", "-XX:TieredStopAtLevel=1", "-cp", str(classes), "JavaClients", kind, str(plan)]
            ),
        )

    def python(name: str) -> Client:
        command = [sys.executable, str(PROGRAMS / "python_clients.py"), name]
        return Client(name, lambda: version(name), lambda plan, _: printed([*command, str(plan)]))

    def curl(name: str, option: str, may_be_refused: bool = False) -> Client:
        return Client(
            name,
            lambda: printed(["curl", "--version"]).split()[1],
            lambda plan, folder: run_curl(plan, folder, option),
            may_be_refused=may_be_refused,
        )

    return [
        java("java.net.http", "http-client"),
        java("HttpURLConnection", "url-connection"),
        curl("curl", "http1.1"),
        curl("curl --http2", "http2"),
        curl("curl --http2-prior-knowledge", "http2-prior-knowledge", may_be_refused=True),
        Client(
            "wget", lambda: printed(["wget", "--version"]).split()[2], run_wget, lambda request: not request.chunked
        ),
        Client(
            "node fetch",
            lambda: printed(["node", "--version"]).strip().removeprefix("v"),
            lambda plan, _: printed(["node", str(PROGRAMS / "fetch.mjs"), str(plan)]),
        ),
        *map(python, ("requests", "httpx", "aiohttp", "urllib3")),
    ]


def compile_java(classes: Path) -> None:
    """Compile the program of the JDK's clients once, not at each start."""
    subprocess.run(["javac", "-d", str(classes), str(PROGRAMS / "JavaClients.java")], check=True)


def printed(command: Sequence[str]) -> str:
    """What a program printed; what it printed on stderr too, where it failed or printed nothing else."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        print(f"{' '.join(command[:3])} ended with {done.returncode}: {done.stderr[-500:]}", file=sys.stderr)
    return done.stdout or done.stderr


def run_curl(plan: Path, folder: Path, option: str) -> str:
    """One curl for the whole plan, so that it keeps its connection.

    With --http2-prior-knowledge, curl 7.88 fails on a connection's second request, with nginx and HAProxy alike: one a request.
    """
    parts = [curl_settings(line, option) for line in plan.read_text().splitlines()]
    said = ""
    for settings in parts if option == "http2-prior-knowledge" else ["\nnext\n".join(parts)]:
        (folder / "curl").write_text(settings + "\n")
        # It ends with the last request's code, and says on each line what became of that request.
        done = subprocess.run(
            ["curl", "--config", "curl"], cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        said += done.stdout
    return said


def curl_settings(line: str, option: str) -> str:
    """A request of the plan as curl's --config has it."""
    name, method, url, request_id, traceparent, file, framing, answer = line.split("\t")
    # What it writes of an answer to HEAD is the head.
    settings = [
        option,
        "silent",
        f'url = "{url}"',
        f"max-time = {CURL_SECONDS}",
        f'header = "x-request-id: {request_id}"',
        f'header = "traceparent: {traceparent}"',
        f'output = "{os.devnull if method == "HEAD" else answer}"',
        f'write-out = "{name}\\t{CURL_PRINTS}"',
    ]
    if method == "HEAD":
        settings.append("head")
    if file != NONE:
        settings += ['header = "content-type: application/json"', f'data-binary = "@{file}"']
    if framing == "chunked":
        settings.append('header = "transfer-encoding: chunked"')
    return "\n".join(settings)


def run_wget(plan: Path, folder: Path) -> str:
    """A wget a request; `--spider` is how it asks HEAD."""
    lines = []
    for line in plan.read_text().splitlines():
        name, method, url, request_id, traceparent, file, _, answer = line.split("\t")
        command = ["wget", "--server-response", "--tries=1", "--timeout=20", "--content-on-error", url]
        command += [f"--header=x-request-id: {request_id}", f"--header=traceparent: {traceparent}"]
        command += ["--spider"] if method == "HEAD" else [f"--method={method}", f"--output-document={answer}"]
        if file != NONE:
            command += ["--header=content-type: application/json", f"--body-file={file}"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        status = STATUS.findall(done.stderr)
        said = [NONE] if status else done.stderr.splitlines()[-1:]
        passed = [header(done.stderr, one) for one in ("x-request-id", "server-timing")]
        lines.append("\t".join([name, status[-1] if status else "0", *passed, *said]))
    return "\n".join(lines)


def header(printed_head: str, name: str) -> str:
    """A header of the answer that wget printed."""
    found = re.search(rf"^  {name}: (.*)$", printed_head, re.MULTILINE | re.IGNORECASE)
    return found.group(1).strip() if found else NONE
