"""What does a block of a workflow cost? A chain of 1,000 blocks that reckon, and one of 1,000 tools that answer at once."""

from measure.processes import Scene
from measure.table import Row

BLOCKS = 1_000


def measure(tools):
    with Scene() as scene:
        result = scene.start(tools.gateway_bench, "workflow", scene.directory, BLOCKS).json(300)
    what = f"Workflow of {BLOCKS:,} blocks"
    return [
        Row(f"{what}: a block that reckons, median of 5 runs", result["reckon_us"], "µs"),
        Row(f"{what}: a tool that answers at once, recorded twice", result["tools_us"], "µs"),
        Row(f"{what}: memory more than before, after 10 runs", result["memory_mib"], "MiB"),
    ]
