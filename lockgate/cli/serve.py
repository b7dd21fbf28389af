"""`lockgate serve`: a gated bundle behind HTTP."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lockgate.cli.command import Command, Decorated
from lockgate.config.layout import MODELS
from lockgate.service.api.bearer_token import read_tokens


def option(name: str, **settings: Any) -> Callable[[Decorated], Decorated]:
    """An option that an environment variable can set too, as containers like it: --max-wait, LOCKGATE_MAX_WAIT."""
    variable = "LOCKGATE_" + name.partition("/")[0].lstrip("-").replace("-", "_").upper()
    return click.option(name, envvar=variable, show_envvar=True, show_default=True, **settings)


seconds = click.FloatRange(min=0.0, max=86_400.0)


@click.command(cls=Command)
@option("--bundle", type=click.Path(path_type=Path), default=MODELS, help="The bundle's folder.")
@option("--verdict", type=click.Path(path_type=Path), help="Its gate.json; else beside it, else reports/gate.json.")
@option("--allow-ungated", is_flag=True, help="Serve a bundle that no gate has passed.")
@option("--require-signed", is_flag=True, help="Serve only with a gate.json.dsse by one of the keys of --verify-key.")
@option("--verify-key", help="Public ed25519 keys: PEM, or the path of a file with one or more.")
@option(
    "--shadow", type=click.Path(path_type=Path), help="The bundle of a challenger, which scores the same rows unseen."
)
@option("--app", help="A team's own application, such as app.main:app, made by lockgate.service.create_app().")
@option("--host", default="127.0.0.1", help="The address to listen on.")
@option("--port", type=click.IntRange(0, 65_535), default=8000, help="0 takes a free one.")
@option("--admin-host", default="127.0.0.1", help="The address of the admin port.")
@option(
    "--admin-port",
    type=click.IntRange(0, 65_535),
    help="Listen here too, for /metrics, /health, /ready and POST /admin/reload; 0 takes a free one. Default: nowhere.",
)
@option("--public-metrics/--no-public-metrics", default=True, help="Whether /metrics is on the main port as well.")
@option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="Bearer tokens that requests need, one a line; or a single one in LOCKGATE_TOKEN. Default: none is needed.",
)
@option("--workers", type=click.IntRange(1, 64), default=1, help="Processes; a container has one.")
@option("--fast-path/--no-fast-path", default=True, help="Answer without ASGI where that gives the same bytes.")
@option(
    "--hang-seconds",
    type=click.FloatRange(min=1.0, max=86_400.0),
    default=10.0,
    help="A worker whose event loop stands still for this long is killed and replaced.",
)
@option(
    "--reload-seconds",
    type=click.FloatRange(min=1.0, max=86_400.0),
    default=60.0,
    help="Until a reload that is not done is given up.",
)
@option("--drift", help="The nightly drift.json: a path or an http(s) URL, reread every minute.")
@option("--decision-log", type=click.Path(path_type=Path), help="Write every decision as Parquet into this folder.")
@option(
    "--unseen-categories",
    type=click.Choice(["refuse", "missing"]),
    default="refuse",
    help="What a category is that the training rows did not have.",
)
@option("--drain-seconds", type=seconds, default=5.0, help="From SIGTERM to the listener's closing; /ready is 503.")
@option("--grace-seconds", type=seconds, default=20.0, help="From then to the end, for requests in progress.")
@option("--max-wait", type=seconds, default=0.25, help="Seconds; a request that has waited longer gets 503.")
@option("--target-wait", type=seconds, default=0.005, help="Where all have waited longer for 0.1 s, such get 503.")
@option("--max-body-bytes", type=click.IntRange(min=1), help="Default: what 1,000 rows of the schema can need.")
@option("--request-seconds", type=seconds, default=8.0, help="For a request to arrive whole.")
@option("--keep-alive-seconds", type=seconds, default=65.0, help="For an idle connection.")
@option("--drift-seconds", type=click.FloatRange(min=0.1), default=60.0, help="Between two readings of --drift.")
@option("--log-rows", type=click.IntRange(min=1), default=20_000, help="A file of the decision log has at most these.")
@option("--log-seconds", type=click.FloatRange(min=0.1), default=60.0, help="A row waits no longer for its file.")
@option(
    "--log-format",
    type=click.Choice(["auto", "json", "text"]),
    default="auto",
    help="Of events on stderr; auto is text on a terminal, else JSON.",
)
@option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", help="The least shown."
)
@option("--access-log", is_flag=True, help="Log every request, without its query and body.")
def serve(**options: Any) -> None:
    """Serve a bundle on HTTP: /predict, /predict/batch, /explain, /drift, /metrics, /health, /ready, /docs.

    The bundle's files are verified before they are parsed, and its gate must have passed.

    \b
    Examples:
        lockgate serve
        lockgate serve --host 0.0.0.0 --drift reports/drift.json --decision-log decisions/
    """
    # One thread a process: the service scales by processes, and threads waiting for work cost memory and latency.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    # All that is imported and read now stays until the end; the worker collects what comes after it.
    gc.disable()
    from lockgate.service.http.supervisor import run
    from lockgate.service.settings import Settings

    run(Settings(**options, tokens=read_tokens(options["token_file"])))


if __name__ == "__main__":
    serve()
