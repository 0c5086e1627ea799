"""How fast is a session of 1,000 kept events replayed to a client that comes back?"""

from measure.crowd import Crowd
from measure.processes import Scene
from measure.table import Row

SESSIONS = 100
EVENTS = 1000


def measure(tools):
    with Scene() as scene:
        crowd = Crowd(scene, tools, SESSIONS)
        report = crowd.ask(f"replay {SESSIONS} {EVENTS}")
        crowd.leave()
    events = SESSIONS * EVENTS
    megabytes = SESSIONS * report["bytes"] / 1e6
    together = report["together_seconds"]
    return [
        Row(f"Replay of {EVENTS:,} events to one client, median", report["alone_p50_ms"], "ms"),
        Row(f"Replay of {EVENTS:,} events each to {SESSIONS} clients at once", events / together, "events per s"),
        Row(f"Replay of {EVENTS:,} events each to {SESSIONS} clients at once", megabytes / together, "MB/s"),
        Row(f"Events kept while {SESSIONS} turns tell of their steps", events / report["filling_seconds"], "per s"),
    ]
