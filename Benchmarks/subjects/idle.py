"""What does a connection cost that does nothing? The server's memory for each of 1,000."""

import subprocess

from measure.processes import Scene, resident_kib
from measure.table import Row, Target

CONNECTIONS = 1000


def measure(tools):
    with Scene() as scene:
        server = scene.start(tools.bench, "serve", "127.0.0.1:0")
        address = server.json()
        before = resident_kib(server.pid)
        client = scene.start(
            tools.bench, "idle", address["node"], address["address"], CONNECTIONS, stdin=subprocess.PIPE
        )
        opened = client.json(120)["connections"]
        per_connection = (resident_kib(server.pid) - before) / opened
        client.process.stdin.close()
    what = f"Memory of the server for each of {opened:,} idle connections"
    return [Row(what, per_connection, "KiB", target=Target(60, at_least=False))]
