"""Does our transport speak with real Iroh endpoints? Runs every case for each Iroh version in both directions and says
`ok` or `FAILED` for each of them, one a line; the last line counts them.

    matrix.py OURS NAME=PYTHON…       # OURS: interop-peer; NAME: a version's name; PYTHON: an interpreter that has it

For each direction one acceptor runs all the time, and each case is a dialer of its own, a process that reports what
happened as JSON lines. The cases, by the dialer's argument:

    connect    both ends prove their node ids and agree on the ALPN
    streams    eight streams at once, each echoed with its FIN
    bulk       3 MB echoed on one stream
    datagram   an unreliable datagram echoed
    close      the dialer closes; the acceptor sees code 7 and the reason
    closed     the acceptor closes; the dialer sees code 9 and the reason
    again      a second connection from the same endpoint, which may resume the first one's session
    alpn       an ALPN that the acceptor doesn't have is refused
    wrong-key  another node answers at the address: refused, no connection reported
"""

import ctypes
import json
import os
import queue
import secrets
import signal
import subprocess
import sys
import threading
import time

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "iroh_peer.py")
ACCEPTOR_SEED = "11" * 32
ACCEPTOR = "d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737"
STRANGER = "17cb79fb2b4120f2b1ec65e4198d6e08b28e813feb01e4a400839b85e18080ce"
ECHO, CLOSE = "interop/echo/1", "interop/close/1"
DEADLINE = 20  # seconds for one case; a dialer gives up after 10
QUICK = 5  # seconds for a refusal that the other end tells
LIMIT = 300  # seconds for everything: from then on each case fails at once


class Peer:
    """A peer process and the events that it has reported: those since the case began, and those nobody asked for yet."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=die_with_parent
        )
        self.events = queue.Queue()
        self.waiting = []
        self.seen = []
        self.errors = []
        self.readers = [threading.Thread(target=self.read_events), threading.Thread(target=self.read_errors)]
        for reader in self.readers:
            reader.start()

    def read_events(self):
        for line in self.process.stdout:
            try:
                self.events.put(json.loads(line))
            except ValueError:
                self.errors.append(line)
        self.events.put(None)

    def read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def expect(self, deadline, event, **fields):
        """Waits for an event of this name and checks its fields. Others stay for whoever asks for them."""
        while not (matching := [found for found in self.waiting if found["event"] == event]):
            try:
                found = self.events.get(timeout=max(0.001, deadline - time.monotonic()))
            except queue.Empty:
                raise Failure(f"no '{event}' in time; came: {self.seen}") from None
            if found is None:
                self.events.put(None)
                raise Failure(f"ended before '{event}'; came: {self.seen}")
            self.seen.append(found)
            self.waiting.append(found)
        self.waiting.remove(matching[0])
        for name, value in fields.items():
            if matching[0].get(name) != value:
                raise Failure(f"expected {name} = {value!r} in {matching[0]}")
        return matching[0]

    def drain(self):
        """The events that nobody has asked for, now forgotten."""
        drained, self.waiting, self.seen = self.waiting, [], []
        while not self.events.empty():
            event = self.events.get()
            if event is None:
                self.events.put(None)
                break
            drained.append(event)
        return drained

    def complaints(self):
        """What the process wrote to standard error since this was asked last, cut to a readable length."""
        lines, self.errors = self.errors, []
        return "".join(lines)[:6000]

    def stop(self):
        self.process.kill()
        self.process.wait()
        for reader in self.readers:
            reader.join()
        self.process.stdout.close()
        self.process.stderr.close()


def die_with_parent():
    """In the child: even when the matrix is killed, no peer stays. 1 is PR_SET_PDEATHSIG."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Failure(Exception):
    pass


