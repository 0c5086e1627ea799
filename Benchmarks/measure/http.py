"""How fast does an HTTP server answer? Small requests by wrk, one big download by a socket, one answer by hand."""

import re
import socket
import time

from .processes import Failure

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


class Load:
    """Requests per second, and latencies in milliseconds."""

    def __init__(self, output):
        self.rate = float(found(r"Requests/sec:\s+([\d.]+)", output)[1])
        self.p50 = latency("50", output)
        self.p99 = latency("99", output)
        errors = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        if errors:
            raise Failure(f"{errors[1]} requests were refused:\n{output}")
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", output)
        if errors and any(int(count) for count in errors.groups()):
            raise Failure(f"connections failed:\n{output}")


def found(pattern, output):
    match = re.search(pattern, output)
    if match is None:
        raise Failure(f"wrk's output is not understood:\n{output}")
    return match


def latency(percentile, output):
    match = found(rf"{percentile}%\s+([\d.]+)(us|ms|s|m)\b", output)
    return float(match[1]) * UNITS[match[2]] * 1000


def load(scene, url, connections, seconds, keep_alive=True):
    """Small requests over this many connections: kept alive, or a new one for each request."""
    headers = [] if keep_alive else ["--header", "Connection: close"]
    wrk = scene.run(
        "wrk", "--threads", 1, "--connections", connections, "--duration", f"{seconds}s", "--latency", *headers, url
    )
    return Load(wrk.tail)


def download(port, path, size):
    """Seconds that a download of `size` bytes takes."""
    buffer = bytearray(1 << 20)
    started = time.monotonic()
    with request(port, path) as connection:
        remaining = read_head(connection, size)
        while remaining > 0:
            count = connection.recv_into(buffer)
            if count == 0:
                raise Failure(f"the download ended {remaining} bytes early")
            remaining -= count
    return time.monotonic() - started


def request(port, path, receive_buffer=None):
    """A connection on which GET has been sent and nothing has been read."""
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return connection


def read_head(connection, size):
    """Reads a 200 head; returns how many of the body's `size` bytes have not come with it."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data:
            raise Failure(f"no answer, only {head!r}")
        head += data
    if not head.startswith(b"HTTP/1.1 200"):
        raise Failure(f"refused: {head[:300]!r}")
    return size - (len(head) - head.index(b"\r\n\r\n") - 4)
