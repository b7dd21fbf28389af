"""Proxies in front of two services, each with the configuration in deploy/proxies on a free port of 127.0.0.1."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hardening._service import ROOT, free_port
from promises import fail

CONFIGURATIONS = ROOT / "deploy" / "proxies"
PROXY_PORT, SERVICE_PORTS = 8080, (8001, 8002)  # as the configurations have them
START_SECONDS = 30.0
END_SECONDS = 10.0
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
APACHE_MODULES = Path("/usr/lib/apache2/modules")

NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log {folder}/log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {configuration};
}}
"""
APACHE = """\
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
ErrorLog {folder}/log
ServerName 127.0.0.1
User www-data
Group www-data
{modules}
Include {configuration}
"""
APACHE_LOADS = (
    "mpm_event", "authz_core", "headers", "proxy", "proxy_http", "proxy_balancer", "proxy_hcheck", "lbmethod_byrequests",
    "slotmem_shm",
)  # fmt: skip
CADDY = "{\n\tadmin off\n}\n"


@dataclass(frozen=True)
class Proxy:
    """A proxy: its file in deploy/proxies, how it is run on one (configuration, folder, port, idle seconds), its version.

    `idle` is how its file states for how long a connection to a service may be idle; None where the command line does.
    """

    name: str
    file: str
    command: Callable[[Path, Path, int, int], list[str]]
    version: tuple[str, ...]
    idle: str | None


def nginx(configuration: Path, folder: Path, _: int, __: int) -> list[str]:
    """nginx, with a main file that writes into `folder` only."""
    main = folder / "nginx.conf"
    main.write_text(NGINX.format(folder=folder, configuration=configuration))
    return ["nginx", "-e", f"{folder}/log", "-c", str(main)]


def haproxy(configuration: Path, _: Path, __: int, ___: int) -> list[str]:
    """HAProxy, in the foreground."""
    return ["haproxy", "-db", "-f", str(configuration)]


def caddy(configuration: Path, folder: Path, _: int, __: int) -> list[str]:
    """Caddy, without the port of its own by which it is administered."""
    configuration.write_text(CADDY + configuration.read_text())
    return ["env", f"HOME={folder}", "caddy", "run", "--config", str(configuration), "--adapter", "caddyfile"]


def apache(configuration: Path, folder: Path, _: int, __: int) -> list[str]:
    """Apache, with the modules that Debian's a2enmod would enable."""
    modules = [f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in APACHE_LOADS]
    main = folder / "apache2.conf"
    main.write_text(APACHE.format(folder=folder, configuration=configuration, modules="\n".join(modules)))
    return ["apache2", "-f", str(main), "-D", "FOREGROUND"]


def varnish(configuration: Path, folder: Path, port: int, idle: int) -> list[str]:
    """Varnish, whose address and times are on its command line."""
    return [
        "varnishd", "-F", "-j", "none", "-T", "none", "-a", f"127.0.0.1:{port}", "-f", str(configuration),
        "-n", f"{folder}/varnish", "-s", "malloc,64m", "-p", f"backend_idle_timeout={idle}",
    ]  # fmt: skip


PROXIES = (
    Proxy("nginx", "nginx.conf", nginx, ("nginx", "-v"), "keepalive_timeout {}s;"),
    Proxy("haproxy", "haproxy.cfg", haproxy, ("haproxy", "-v"), "pool-purge-delay {}s"),
    Proxy("caddy", "Caddyfile", caddy, ("caddy", "version"), "keepalive {}s"),
    Proxy("apache", "apache.conf", apache, ("apache2", "-v"), "ttl={} "),
    Proxy("varnish", "varnish.vcl", varnish, ("varnishd", "-V"), None),
)
IDLE = 30  # seconds, as the configurations have it


def version(proxy: Proxy) -> str:
    """The version that the program states."""
    command = [shutil.which(proxy.version[0], path=PATH) or proxy.version[0], *proxy.version[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found.group() if found else "unknown"


def configuration_text(proxy: Proxy, port: int, services: tuple[int, int], idle: int) -> str:
    """The proxy's file in deploy/proxies, with these ports, and `idle` seconds for idle connections to a service."""
    text = (CONFIGURATIONS / proxy.file).read_text()
    numbers = dict(zip((PROXY_PORT, *SERVICE_PORTS), (port, *services), strict=True))
    changes = {rf"\b{old}\b": str(new) for old, new in numbers.items()}
    if proxy.idle is not None:
        changes[re.escape(proxy.idle.format(IDLE))] = proxy.idle.format(idle)
    for pattern, new in changes.items():
        text, count = re.subn(pattern, new, text)
        if not count:
            fail(f"deploy/proxies/{proxy.file} has nothing that matches {pattern}")
    return text


@contextmanager
def running(proxy: Proxy, services: tuple[int, int], idle: int = IDLE) -> Iterator[int]:
    """The port of a proxy that answers; at the end it is stopped, and its folder removed."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="lockgate-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # its workers are another user's
        configuration = folder / f"lockgate-{proxy.file}"
        configuration.write_text(configuration_text(proxy, port, services, idle))
        with (folder / "printed").open("wb") as printed:
            process = subprocess.Popen(
                proxy.command(configuration, folder, port, idle),
                cwd=folder,
                env={**os.environ, "PATH": PATH},
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
        try:
            wait_until_it_answers(proxy, port, process, folder)
            yield port
        finally:
            stop(process)


@contextmanager
def all_running(chosen: Sequence[Proxy], services: Sequence[int], idle: int = IDLE) -> Iterator[dict[str, int]]:
    """The ports of the proxies by their names, all in front of the same two services."""
    first, second = services
    with ExitStack() as stack:
        yield {proxy.name: stack.enter_context(running(proxy, (first, second), idle)) for proxy in chosen}


def wait_until_it_answers(proxy: Proxy, port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Return once a request to /health comes through; ends the script when none does."""
    end = time.monotonic() + START_SECONDS
    while status(port, "/health") != http.client.OK:
        if process.poll() is not None or time.monotonic() > end:
            logs = [path.read_text(errors="replace") for path in (folder / "printed", folder / "log") if path.exists()]
            fail(f"{proxy.name} did not start: {' '.join(' '.join(logs).split())[-1000:]}")
        time.sleep(0.05)


def status(port: int, path: str) -> int:
    """The status of a GET; 0 where nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5.0)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a proxy and the processes that it started, which are a group of their own."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
