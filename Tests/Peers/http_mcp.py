#!/usr/bin/env python3
"""An MCP server over streamable HTTP that tells what it was sent, and fails in the ways of servers. Prints its port."""
import json
import queue
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sessions = set()
seen = []
own = queue.Queue()
counter = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", kind="application/json", **headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, message):
        self.wfile.write(b": a comment\r\nid: 1\r\nevent: message\r\ndata: " + json.dumps(message).encode() + b"\r\n\r\n")
        self.wfile.flush()

    def known(self):
        return self.headers.get("Mcp-Session-Id") in sessions

    def do_DELETE(self):
        seen.append(["DELETE", dict(self.headers)])
        sessions.discard(self.headers.get("Mcp-Session-Id"))
        self.answer(200)

    def do_GET(self):
        if self.path == "/page":
            return self.answer(200, b"<html><body><h1>Title</h1><p>Words of the page.</p></body></html>", "text/html")
        seen.append(["GET", dict(self.headers)])
        if not self.known():
            return self.answer(404)
        self.stream()
        while True:
            try:
                self.event(own.get(timeout=0.5))
            except queue.Empty:
                self.wfile.write(b": still here\n\n")
                self.wfile.flush()

    def do_POST(self):
        global counter
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = json.loads(body)
        seen.append(["POST", dict(self.headers), message.get("method")])
        if self.path == "/elsewhere":
            return self.answer(307, Location="/mcp")
        if self.path == "/refusing":
            return self.answer(401)
        id, method, parameters = message.get("id"), message.get("method"), message.get("params") or {}
        if method == "initialize":
            counter += 1
            session = "session-%d" % counter
            sessions.add(session)
            return self.result(id, {
                "protocolVersion": parameters["protocolVersion"], "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": {"name": "http", "version": "1"}}, Mcp_Session_Id=session)
        if not self.known():
            return self.answer(404)
        if id is None or method is None:
            return self.answer(202)
        if method == "tools/list":
            names = ["seen", "stream", "forget", "sleep", "drop", "announce", "broken", "huge", "session"]
            return self.result(id, {"tools": [
                {"name": name, "description": name, "inputSchema": {"type": "object"}} for name in names]})
        if method == "ping":
            return self.result(id, {})
        self.call(id, parameters["name"], parameters.get("_meta", {}))

    def call(self, id, name, meta):
        if name == "seen":
            self.words(id, json.dumps(seen))
        elif name == "session":
            self.words(id, self.headers["Mcp-Session-Id"])
        elif name == "stream":
            self.stream()
            self.event({"jsonrpc": "2.0", "method": "notifications/progress",
                        "params": {"progressToken": meta.get("progressToken"), "progress": 1, "message": "half"}})
            self.event({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "streamed"}]}})
        elif name == "forget":
            sessions.clear()
            self.words(id, "forgotten")
        elif name == "sleep":
            time.sleep(30)
            self.words(id, "awake")
        elif name == "drop":
            self.stream()
        elif name == "announce":
            own.put({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error", "data": "own words"}})
            self.words(id, "announced")
        elif name == "broken":
            self.answer(500, b"<html>")
        elif name == "huge":
            self.stream()
            for _ in range(8):
                self.wfile.write(b"data: " + b"x" * (1 << 20))
        else:
            self.answer(400)

    def words(self, id, text):
        self.result(id, {"content": [{"type": "text", "text": text}]})

    def result(self, id, result, **headers):
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": id, "result": result}).encode(), **headers)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
