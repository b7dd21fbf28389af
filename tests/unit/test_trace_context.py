"""`traceparent` is taken and ignored as W3C Trace Context asks; the cases are those of its own test suite, and some more."""

from __future__ import annotations

import pytest

from lockgate.service.api.trace_context import read_traceparent

TRACE, PARENT = b"12345678901234567890123456789012", b"1234567890123456"


def traceparent(version: bytes = b"00", trace: bytes = TRACE, parent: bytes = PARENT, end: bytes = b"01") -> bytes:
    return b"-".join((version, trace, parent, end))


@pytest.mark.parametrize(
    "value",
    [
        traceparent(),
        traceparent(end=b"00"),
        traceparent(end=b"ff"),  # flags that are not defined yet
        traceparent(b"cc"),  # a later version: its first four parts are those of 00
        traceparent(b"cc", end=b"01-what-the-future-will-be-like"),
        traceparent(b"cc", end=b"01-"),
        traceparent(b"01", end=b"01-what-the-future.will-be-like"),
        b" " + traceparent(),
        b"\t" + traceparent(),
        traceparent() + b" ",
        traceparent() + b"\t",
        b"\t " + traceparent() + b" \t",
    ],
)
def test_a_valid_one_is_taken(value: bytes) -> None:
    trace = read_traceparent([value])
    assert trace is not None
    assert trace.trace_id == TRACE.decode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        traceparent(end=b"01."),
        traceparent(end=b"01-"),
        traceparent(end=b"01-what-the-future-will-be-like"),
        traceparent(b"cc", end=b"01.what-the-future-will-be-like"),
        traceparent(b"ff"),
        traceparent(b"ff", end=b"01-more"),
        traceparent(b".0"),
        traceparent(b"0."),
        traceparent(b"000"),
        traceparent(b"0000"),
        traceparent(b"0"),
        traceparent(b"0A"),
        traceparent(trace=b"0" * 32),
        traceparent(trace=b"." + TRACE[1:]),
        traceparent(trace=TRACE[:-1] + b"."),
        traceparent(trace=b"A" + TRACE[1:]),
        traceparent(trace=TRACE + b"3"),
        traceparent(trace=TRACE[:-1]),
        traceparent(parent=b"0" * 16),
        traceparent(parent=b"." + PARENT[1:]),
        traceparent(parent=PARENT[:-1] + b"."),
        traceparent(parent=b"A" + PARENT[1:]),
        traceparent(parent=PARENT + b"7"),
        traceparent(parent=PARENT[:-1]),
        traceparent(end=b".0"),
        traceparent(end=b"0."),
        traceparent(end=b"0A"),
        traceparent(end=b"001"),
        traceparent(end=b"1"),
        traceparent().replace(b"-", b"_"),
        traceparent() + b"," + traceparent(),  # two headers that a proxy has joined
    ],
)
def test_an_invalid_one_is_as_none(value: bytes) -> None:
    assert read_traceparent([value]) is None


def test_two_are_as_none() -> None:
    assert read_traceparent([traceparent(), traceparent()]) is None
    assert read_traceparent([]) is None


def test_the_answer_names_the_trace_and_a_span_of_its_own() -> None:
    first, second = read_traceparent([traceparent()]), read_traceparent([traceparent()])
    assert first is not None
    assert second is not None
    assert len({PARENT.decode(), first.span_id, second.span_id}) == 3
    name, value = first.server_timing()
    assert name == b"server-timing"
    assert value == b"trace;desc=00-%s-%s-01" % (TRACE, first.span_id.encode())


@pytest.mark.parametrize(
    ("given", "answered"), [(b"00", b"00"), (b"03", b"03"), (b"02", b"02"), (b"ff", b"03"), (b"fc", b"00")]
)
def test_flags_that_are_not_defined_are_not_sent_on(given: bytes, answered: bytes) -> None:
    trace = read_traceparent([traceparent(b"cc", end=given + b"-more")])
    assert trace is not None
    assert trace.server_timing()[1].endswith(b"-" + answered)
