"""How many connections can be made in a second? Full handshakes, none resumed, client and server on this machine."""

from measure.processes import Scene
from measure.table import Row, Target

from . import alternating

SECONDS = 5


def measure(tools):
    with Scene() as scene:
        server = scene.start(tools.bench, "serve", "127.0.0.1:0").json()

        def rate():
            client = scene.start(tools.bench, "handshakes", server["node"], server["address"], SECONDS)
            result = client.json(60)
            return result["count"] / result["seconds"]

        median = alternating(3, ours=rate)["ours"]
    return [Row("Full handshakes", median, "per s", target=Target(500))]
