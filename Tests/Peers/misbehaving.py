#!/usr/bin/env python3
"""An MCP server over stdio that does what no server should. Its first argument says how it starts, its tools what happens in a call."""
import json
import os
import signal
import sys
import threading
import time

start = sys.argv[1] if len(sys.argv) > 1 else "well"
out = sys.stdout.buffer
lock = threading.Lock()
calls_file = os.environ.get("CALLS_FILE")


def send(message):
    with lock:
        out.write(json.dumps(message).encode() + b"\n")
        out.flush()


def note(word):
    if calls_file:
        with open(calls_file, "a") as file:
            file.write(word + "\n")


def tool(name, **annotations):
    return {"name": name, "description": name, "inputSchema": {"type": "object"}, "annotations": annotations}


TOOLS = [
    tool(name)
    for name in "echo crash segfault flood garbage huge allocate late twice foreign environment stderr progress big pid "
    "children change fail children_allocate".split()
] + [tool("sleep", readOnlyHint=True), tool("sleep_action")]


def words(id, text, **more):
    send({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": text}], **more}})


def sleep(id, arguments):
    if "until" in arguments:
        while not os.path.exists(arguments["until"]):
            time.sleep(0.01)
    else:
        time.sleep(arguments.get("seconds", 3600))
    words(id, "awake")


def call(id, name, arguments, meta):
    note(name)
    if name == "echo":
        words(id, arguments.get("text", ""))
    elif name == "crash":
        sys.stderr.write("it was me\n")
        sys.stderr.flush()
        os._exit(3)
    elif name == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif name in ("sleep", "sleep_action"):
        if arguments.get("aside"):
            threading.Thread(target=sleep, args=(id, arguments), daemon=True).start()
        else:
            sleep(id, arguments)
    elif name == "flood":
        line = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x" * 900}}) + "\n"
        for _ in range(arguments.get("lines", 5000)):
            out.write(line.encode())
        out.flush()
        words(id, "flooded")
    elif name == "garbage":
        for _ in range(arguments.get("lines", 5)):
            out.write(b"\xff\x00 not json\n")
        out.flush()
        words(id, "after the garbage")
    elif name == "huge":
        chunk = b"x" * (1 << 20)
        for _ in range(64):
            out.write(chunk)
        out.flush()
        words(id, "huge")
    elif name == "allocate":
        kept = []
        while len(kept) < arguments.get("megabytes", 1 << 30):
            kept.append(bytearray(os.urandom(1 << 20)))
        time.sleep(3600)
    elif name == "children_allocate":
        for _ in range(2):
            if os.fork() == 0:
                kept = [bytearray(os.urandom(1 << 20)) for _ in range(arguments["megabytes"])]
                time.sleep(3600)
        time.sleep(3600)
    elif name == "late":
        time.sleep(arguments.get("seconds", 0.2))
        words(id, "late")
    elif name == "twice":
        words(id, "first")
        words(id, "second")
    elif name == "foreign":
        words(4711, "whose is this?")
        words("a text", "and this?")
        words(id, "mine")
    elif name == "environment":
        words(id, json.dumps(dict(os.environ)))
    elif name == "stderr":
        for index in range(arguments.get("lines", 1)):
            sys.stderr.write(arguments.get("text", "line %d" % index) + "\n")
        sys.stderr.flush()
        words(id, "said")
    elif name == "progress":
        token = meta.get("progressToken")
        for index in range(3):
            send({"jsonrpc": "2.0", "method": "notifications/progress",
                  "params": {"progressToken": token, "progress": index, "total": 3, "message": "step %d" % index}})
        words(id, "done")
    elif name == "big":
        words(id, "ä" * arguments.get("bytes", 1 << 20))
    elif name == "pid":
        words(id, str(os.getpid()))
    elif name == "children":
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(3600)
        words(id, "born")
    elif name == "change":
        TOOLS.append(tool("new"))
        send({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        words(id, "changed")
    elif name == "fail":
        words(id, "it did not work", isError=True)
    else:
        send({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "no such tool"}})


def answer(message):
    method, id = message.get("method"), message.get("id")
    parameters = message.get("params") or {}
    if method == "initialize":
        version = "1999-01-01" if start == "other-version" else parameters["protocolVersion"]
        send({"jsonrpc": "2.0", "id": id, "result": {
            "protocolVersion": version, "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "misbehaving", "version": "1"}}})
    elif method == "tools/list":
        at = int(parameters.get("cursor", "0"))
        page = {"tools": TOOLS[at:at + 5]}
        if at + 5 < len(TOOLS):
            page["nextCursor"] = str(at + 5)
        send({"jsonrpc": "2.0", "id": id, "result": page})
    elif method == "tools/call":
        call(id, parameters["name"], parameters.get("arguments") or {}, parameters.get("_meta") or {})
    elif method == "ping":
        send({"jsonrpc": "2.0", "id": id, "result": {}})
    elif method == "notifications/cancelled":
        note("cancelled")
    elif id is not None and method:
        send({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "not found"}})


note("start")
if start == "crash":
    sys.stderr.write("no good day\n")
    sys.exit(7)
if start == "crash-once" and not os.path.exists(os.environ["MARK"]):
    open(os.environ["MARK"], "w").close()
    sys.exit(7)
if start == "ignore-term":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if start == "silent":
    time.sleep(3600)
if start == "garbage":
    while True:
        out.write(b"hello, I am no server\n")
        out.flush()
        time.sleep(0.001)
for line in sys.stdin.buffer:
    answer(json.loads(line))
while start == "ignore-term":
    time.sleep(1)
