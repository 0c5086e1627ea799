"""A chat platform with the methods of the Bot API that a bridge needs, at which many people say one thing each."""

import http.server
import json
import threading
import urllib.parse


class Bot:
    TOKEN = "123456789:AAF-benchmarks_only"

    def __init__(self, people):
        self.people = range(1_000_001, 1_000_001 + people)
        self.updates, self.answers = [], {}
        self.changed = threading.Condition()
        self.polled = False
        bot = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.do_POST()

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                kind = self.headers.get("Content-Type", "")
                fields = json.loads(body) if "json" in kind and body else dict(urllib.parse.parse_qsl(body.decode()))
                path, _, query = self.path.partition("?")
                fields.update(urllib.parse.parse_qsl(query))
                text = json.dumps({"ok": True, "result": bot.result(path.rsplit("/", 1)[-1], fields)}).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        with self.changed:
            self.changed.notify_all()
        self.server.shutdown()
        self.server.server_close()

    def result(self, method, fields):
        if method == "getMe":
            return {"id": 123456789, "is_bot": True, "first_name": "Bench", "username": "bench_bot"}
        if method == "getUpdates":
            return self.poll(int(fields.get("offset") or 0), int(fields.get("timeout") or 0), int(fields.get("limit") or 100))
        if method == "sendMessage":
            with self.changed:
                chat = int(fields["chat_id"])
                self.answers[chat] = self.answers.get(chat, 0) + 1
                self.changed.notify_all()
                number = sum(self.answers.values())
            return {"message_id": number, "date": 1, "chat": {"id": chat, "type": "private"}, "text": str(fields.get("text"))}
        return True

    def poll(self, offset, timeout, limit):
        with self.changed:
            self.polled = True
            self.changed.notify_all()
            self.updates = [update for update in self.updates if update["update_id"] >= offset]
            if not self.updates and timeout:
                self.changed.wait_for(lambda: self.updates, timeout)
            return self.updates[: max(1, limit)]

    def speak(self):
        with self.changed:
            for number, person in enumerate(self.people):
                sender = {"id": person, "is_bot": False, "first_name": f"P{number}"}
                message = {
                    "message_id": 1, "date": 1, "from": sender, "text": f"what do you know of plant {number}?",
                    "chat": {"id": person, "type": "private", "first_name": f"P{number}"},
                }
                self.updates.append({"update_id": 1000 + number, "message": message})
            self.changed.notify_all()

    def wait_for_poll(self, seconds):
        with self.changed:
            self.changed.wait_for(lambda: self.polled, seconds)

    def wait_for_answers(self, seconds):
        with self.changed:
            return self.changed.wait_for(lambda: len(self.answers) == len(self.people), seconds)

    @property
    def missing(self):
        return len(self.people) - len(self.answers)

    @property
    def repeated(self):
        return sum(1 for count in self.answers.values() if count > 1)
