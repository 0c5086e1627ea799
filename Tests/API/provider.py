"""A provider of models on 127.0.0.1, for the agent under test to ask: it has two models, refuses below /refuses, and never answers
below /silent. Prints its address."""

import http.server
import json
import threading


class Provider(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/silent"):
            threading.Event().wait()
        refuses = self.path.startswith("/refuses")
        answer = {"error": {"message": "no"}} if refuses else {"data": [{"id": "small"}, {"id": "large"}]}
        body = json.dumps(answer).encode()
        self.send_response(401 if refuses else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
