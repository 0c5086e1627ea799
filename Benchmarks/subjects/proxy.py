"""What does the proxy cost? nginx directly, through the proxy and through `ssh -L`, and our own gateway.

For nginx, `transport-bench terminate` takes the gateway's place: proxy → QUIC → terminator → nginx, as
ssh → sshd → nginx.
"""

from measure import http
from measure.agent import Agent
from measure.processes import Scene
from measure.table import Row, Target
from measure.web import BULK_BYTES, start_nginx, start_ssh_tunnel

from . import alternating

SECONDS = 4
CONNECTIONS = (1, 32, 256)


def measure(tools):
    rows = []
    with Scene() as scene:
        agent = Agent(scene, tools.openagent)
        proxy, port = agent.proxy()
        for count in CONNECTIONS:
            load = http.load(scene, f"http://127.0.0.1:{port}/api/health", count, SECONDS)
            what = f"GET /api/health from our gateway through the proxy, {connections(count)}"
            rows += [Row(what, load.rate, "per s"), Row(f"{what}: p99", load.p99, "ms")]
        proxy.stop()

        direct = start_nginx(scene)
        agent.replace_by_terminator(tools.bench, direct)
        _, port = agent.proxy()
        ports = {"direct": direct, "ssh": start_ssh_tunnel(scene, direct), "proxy": port}
        rows += bulk(ports)
        for keep_alive in (True, False):
            for count in CONNECTIONS:
                rows += small(scene, ports, count, keep_alive)
    return rows


def bulk(ports):
    http.download(ports["direct"], "/bulk", BULK_BYTES)  # brings the file into memory
    seconds = alternating(
        3, **{name: lambda port=port: http.download(port, "/bulk", BULK_BYTES) for name, port in ports.items()}
    )
    rate = {name: BULK_BYTES * 8 / time / 1e9 for name, time in seconds.items()}
    what = "Download of 1 GiB through the proxy"
    return [
        Row(what, rate["proxy"], "Gbit/s", "`ssh -L`", rate["ssh"], Target(1.25, of_ratio=True)),
        Row(what, rate["proxy"], "Gbit/s", "directly", rate["direct"]),
    ]


def small(scene, ports, count, keep_alive):
    loads = {
        name: http.load(scene, f"http://127.0.0.1:{port}/small", count, SECONDS, keep_alive)
        for name, port in ports.items()
    }
    proxy, ssh, direct = loads["proxy"], loads["ssh"], loads["direct"]
    what = f"Small requests through the proxy, {connections(count)}{'' if keep_alive else ', a new one for each'}"
    return [
        Row(what, proxy.rate, "per s", "`ssh -L`", ssh.rate, Target(1, of_ratio=True)),
        Row(what, proxy.rate, "per s", "directly", direct.rate),
        Row(f"{what}: p50", proxy.p50, "ms", "`ssh -L`", ssh.p50),
        Row(f"{what}: p99", proxy.p99, "ms", "`ssh -L`", ssh.p99, Target(1, at_least=False, of_ratio=True)),
    ]


def connections(count):
    return "1 connection" if count == 1 else f"{count} connections"
