"""A real Iroh endpoint for the matrix: accepts, or dials and does one case. It takes the same arguments and writes the
same JSON lines as our own `interop-peer`, so that the matrix need not know which of them it runs:

    iroh_peer.py accept SEED ADDRESS
    iroh_peer.py dial SEED NODE ADDRESS CASE

Seeds and node ids are 64 hexadecimal digits. An acceptor echoes streams and datagrams on one ALPN, and on the other
closes the connection when the first stream arrives. What the cases are is told in matrix.py.
"""

import asyncio
import hashlib
import importlib.metadata
import json
import os
import re
import sys

from iroh import iroh_ffi

if importlib.metadata.version("iroh").startswith("0."):
    import iroh_0_35 as version
else:
    import iroh_1_2 as version

ECHO, CLOSE, UNKNOWN = b"interop/echo/1", b"interop/close/1", b"interop/unknown/1"
CONNECT_SECONDS = 10
CHUNK = 65536
STREAMS, STREAM_BYTES, BULK_BYTES = 8, 20_000, 3_000_000


def emit(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


def emit_closed(text):
    """Iroh tells a close as text: `closed by peer: REASON (code N)`, `closed`, `timed out`, …"""
    match = re.search(r"closed by peer: (.*) \(code (\d+)\)", text) or re.search(r"closed by peer: ()(\d+)", text)
    if match:
        emit("closed", by="peer", code=int(match[2]), reason=match[1])
    else:
        emit("closed", by="local" if text in ("closed", "LocallyClosed") else text, code=None, reason=None)


async def copy_back(stream):
    try:
        while data := await stream.recv().read(CHUNK):
            await stream.send().write_all(data)
        await stream.send().finish()
    except version.Error:
        pass  # the connection went away; its close is what is reported


async def serve_echo(connection):
    async def datagrams():
        while True:
            connection.send_datagram(await connection.read_datagram())

    async def streams():
        while True:
            tasks.add(asyncio.ensure_future(copy_back(await connection.accept_bi())))

    tasks = {asyncio.ensure_future(datagrams()), asyncio.ensure_future(streams())}
    emit_closed(await connection.closed())
    await asyncio.gather(*tasks, return_exceptions=True)


async def serve(connection, alpn):
    emit("accepted", peer=version.remote_id(connection), alpn=alpn.decode())
    if alpn == CLOSE:
        await connection.accept_bi()
        connection.close(9, b"acceptor is done")
        emit_closed(await connection.closed())
    else:
        await serve_echo(connection)


async def echo(connection, data):
    """Sends `data` and FIN on a stream of its own and returns whether exactly that came back, with FIN."""
    stream = await connection.open_bi()

    async def write():
        await stream.send().write_all(data)
        await stream.send().finish()

    writer = asyncio.ensure_future(write())
    received = await stream.recv().read_to_end(len(data) + 1)
    await writer
    return hashlib.sha256(received).digest() == hashlib.sha256(data).digest()


async def datagram_echo(connection):
    """Datagrams may be lost: another one is sent each 200 ms until one comes back."""
    reader = asyncio.ensure_future(connection.read_datagram())
    while not reader.done():
        connection.send_datagram(b"are you there?")
        await asyncio.wait({reader}, timeout=0.2)
    return reader.result() == b"are you there?"


async def connect(endpoint, node, address, alpn):
    """Connects, and lets one stream tell that the acceptor has the connection too: else a close could overtake that."""
    connection = await asyncio.wait_for(endpoint.connect(node, address, alpn), CONNECT_SECONDS)
    emit("connected", peer=version.remote_id(connection), alpn=connection.alpn().decode())
    if alpn == ECHO and not await echo(connection, b"hello"):
        sys.exit("the acceptor echoed something else")
    return connection


async def dial(endpoint, node, address, case):
    alpn = {"closed": CLOSE, "alpn": UNKNOWN}.get(case, ECHO)
    try:
        connection = await connect(endpoint, node, address, alpn)
    except version.Error as error:
        emit("refused", message=error.message())
        return
    except asyncio.TimeoutError:
        emit("refused", message="no answer")
        return
    if case == "closed":
        stream = await connection.open_bi()
        await stream.send().write_all(b"x")
        emit_closed(await connection.closed())
        return
    if case == "streams":
        echoes = await asyncio.gather(*(echo(connection, os.urandom(STREAM_BYTES)) for _ in range(STREAMS)))
        emit("streams", count=sum(echoes))
    elif case == "bulk":
        emit("bulk", bytes=BULK_BYTES if await echo(connection, os.urandom(BULK_BYTES)) else 0)
    elif case == "datagram":
        emit("datagram", ok=await datagram_echo(connection))
    elif case == "again":
        emit("streams", count=int(await echo(connection, b"first")))
        connection.close(0, b"")
        await connection.closed()
        connection = await connect(endpoint, node, address, alpn)
        emit("streams", count=int(await echo(connection, b"second")))
    connection.close(7, b"dialer is done")
    emit_closed(await connection.closed())


async def main(role, seed, *arguments):
    iroh_ffi.uniffi_set_event_loop(asyncio.get_running_loop())
    if role == "accept":
        endpoint = await version.Endpoint.bind(bytes.fromhex(seed), arguments[0], [ECHO, CLOSE], serve)
        emit("listening", node=endpoint.node_id, address=endpoint.address)
        await asyncio.Event().wait()
    else:
        endpoint = await version.Endpoint.bind(bytes.fromhex(seed), "127.0.0.1:0", [ECHO], None)
        emit("dialing", node=endpoint.node_id)
        await dial(endpoint, *arguments)
        await endpoint.close()
        sys.stdout.flush()
        os._exit(0)  # the binding's own threads would keep the process


asyncio.run(main(*sys.argv[1:]))
