"""Drives headless Chromium through a page of the proxy's own origin: opens a WebSocket to /ws and chats.

usage: chat_in_browser.py BASE_URL TEXT
Prints one JSON object: the health body that `fetch` saw and the frames that the WebSocket received, or "refused".
Speaks the browser's DevTools protocol over its two pipes (descriptors 3 and 4): JSON messages that end with NUL.
"""

import json
import os
import subprocess
import sys
import tempfile

SCRIPT = """
(async () => {
  const health = await (await fetch('/api/health')).json();
  const frames = [];
  await new Promise((resolve, reject) => {
    const socket = new WebSocket(location.origin.replace('http', 'ws') + '/ws');
    socket.onerror = () => reject(new Error('refused'));
    socket.onmessage = event => {
      const frame = JSON.parse(event.data);
      frames.push(frame);
      if (frame.type === 'auth_ok')
        socket.send(JSON.stringify({type: 'text_final', session_id: 'browser', text: %s}));
      if (frame.type === 'turn_complete') { socket.close(); resolve(); }
    };
  });
  return JSON.stringify({health, frames});
})()
"""


class Browser:
    def __init__(self, profile):
        to_browser, self.writer = os.pipe()
        self.reader, from_browser = os.pipe()
        ends = (to_browser, from_browser)

        def place_pipes():
            saved = [os.dup(end) for end in ends]
            os.dup2(saved[0], 3)
            os.dup2(saved[1], 4)

        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--disable-background-networking", "--no-first-run", "--remote-debugging-pipe",
             "--user-data-dir=" + profile, "about:blank"],
            preexec_fn=place_pipes, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for end in ends:
            os.close(end)
        self.buffer = b""
        self.count = 0

    def receive(self):
        while b"\0" not in self.buffer:
            data = os.read(self.reader, 65536)
            if not data:
                raise SystemExit("the browser went away")
            self.buffer += data
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, parameters=None, session=None):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters or {}}
        if session:
            message["sessionId"] = session
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise SystemExit(json.dumps(answer["error"]))
                return answer["result"]

    def wait(self, event):
        while self.receive().get("method") != event:
            pass


def main():
    base, text = sys.argv[1:3]
    # The browser's other processes may still write while the profile is removed.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(profile)
        try:
            target = browser.call("Target.createTarget", {"url": "about:blank"})["targetId"]
            session = browser.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
            browser.call("Page.enable", session=session)
            browser.call("Page.navigate", {"url": base + "/api/health"}, session)
            browser.wait("Page.loadEventFired")
            result = browser.call(
                "Runtime.evaluate",
                {"expression": SCRIPT % json.dumps(text), "awaitPromise": True, "returnByValue": True}, session)
            print(result["result"].get("value") or json.dumps(result.get("exceptionDetails")))
        finally:
            browser.process.kill()
            browser.process.wait()


main()
