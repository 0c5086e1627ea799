"""Iroh 1.2.0 to itself, run by an interpreter that has the package `iroh`. Prints JSON lines.

    iroh_bench.py serve
    iroh_bench.py bulk NODE ADDRESS BYTES
    iroh_bench.py ping-pong NODE ADDRESS COUNT
"""

import asyncio
import ctypes
import json
import os
import sys
import time

from iroh import iroh_ffi as f

SINK, ECHO = b"bench/sink/1", b"bench/echo/1"
CHUNK = 1 << 20


def write_at_once(builder, value):
    """The binding copies outgoing bytes one by one in Python, at about 0.1 Gbit/s. Only that copy is replaced, so that
    what is measured is Iroh and not its binding."""
    with builder._reserve(len(value)):
        ctypes.memmove(ctypes.addressof(builder.rbuf.data.contents) + builder.rbuf.len, bytes(value), len(value))


f._UniffiRustBufferBuilder.write = write_at_once


def report(**fields):
    print(json.dumps(fields), flush=True)


async def bind():
    return await f.Endpoint.bind(
        f.EndpointOptions(
            preset=f.preset_minimal(),
            bind_addr="127.0.0.1:0",
            secret_key=os.urandom(32),
            alpns=[SINK, ECHO],
            relay_mode=f.RelayMode.disabled(),
        )
    )


async def serve():
    endpoint = await bind()
    report(node=endpoint.id().to_bytes().hex(), address=endpoint.bound_sockets()[0])
    tasks = set()
    while (incoming := await endpoint.accept_next()) is not None:
        task = asyncio.ensure_future(serve_connection(incoming))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def serve_connection(incoming):
    accepting = await incoming.accept()
    alpn = await accepting.alpn()
    connection = await accepting.connect()
    stream = await connection.accept_bi()
    receive, send = stream.recv(), stream.send()
    try:
        if alpn == SINK:
            count = 0
            while data := await receive.read(CHUNK):
                count += len(data)
            await send.write_all(count.to_bytes(8, "big"))
            await send.finish()
        else:
            while data := await receive.read(65536):
                await send.write_all(data)
    except f.IrohError:
        pass  # the client closed
    await connection.closed()


async def dial(role, node, address, amount):
    endpoint = await bind()
    target = f.EndpointAddr(f.EndpointId.from_bytes(bytes.fromhex(node)), None, [address])
    connection = await endpoint.connect(target, SINK if role == "bulk" else ECHO)
    stream = await connection.open_bi()
    receive, send = stream.recv(), stream.send()
    if role == "bulk":
        started = time.monotonic()
        zeros, remaining = bytes(CHUNK), amount
        while remaining:
            await send.write_all(zeros[:remaining])
            remaining -= min(CHUNK, remaining)
        await send.finish()
        if int.from_bytes(await receive.read_exact(8), "big") != amount:
            sys.exit("the sink counted another number of bytes")
        report(seconds=time.monotonic() - started)
    else:
        times = []
        for _ in range(amount):
            started = time.perf_counter()
            await send.write_all(b"Z" * 64)
            await receive.read_exact(64)
            times.append((time.perf_counter() - started) * 1e6)
        times.sort()
        report(median_us=times[len(times) // 2], p99_us=times[len(times) * 99 // 100])
    connection.close(0, b"")
    await connection.closed()
    os._exit(0)  # the binding's own threads would keep the process


async def main(role, *arguments):
    f.uniffi_set_event_loop(asyncio.get_running_loop())
    if role == "serve":
        await serve()
    else:
        node, address, amount = arguments
        await dial(role, node, address, int(amount))


asyncio.run(main(*sys.argv[1:]))
