"""Which processes does a measurement run, and do they all end with it? Knows nothing of what they measure."""

import contextlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time


class Failure(Exception):
    """A measurement that could not be made; its text tells why."""


class Program:
    """A running program and the lines that it writes (standard output and standard error together)."""

    def __init__(self, command, environment=None, stdin=subprocess.DEVNULL):
        self.command = [str(word) for word in command]
        try:
            self.process = subprocess.Popen(
                self.command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except OSError as error:
            raise Failure(f"{self.name} cannot be run: {error}") from None
        self.lines = queue.Queue()
        self.output = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def pid(self):
        return self.process.pid

    def _read(self):
        for line in self.process.stdout:
            self.output = [*self.output[-19:], line]
            self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def line(self, matches=lambda line: True, timeout=20):
        """The first line not yet asked for that matches."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                raise Failure(f"{self.name} wrote nothing expected within {timeout} s:\n{self.tail}") from None
            if line is None:
                self.lines.put(None)
                raise Failure(f"{self.name} ended ({self.process.wait()}):\n{self.tail}")
            if matches(line):
                return line

    def json(self, timeout=20):
        """The first JSON object, one line."""
        result = json.loads(self.line(lambda line: line.startswith("{"), timeout))
        if "error" in result:
            raise Failure(result["error"])
        return result

    def stop(self):
        """Asks the program to end, and ends it and its children if it has not after 5 s."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
                break
        self.reader.join(5)

    @property
    def name(self):
        return os.path.basename(self.command[0])

    @property
    def tail(self):
        return "".join(self.output)


class Scene:
    """One measurement's programs and temporary directory, all gone when its `with` ends."""

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        self.directory = tempfile.mkdtemp(prefix="openagent-bench-")
        self.stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        return self

    def __exit__(self, *_):
        self.stack.close()

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, *command, **options):
        program = Program(command, **options)
        self.stack.callback(program.stop)
        return program

    def run(self, *command, timeout=120, **options):
        """Runs a program to its end; returns it with all its output in `tail`, which must be short."""
        program = self.start(*command, **options)
        try:
            status = program.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{program.name} took more than {timeout} s:\n{program.tail}") from None
        program.reader.join(5)
        if status != 0:
            raise Failure(f"{program.name} failed ({status}):\n{program.tail}")
        return program


def free_port():
    """A TCP port on 127.0.0.1 that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for_port(port, timeout=10):
    deadline = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Failure(f"nothing listens on 127.0.0.1:{port}") from None
            time.sleep(0.02)


def resident_kib(pid):
    """Memory that the process has in RAM now."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    raise Failure(f"process {pid} has no memory: it ended")
