"""What do 999 clients notice of one that has stopped reading a long answer? Beside it: the same while that one reads."""

from measure.crowd import Crowd
from measure.processes import Failure, Scene
from measure.table import Row, Target

SOCKETS = 1000
TOKENS_PER_SECOND = 5
SECONDS = 15
MEMORY_MIB = 8
TOO_SLOW = 4008


def measure(tools):
    with Scene() as scene:
        crowd = Crowd(scene, tools, SOCKETS)
        crowd.tell(f"stalled {SOCKETS} {TOKENS_PER_SECOND * SECONDS} {TOKENS_PER_SECOND}")
        crowd.watched_report()  # the first use of the sockets is not part of the comparison
        reading, memory_reading = crowd.watched_report()
        stalled, memory_stalled = crowd.watched_report()
        crowd.leave()
    if reading["code"] != 0:
        raise Failure(f"the socket that reads was closed with {reading['code']:.0f}")
    if stalled["code"] != TOO_SLOW:
        raise Failure(f"the socket that does not read was not closed with {TOO_SLOW}: {stalled['code']:.0f}")
    what = f"Token to the others, one of {SOCKETS:,} clients stalled and cut off with {TOO_SLOW}"
    return [
        Row(f"{what}: p50", stalled["delta_p50_ms"], "ms", "it reads", reading["delta_p50_ms"]),
        Row(
            f"{what}: p99", stalled["delta_p99_ms"], "ms", "it reads", reading["delta_p99_ms"],
            Target(1.5, at_least=False, of_ratio=True),
        ),
        Row(
            "Most memory of the gateway meanwhile, more than while it reads", (memory_stalled - memory_reading) / 1024,
            "MiB", target=Target(MEMORY_MIB, at_least=False),
        ),
    ]
