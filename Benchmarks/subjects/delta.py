"""How much later than the model does a client have a token? Sockets with an answer of their own each, and sockets that all
watch one answer."""

from measure.crowd import Crowd
from measure.processes import Scene
from measure.table import Row, Target

# Sockets, and tokens per second of each answer: as many as two cores can carry, clients included.
CROWDS = ((1, 20), (100, 20), (1000, 5))
SECONDS = 10
WAYS = (("own", "each with an answer of its own"), ("same", "all on one answer"))
TARGET_MS = 5
TARGET_SOCKETS = 100


def measure(tools):
    rows = []
    with Scene() as scene:
        crowd = Crowd(scene, tools, max(count for count, _ in CROWDS))
        for count, pace in CROWDS:
            for way, words in WAYS[: 1 if count == 1 else None]:
                report = crowd.ask(f"delta {count} {way} {pace * SECONDS} {pace}")
                who = f"{count:,} sockets, {words}" if count > 1 else "1 socket"
                what = f"Token of the model ({pace} per s) to client, {who}"
                target = Target(TARGET_MS, at_least=False) if count == TARGET_SOCKETS else None
                rows.append(Row(f"{what}: p50", report["delta_p50_ms"], "ms"))
                rows.append(Row(f"{what}: p99", report["delta_p99_ms"], "ms", target=target))
        crowd.leave()
    return rows
