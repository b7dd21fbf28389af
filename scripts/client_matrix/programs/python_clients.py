"""Python's HTTP clients on a plan of requests: python_clients.py requests|httpx|aiohttp|urllib3 PLAN."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path

SECONDS = 20.0
CHUNK = 16_384

Answer = tuple[int, Mapping[str, str], bytes]
Send = Callable[[str, str, dict[str, str], bytes | None, bool], Answer]
SendInLoop = Callable[[str, str, dict[str, str], bytes | None, bool], Awaitable[Answer]]


def parts(body: bytes) -> Iterator[bytes]:
    """The body as an iterator, whose length no client knows."""
    return (body[at : at + CHUNK] for at in range(0, len(body), CHUNK))


async def parts_in_loop(body: bytes) -> AsyncIterator[bytes]:
    """The same for a client that takes asynchronous iterators only."""
    for part in parts(body):
        yield part


def with_requests() -> Send:
    """requests, with one session."""
    import requests

    session = requests.Session()

    def send(method: str, url: str, headers: dict[str, str], body: bytes | None, chunked: bool) -> Answer:
        sent = parts(body) if body is not None and chunked else body
        response = session.request(method, url, headers=headers, data=sent, timeout=SECONDS)
        return response.status_code, response.headers, response.content

    return send


def with_httpx() -> Send:
    """httpx, with one client."""
    import httpx

    client = httpx.Client(timeout=SECONDS)

    def send(method: str, url: str, headers: dict[str, str], body: bytes | None, chunked: bool) -> Answer:
        sent = parts(body) if body is not None and chunked else body
        response = client.request(method, url, headers=headers, content=sent)
        return response.status_code, response.headers, response.content

    return send


def with_urllib3() -> Send:
    """urllib3, with one pool and without its retries, which would hide a failure."""
    import urllib3

    pool = urllib3.PoolManager(timeout=SECONDS)

    def send(method: str, url: str, headers: dict[str, str], body: bytes | None, chunked: bool) -> Answer:
        response = pool.request(method, url, headers=headers, body=body, chunked=chunked, retries=False)
        return response.status, response.headers, response.data

    return send


async def run(plan: list[str], send: SendInLoop) -> None:
    """Send each request of the plan, one after the other, and print a line on each answer."""
    for line in plan:
        name, method, url, request_id, traceparent, file, framing, answer_file = line.split("\t")
        headers = {"x-request-id": request_id, "traceparent": traceparent}
        body = None if file == "-" else Path(file).read_bytes()
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            status, answered, answer = await send(method, url, headers, body, framing == "chunked")
        except Exception as problem:
            print(name, 0, "-", "-", " ".join(f"{type(problem).__name__}: {problem}".split()), sep="\t")
            continue
        Path(answer_file).write_bytes(answer)
        print(name, status, answered.get("x-request-id", "-"), answered.get("server-timing", "-"), "-", sep="\t")


async def run_aiohttp(plan: list[str]) -> None:
    """The plan with aiohttp and one session."""
    import aiohttp

    async def send(method: str, url: str, headers: dict[str, str], body: bytes | None, chunked: bool) -> Answer:
        sent = parts_in_loop(body) if body is not None and chunked else body
        async with session.request(method, url, headers=headers, data=sent) as response:
            return response.status, response.headers, await response.read()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS)) as session:
        await run(plan, send)


def in_loop(send: Send) -> SendInLoop:
    """A client without a loop, as one with."""

    async def sent(method: str, url: str, headers: dict[str, str], body: bytes | None, chunked: bool) -> Answer:
        return send(method, url, headers, body, chunked)

    return sent


CLIENTS = {"requests": with_requests, "httpx": with_httpx, "urllib3": with_urllib3}


def main(client: str, plan: list[str]) -> None:
    """One client for the whole plan, so that it keeps its connection; only its own package is imported."""
    asyncio.run(run_aiohttp(plan) if client == "aiohttp" else run(plan, in_loop(CLIENTS[client]())))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).read_text().splitlines())