def run_case(case, acceptor, address, dial, ours_dials, keys_are_told, end):
    """Raises Failure when either end reports something else than the case promises."""
    deadline = min(time.monotonic() + DEADLINE, end)
    acceptor.drain()
    # A new key for each dialer: Iroh 0.35 sends to the address where it last saw a node, even when that process is gone.
    dialer = Peer(dial(secrets.token_hex(32), STRANGER if case == "wrong-key" else ACCEPTOR, address, case))
    try:
        node = dialer.expect(deadline, "dialing")["node"]
        if case in ("wrong-key", "alpn"):
            # Iroh 0.35 neither answers nor believes who pings or answers with another key: the dialer waits in vain.
            if case == "alpn" or keys_are_told:
                deadline = min(time.monotonic() + QUICK, end)
            refusal = dialer.expect(deadline, "refused")
            if case == "wrong-key" and ours_dials and keys_are_told:
                for key in (STRANGER, ACCEPTOR):
                    if key not in refusal["message"]:
                        raise Failure(f"the error doesn't name {key}: {refusal['message']}")
            accepted = [event for event in acceptor.drain() if event["event"] == "accepted"]
            if accepted:
                raise Failure(f"the acceptor reports a connection: {accepted}")
            return
        alpn = CLOSE if case == "closed" else ECHO
        dialer.expect(deadline, "connected", peer=ACCEPTOR, alpn=alpn)
        acceptor.expect(deadline, "accepted", peer=node, alpn=alpn)
        if case == "streams":
            dialer.expect(deadline, "streams", count=8)
        elif case == "bulk":
            dialer.expect(deadline, "bulk", bytes=3_000_000)
        elif case == "datagram":
            dialer.expect(deadline, "datagram", ok=True)
        elif case == "again":
            dialer.expect(deadline, "streams", count=1)
            acceptor.expect(deadline, "closed", by="peer")
            dialer.expect(deadline, "connected", peer=ACCEPTOR, alpn=alpn)
            acceptor.expect(deadline, "accepted", peer=node, alpn=alpn)
            dialer.expect(deadline, "streams", count=1)
        if case == "closed":
            dialer.expect(deadline, "closed", by="peer", code=9, reason="acceptor is done")
            acceptor.expect(deadline, "closed", by="local")
        else:
            dialer.expect(deadline, "closed", by="local")
            acceptor.expect(deadline, "closed", by="peer", code=7, reason="dialer is done")
    except Failure as failure:
        raise Failure(f"{failure}\n{dialer.complaints()}") from None
    finally:
        dialer.stop()


CASES = ["connect", "streams", "bulk", "datagram", "close", "closed", "again", "alpn", "wrong-key"]


def main(ours, versions):
    passed = failed = 0
    end = time.monotonic() + LIMIT
    for name, python in versions:
        iroh = [python, PROGRAM]
        for direction, accept, dial in (
            (f"iroh {name} dials us", [ours], iroh),
            (f"we dial iroh {name}", iroh, [ours]),
        ):
            acceptor = Peer([*accept, "accept", ACCEPTOR_SEED, "127.0.0.1:0"])
            try:
                for case in CASES:
                    started = time.monotonic()
                    try:
                        address = acceptor_address(acceptor)
                        run_case(
                            case,
                            acceptor,
                            address,
                            lambda *arguments: [*dial, "dial", *arguments],
                            ours_dials=dial is not iroh,
                            keys_are_told=not name.startswith("0."),
                            end=end,
                        )
                        passed += 1
                        print(f"ok      {direction}: {case} ({time.monotonic() - started:.1f} s)", flush=True)
                    except Failure as failure:
                        failed += 1
                        print(f"FAILED  {direction}: {case}: {failure}{acceptor.complaints()}", flush=True)
            finally:
                acceptor.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


def acceptor_address(acceptor):
    if not hasattr(acceptor, "address"):
        acceptor.address = acceptor.expect(time.monotonic() + DEADLINE, "listening", node=ACCEPTOR)["address"]
    return acceptor.address


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], [argument.split("=", 1) for argument in sys.argv[2:]]))
