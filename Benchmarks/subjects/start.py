"""How long does a user wait? From the start of the process to the first answer."""

import http.client
import statistics
import time

from measure.agent import Agent
from measure.processes import Failure, Scene
from measure.table import Row, Target

ROUNDS = 11


def measure(tools):
    with Scene() as scene:
        agent = Agent(scene, tools.openagent)
        proxy = statistics.median(proxy_start(agent) for _ in range(ROUNDS))
        chat = statistics.median(chat_start(agent) for _ in range(ROUNDS))
    return [
        Row("Process start to first answer, `openagent proxy`", proxy * 1000, "ms", target=Target(60, at_least=False)),
        Row("Process start to first answer, `openagent chat -m`", chat * 1000, "ms", target=Target(150, at_least=False)),
    ]


def proxy_start(agent):
    started = time.monotonic()
    program, port = agent.proxy()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/api/health")
    response = connection.getresponse()
    response.read()
    elapsed = time.monotonic() - started
    connection.close()
    program.stop()
    if response.status != 200:
        raise Failure(f"GET /api/health was answered by {response.status}")
    return elapsed


def chat_start(agent):
    """The answer counts from its first line; a failure would write one too, so the exit code is checked."""
    started = time.monotonic()
    program = agent.start("chat", "-m", "hello")
    program.line()
    elapsed = time.monotonic() - started
    if program.process.wait(20) != 0:
        raise Failure(f"chat failed:\n{program.tail}")
    return elapsed
