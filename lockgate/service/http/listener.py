"""Opening a listener, and closing one without resetting a connection that was just made."""

from __future__ import annotations

import ctypes
import socket
from collections.abc import Iterator
from itertools import count

from lockgate.config.errors import InputError

BACKLOG = 1024
SO_ATTACH_FILTER = 26  # Linux; the module socket has no name for it


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def open_listener(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket that listens on `host` and `port`, which `option` gives; InputError where it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise InputError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another {option}"
        ) from None
    return listener


def refuse_new_connections(listener: socket.socket) -> None:
    """Let the kernel drop new connections from now on, without touching those that are made already.

    Closing a listener resets the connections that wait to be accepted, and one can always come in between the last
    `accept` and `close`. A filter that drops every packet prevents that: a client sends its first packet again a second
    later, and finds the port closed. Where the kernel has no filters, that moment stays open.
    """
    drop = _Instruction(0x06, 0, 0, 0)  # return 0: keep no byte of the packet
    program = _Program(1, ctypes.pointer(drop))
    try:
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, bytes(program))
    except OSError:
        return


def accept_waiting(listener: socket.socket, limit: int | None = None) -> Iterator[socket.socket]:
    """Accept the connections that wait, at most `limit` of them."""
    listener.setblocking(False)
    for _ in count() if limit is None else range(limit):
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        connection.setblocking(False)
        yield connection
