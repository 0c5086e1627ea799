"""What does a healthy device notice while strangers attack its gateway, and what is left of them afterwards?

The attacker is a process that gives way to the others (nice): in life it has its own machine.
"""

import time

from measure.gateway import Gateway
from measure.processes import Failure, Scene
from measure.table import Row, Target

# The attack in words, its name, how many, how many a second (of logins: node ids, with eight logins each).
ATTACKS = (
    ("1,000 half preambles", "half-preambles", 1000, 250),
    ("10,000 bad logins", "logins", 10_000, 125),
    ("1,000 unknown protocols", "protocols", 1000, 250),
    ("streams to the limit", "streams", 300, 1000),
)
PINGS = 1000
NICENESS = 10
SETTLING_SECONDS = 60


def measure(tools):
    rows = []
    with Scene() as scene:
        gateway = Gateway(scene, tools.gateway_bench)
        device = gateway.party("ping", gateway.ticket, "ana")
        device.report()
        for number, attack in enumerate(ATTACKS):
            rows += under_attack(gateway, device, number, *attack)
    return rows


def under_attack(gateway, device, number, words, name, count, per_second):
    idle = device.ask(f"measure {PINGS}")
    before = gateway.status()
    device.ask("begin")
    attacker = gateway.party("attack", name, gateway.node, gateway.address, count, per_second, niceness=NICENESS)
    attacker.report()
    during = device.ask(f"measure {PINGS}" if name == "streams" else "end")
    if name == "half-preambles":
        attacker.report()  # the gateway has closed all of them
    attacker.leave()
    newcomer = gateway.party("login", gateway.ticket, f"honest-{number}").report()["seconds"]
    after = settled(gateway, before)
    growth = (after["resident_kib"] - before["resident_kib"]) / 1024
    what = f"Answer to a healthy device during {words}"
    return [
        Row(
            f"{what}: p50", during["p50_us"] / 1000, "ms", "idle", idle["p50_us"] / 1000,
            Target(2, at_least=False, of_ratio=True),
        ),
        Row(f"{what}: p99", during["p99_us"] / 1000, "ms", "idle", idle["p99_us"] / 1000),
        Row(f"Memory of the gateway after {words}, growth", growth, "MiB"),
        Row(f"A new device joins and asks, right after {words}", newcomer * 1000, "ms"),
    ]


def settled(gateway, before):
    """The gateway's status once it serves no more than before, and half-done logins have had their 30 s."""
    deadline = time.monotonic() + SETTLING_SECONDS
    while True:
        status = gateway.status()
        if all(status[name] <= before[name] for name in ("connections", "streams", "handshakes")):
            return status
        if time.monotonic() > deadline:
            raise Failure(f"the gateway had {before} before and keeps {status}")
        time.sleep(0.2)
