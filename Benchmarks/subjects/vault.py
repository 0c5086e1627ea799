"""How fast is a vault of 10,000 notes? Indexed from nothing, searched 1,000 times, drawn as a graph, edited by hand."""

from measure.processes import Scene
from measure.table import Row, Target

NOTES = 10_000


def measure(tools):
    with Scene() as scene:
        result = scene.start(tools.gateway_bench, "vault", scene.directory, NOTES).json(300)
    what = f"Vault of {NOTES:,} notes and {result['edges']:,.0f} links"

    def row(name, key, unit, limit=None):
        target = Target(limit, at_least=False) if limit else None
        return Row(f"{what}: {name}", result[key], unit, target=target)

    return [
        row("index from nothing", "index_seconds", "s", 20),
        row("open, check and compare with the files", "reopen_seconds", "s"),
        row("search, median of 1,000", "search_median_ms", "ms"),
        row("search, p99", "search_p99_ms", "ms", 20),
        row("graph after a change, worst of 20", "graph_ms", "ms", 300),
        row("an edit by hand is found, worst of 20", "edit_ms", "ms", 1000),
    ]
