"""How much later than the model does a client have a token? Sockets with an answer of their own each, and sockets that all
watch one answer."""

from measure.crowd import Crowd
from measure.processes import Scene
from measure.table import Row, Target

SOCKETS = (1, 100, 1000)
TOKENS_PER_SECOND = 20
SECONDS = 10
WAYS = (("own", "each with an answer of its own"), ("same", "all on one answer"))
TARGET_MS = 5
TARGET_SOCKETS = 100


def measure(tools):
    rows = []
    with Scene() as scene:
        crowd = Crowd(scene, tools, max(SOCKETS))
        for count in SOCKETS:
            for way, words in WAYS[: 1 if count == 1 else None]:
                report = crowd.ask(f"delta {count} {way} {TOKENS_PER_SECOND * SECONDS} {TOKENS_PER_SECOND}")
                who = f"{count:,} sockets, {words}" if count > 1 else "1 socket"
                what = f"Token of the model ({TOKENS_PER_SECOND} per s) to client, {who}"
                target = Target(TARGET_MS, at_least=False) if count == TARGET_SOCKETS else None
                rows.append(Row(f"{what}: p50", report["delta_p50_ms"], "ms"))
                rows.append(Row(f"{what}: p99", report["delta_p99_ms"], "ms", target=target))
        crowd.leave()
    return rows
