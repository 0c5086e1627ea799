"""How soon is a revoked device out, of the coordinator's gateway and of a member agent's? One after the other of 1,000
devices that are connected to both, revoked by the operator's call."""

import os
import statistics

from measure.gateway import Gateway
from measure.member import Member
from measure.processes import Failure, Scene
from measure.table import Row, Target

DEVICES = 1000
ROUNDS = 20
LIMIT = 100
WHAT = (
    ("its stream is closed", "stream_ms"),
    ("its next request fails", "request_ms"),
    ("its connection is closed", "connection_ms"),
)


def measure(tools):
    with Scene() as scene:
        gateway = Gateway(scene, tools.gateway_bench)
        key = os.path.join(gateway.directory, "identity.key")
        member = Member(scene, tools.openagent, gateway.agent_ticket)
        places = [f"{place.node}@{place.address}" for place in (gateway, member)]
        devices = gateway.party("revocation", gateway.ticket, key, DEVICES, ROUNDS, *places)
        devices.report()  # they have joined
        devices.report()  # and have opened their sockets
        reports = [devices.report() for _ in places]
        devices.leave()
    rows = []
    for report in reports:
        if report["others_unserved"]:
            raise Failure(f"{report['others_unserved']} requests of other devices were not answered")
        where = "at a member agent's gateway" if report["gateway"] else "at the coordinator's gateway"
        for event, name in WHAT:
            what = f"From the call that revokes one of {DEVICES:,} devices until {event} {where}"
            target = Target(LIMIT, at_least=False)
            rows.append(Row(f"{what}, median of {ROUNDS}", statistics.median(report[name]), "ms", target=target))
            rows.append(Row(f"{what}, worst", max(report[name]), "ms", target=target))
    return rows
