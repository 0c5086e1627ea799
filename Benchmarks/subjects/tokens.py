"""How much of a model's speed is left behind the agent? A fake model streams as OpenAI does, at a pace that no real one has; curl
reads it directly, and reads the answer of an agent whose model it is. What counts is the time from the first token to the last."""

import http.server
import json
import subprocess
import threading
import time

from measure.agent import Agent
from measure.processes import Failure, Scene
from measure.table import Row, Target

from . import alternating

PER_SECOND = 1_000
SECONDS = 5
TARGET = 0.95


def measure(tools):
    with Scene() as scene, Model() as model:
        agent = Agent(scene, tools.openagent)
        address = f"http://127.0.0.1:{model.port}"
        agent.run("providers", "add", "fake", "--base-url", address, "--no-key", "--agent", agent.directory)
        agent.run("models", "add", "fake", "fake", "--agent", agent.directory)
        proxy, port = agent.proxy()
        direct = ["-d", '{"model":"fake","stream":true}', f"{address}/v1/chat/completions"]
        through = ["-d", '{"message":"go"}', "-H", "Accept: text/event-stream", f"http://127.0.0.1:{port}/api/chat"]
        rates = alternating(3, direct=lambda: rate(direct), through=lambda: rate(through))
        proxy.stop()
    what = f"Tokens of a model that has {PER_SECOND:,} a second, through the agent"
    return [Row(what, rates["through"], "per s", "directly", rates["direct"], Target(TARGET, of_ratio=True))]


def rate(arguments):
    """Tokens per second that curl reads."""
    command = ["curl", "-sN", "--fail", "-H", "Content-Type: application/json", *arguments]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE)
    first = last = None
    count = 0
    for line in reader.stdout:
        words = line.count(b"tok")
        # The whole answer comes once more at its end.
        if words == 0 or words > PER_SECOND:
            continue
        last = time.monotonic()
        first = first or last
        count += words
    if reader.wait() != 0 or count < PER_SECOND * SECONDS * 0.9:
        raise Failure(f"{' '.join(command)} ended with {reader.returncode} after {count} tokens")
    return (count - 1) / (last - first)


class Model:
    """A server that streams the same answer to everybody, each token when it is due."""

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        begun = time.monotonic()
        for number in range(PER_SECOND * SECONDS):
            due = begun + number / PER_SECOND
            while time.monotonic() < due:
                time.sleep(max(0, due - time.monotonic()))
            self.piece({"content": "tok "})
        self.piece({}, "stop")
        self.wfile.write(b"data: [DONE]\n\n")

    def piece(self, delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        self.wfile.write(b"data: " + json.dumps({"id": "1", "choices": [choice]}).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_):
        pass
