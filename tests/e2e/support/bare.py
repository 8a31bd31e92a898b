"""Bare TCP connections to the service, for what is sent where there is no WebSocket yet, or never will be."""

import socket

from support.waiting import SLACK


def connect(service, timeout=6 * SLACK):
    host, port = service.listen.split(":")
    return socket.create_connection((host, int(port)), timeout=timeout)


def everything(connection):
    """All that comes until the service closes."""
    received = b""
    try:
        while chunk := connection.recv(65_536):
            received += chunk
    except ConnectionResetError:
        pass
    connection.close()
    return received
