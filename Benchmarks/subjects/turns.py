"""How many turns are accepted and answered, each kept on disk before it is acknowledged? Beside it: how many commits of one
row each SQLite makes on the same disk, one after the other."""

import os
import sqlite3
import time

from measure.crowd import Crowd
from measure.processes import Failure, Scene
from measure.table import Row, Target

DEVICES = (1, 8, 32, 100)
SECONDS = 10
TARGET = 1000
# The target is for a busy gateway; one device alone waits for each of its commits.
BUSY = 32


def measure(tools):
    rows = []
    with Scene() as scene:
        crowd = Crowd(scene, tools, max(DEVICES))
        for count in DEVICES:
            commits = single_commits(scene.path("yardstick.db"))
            report = crowd.ask(f"turns {count} {SECONDS}")
            if report["accepted"] != report["answered"]:
                raise Failure(f"{report['accepted']} turns were accepted and {report['answered']} answered")
            what = f"Turns accepted and answered, {count} device{'s' if count > 1 else ''}"
            rate = report["accepted"] / report["seconds"]
            target = Target(TARGET) if count >= BUSY else None
            rows += [
                Row(what, rate, "per s", "single commits of SQLite", commits, target),
                Row(f"{what}: message sent to `queued`, p50", report["accepted_p50_ms"], "ms"),
                Row(f"{what}: message sent to `queued`, p99", report["accepted_p99_ms"], "ms"),
                Row(f"{what}: message sent to `turn_complete`, p50", report["answered_p50_ms"], "ms"),
                Row(f"{what}: message sent to `turn_complete`, p99", report["answered_p99_ms"], "ms"),
            ]
        crowd.leave()
    return rows


def single_commits(path, seconds=2):
    """Commits per second of one inserted row each, as durable as the gateway's."""
    with_file = sqlite3.connect(path, isolation_level=None)
    try:
        with_file.execute("PRAGMA journal_mode = WAL")
        with_file.execute("PRAGMA synchronous = FULL")
        with_file.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        count, start = 0, time.monotonic()
        while time.monotonic() < start + seconds:
            with_file.execute("INSERT INTO t (text) VALUES (?)", ("x" * 200,))
            count += 1
        return count / (time.monotonic() - start)
    finally:
        with_file.close()
        for suffix in ("", "-wal", "-shm"):
            if os.path.exists(path + suffix):
                os.remove(path + suffix)
