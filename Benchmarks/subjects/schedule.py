"""How late are 10,000 scheduled tasks? Due within one minute, and all at once, each a turn of the built-in model."""

from measure.processes import Scene
from measure.table import Row, Target

TASKS = 10_000


def measure(tools):
    rows = []
    for seconds, what in ((60, "within a minute"), (0, "at the same time")):
        with Scene() as scene:
            result = scene.start(tools.gateway_bench, "schedule", scene.directory, TASKS, seconds).json(600)
        if result["failed"]:
            raise RuntimeError(f"{result['failed']} of {TASKS} runs failed")
        name = f"{TASKS:,} tasks due {what}"
        limit = Target(2000, at_least=False) if seconds else None
        rows += [
            Row(f"{name}: taken late, p99", result["taken_p99_ms"], "ms", target=limit),
            Row(f"{name}: answered and recorded late, p99", result["ended_p99_ms"], "ms", target=limit),
            Row(f"{name}: worst", result["ended_worst_ms"], "ms"),
        ]
        if not seconds:
            rows.append(Row(f"{name}: runs", result["per_second"], "1/s"))
    return rows
