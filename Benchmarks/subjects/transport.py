"""How fast is one stream? 1 GiB in bulk, and 64 bytes there and back, beside TCP, Iroh and the C prototype."""

import os
import re
import secrets

from measure.processes import Scene
from measure.table import Row, Target

from . import alternating

BYTES = 1 << 30
ROUND_TRIPS = 20_000
ROUNDS = 3
C_LIBRARIES = ["-lngtcp2", "-lngtcp2_crypto_gnutls", "-lgnutls", "-lsodium"]
TCP, IROH, C = "TCP", "Iroh 1.2.0 to itself", "the C prototype"


def measure(tools):
    with Scene() as scene:
        pairs = {"ours": Ours(scene, tools), TCP: Tcp(scene, tools)}
        if tools.iroh_python:
            pairs[IROH] = Iroh(scene, tools)
        if tools.c_source:
            pairs[C] = CPrototype(scene, tools)
        bulk = alternating(ROUNDS, **{name: pair.bulk for name, pair in pairs.items()})
        delay = alternating(ROUNDS, **{name: pair.ping_pong for name, pair in pairs.items()})
    rates = {name: BYTES * 8 / seconds / 1e9 for name, seconds in bulk.items()}
    rows = [Row("1 GiB over one stream", rates["ours"], "Gbit/s", target=Target(6))]
    for name, target in ((TCP, None), (IROH, Target(2, of_ratio=True)), (C, Target(0.4, of_ratio=True))):
        rows.append(Row("1 GiB over one stream", rates["ours"], "Gbit/s", name, rates.get(name), target))
    rows.append(Row("64 bytes there and back, median", delay["ours"], "µs", target=Target(110, at_least=False)))
    for name in (TCP, IROH, C):
        rows.append(Row("64 bytes there and back, median", delay["ours"], "µs", name, delay.get(name)))
    return [row for row in rows if not row.reference or row.ratio or row.target]


class Ours:
    """Two processes of ours: sink and echo here, the dialer there."""

    def __init__(self, scene, tools):
        self.scene, self.bench = scene, tools.bench
        server = scene.start(tools.bench, "serve", "127.0.0.1:0").json()
        self.server = [server["node"], server["address"]]

    def bulk(self):
        return self.scene.start(self.bench, "bulk", *self.server, BYTES).json(120)["seconds"]

    def ping_pong(self):
        return self.scene.start(self.bench, "ping-pong", *self.server, ROUND_TRIPS).json(120)["median_us"]


class Tcp:
    """The same handlers over plain TCP."""

    def __init__(self, scene, tools):
        self.scene, self.bench = scene, tools.bench
        self.server = scene.start(tools.bench, "tcp-serve", "127.0.0.1").json()

    def bulk(self):
        return self.scene.start(self.bench, "tcp-bulk", self.server["sink"], BYTES).json(120)["seconds"]

    def ping_pong(self):
        return self.scene.start(self.bench, "tcp-ping-pong", self.server["echo"], ROUND_TRIPS).json(120)["median_us"]


class Iroh:
    """Two processes of Iroh, by its Python package."""

    def __init__(self, scene, tools):
        self.scene = scene
        self.program = [tools.iroh_python, os.path.join(tools.here, "iroh_bench.py")]
        server = scene.start(*self.program, "serve").json()
        self.server = [server["node"], server["address"]]

    def bulk(self):
        return self.scene.start(*self.program, "bulk", *self.server, BYTES).json(120)["seconds"]

    def ping_pong(self):
        return self.scene.start(*self.program, "ping-pong", *self.server, ROUND_TRIPS // 4).json(120)["median_us"]


class CPrototype:
    """A single C file over the same libraries, compiled here: what is possible without Swift, NIO and structure."""

    def __init__(self, scene, tools):
        self.scene, self.program = scene, scene.path("quicnode")
        scene.run("cc", "-O2", "-o", self.program, tools.c_source, *C_LIBRARIES)
        server = scene.start(self.program, "serve", "--seed", secrets.token_hex(32), "--addr", "127.0.0.1:0", "--quiet")
        node, address = re.search(r"NodeId (\w{64}) on (\S+)", server.line(lambda line: "NodeId" in line)).groups()
        self.dial = [self.program, "dial", "--peer", node, "--addr", address]

    def bulk(self):
        client = self.scene.run(*self.dial, "--alpn", "bench/sink/1", "--mode", "bulk", "--n", BYTES)
        return float(re.search(r"BULK .*?([\d.]+) s ", client.tail)[1])

    def ping_pong(self):
        client = self.scene.run(*self.dial, "--mode", "pp", "--n", ROUND_TRIPS, "--size", 64)
        return float(re.search(r"PINGPONG .*?median ([\d.]+) us", client.tail)[1])
