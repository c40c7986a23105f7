"""Ports for servers that tests start."""

import os
import random
import socket

_FIRST, _EACH = 20_000, 500  # below what Linux and macOS give to clients, which take a free port by chance


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, from a range that is this test worker's own."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = _FIRST + _EACH * (worker % 20)
    ports = list(range(first, first + _EACH))
    random.Random(os.urandom(8)).shuffle(ports)
    for port in ports:
        with socket.socket() as free:
            try:
                free.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"each port of {first} to {ports[-1]} is taken")
