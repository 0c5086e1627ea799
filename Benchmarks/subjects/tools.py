"""What does a tool call cost besides the tool? A server that only answers, called through the agent's MCP client over stdio."""

from measure.processes import Scene
from measure.table import Row, Target

CALLS = 5_000


def measure(tools):
    with Scene() as scene:
        result = scene.start(tools.gateway_bench, "tools", scene.directory, CALLS).json(120)
    return [
        Row("Tool call over stdio: median", result["p50_ms"], "ms", target=Target(2, at_least=False)),
        Row("Tool call over stdio: p99", result["p99_ms"], "ms"),
        Row("The same server asked directly over its pipes: median", result["direct_p50_ms"], "ms"),
    ]
