"""Does a reader that stalls cost memory? It asks for 1 GiB through the proxy, reads a little and then nothing."""

import time

from measure import http
from measure.agent import Agent
from measure.processes import Scene, resident_kib
from measure.table import Row, Target
from measure.web import BULK_BYTES, start_nginx

SECONDS = 5


def measure(tools):
    with Scene() as scene:
        agent = Agent(scene, tools.openagent)
        backend = start_nginx(scene)
        terminator = agent.replace_by_terminator(tools.bench, backend)
        proxy, port = agent.proxy()
        http.load(scene, f"http://127.0.0.1:{port}/small", 4, 1)  # what the first requests take is not the stall's
        processes = {"proxy": proxy, "sender": terminator}
        before = {name: resident_kib(program.pid) for name, program in processes.items()}
        most = dict(before)
        with http.request(port, "/bulk", receive_buffer=65536) as stalled:
            http.read_head(stalled, BULK_BYTES)
            deadline = time.monotonic() + SECONDS
            while time.monotonic() < deadline:
                time.sleep(0.05)
                for name, program in processes.items():
                    most[name] = max(most[name], resident_kib(program.pid))
    return [
        Row(f"Growth for a stalled reader, {name}", (most[name] - before[name]) / 1024, "MiB", target=at_most)
        for name, at_most in ((name, Target(8, at_least=False)) for name in processes)
    ]
