# SPDX-License-Identifier: Apache-2.0
"""A cluster whose node follows a grandmaster by PTP: what its clock's error does to deadlines."""
import json
import os
import subprocess

import pytest

from conftest import BUILD, until
from network import Network

pytestmark = pytest.mark.alone  # clocks and bounds of time are judged

MASTER, NODE, TIMED = (os.path.join(BUILD, "src", folder, name) for folder, name in
                       [("master", "axcan-master"), ("node", "axcan-node"), ("sync", "axcan-timed")])
HOUR_NS = 3600 * 10**9


class Bench:
    """A grandmaster on host gm; the master there, or following it, on n3; node n1 follows the
    grandmaster, n2 heartbeats."""

    host, address = "gm", "10.77.0.1"  # of the master

    def __init__(self, directory, *master_options, ahead_ns=0, host="gm"):
        self.dir, self.host = directory, host
        self.token = str(directory / "token")
        self.network = Network(["gm", "n1", "n2", "n3"])
        with open(os.open(self.token, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write("0123456789abcdef0123456789abcdef\n")
        self.grandmaster = None
        self.follow(ahead_ns)
        self.address = self.network.address(host)
        self.network.start(host, [MASTER, "--dir", str(directory / "master"), "--token-file",
                                  self.token, "--listen", self.address + ":7400", "--api",
                                  self.address + ":7401", "--allow-remote", *master_options],
                           directory / "master.log")
        self.node("n1", "--clock", "ptp:eth0")
        self.node("n2", "--clock", "master")
        until(lambda: (self.clock("n1") or {}).get("state") == "locked" and self.clock("n2"), 15,
              "n1 locked")

    def node(self, name, *options):
        self.network.start(name, [NODE, "--name", name, "--dir", str(self.dir / name),
                                  "--token-file", self.token, "--master", self.address + ":7400",
                                  "--listen", self.network.address(name) + ":7410", "--history",
                                  str(self.dir / (name + ".history")), "--fifo", "no",
                                  "--allow-remote", *options], self.dir / (name + ".log"))

    def follow(self, offset_ns):
        """The grandmaster's clock is so far ahead of the machine's; a new one takes over."""
        if self.grandmaster is not None:
            self.grandmaster.terminate()
            self.grandmaster.wait(5)
        self.grandmaster = self.network.start(
            "gm", [TIMED, "--grandmaster", "eth0", "--offset", str(offset_ns)], self.dir / "gm.log")

    def run(self, *arguments):
        done = self.network.run(self.host, [os.path.join(BUILD, "src", "cli", "axcan"),
                                       *map(str, arguments), "--api", self.address + ":7401",
                                       "--token-file", self.token], 40)
        return done.returncode, done.stdout, done.stderr

    def ok(self, *arguments):
        code, out, err = self.run(*arguments)
        logs = "".join(path.read_text()[-2000:] for path in sorted(self.dir.glob("*.log")))
        assert code == 0, "%s\n%s%s\n%s" % (arguments, out, err, logs)
        return out

    def items(self, kind):
        code, out, _ = self.run("get", kind, "-o", "json")
        return json.loads(out) if code == 0 else []

    def find(self, kind, name):
        return next((item for item in self.items(kind) if item["name"] == name), None)

    def clock(self, node):
        item = self.find("nodes", node)
        return item["clock"] if item and item["state"] == "ready" else None

    def events(self):
        return [event["type"] for event in self.items("events")]

    def close(self):
        self.network.close()


@pytest.fixture(name="bench")
def fixture_bench(request, tmp_path):
    bench = Bench(tmp_path, *getattr(request, "param", []))
    yield bench
    bench.close()


def described(bench, task):
    return json.loads(bench.ok("describe", "task", task, "-o", "json"))


@pytest.mark.parametrize("bench", [["--sync-policy", "migrate"]], indirect=True)
def test_a_task_leaves_a_node_whose_clock_went_bad(bench, images):
    clock = bench.clock("n1")
    assert clock["grandmaster"] and clock["schedulable"]
    assert clock["bound_ns"] <= clock["delta_ns"] < 10_000_000, clock
    assert bench.clock("n2")["state"] == "heartbeats"
    assert bench.clock("n2")["delta_ns"] == 0
    bench.ok("deploy", images("counter"), "--name", "counter")
    if bench.find("tasks", "counter")["node"] != "n1":
        bench.ok("migrate", "counter", "--to", "n1")
    case = json.loads(bench.ok("analyze", "edf", "--node", "n1", "-o", "json"))
    assert case["computed"]["schedulable"], case
    assert case["tasks"][0]["Delta_max"] == bench.clock("n1")["delta_ns"], case
    limits = case["computed"]["sensitivity"][0]
    assert limits["task"] == "counter"
    assert limits["D_min"] <= case["tasks"][0]["D"], case
    until(lambda: described(bench, "counter")["response_histogram"], 10, "a histogram")
    bench.follow(HOUR_NS)
    until(lambda: bench.find("tasks", "counter")["node"] == "n2", 20, "the task moved")
    events = bench.events()
    for wanted in ["clock-state", "clock-master", "clock-jump", "sync-degraded", "sync-migrate"]:
        assert wanted in events, events
    # With no instance left to see it, its clock is set; its scale is not the master's any more.
    until(lambda: "clock-step" in bench.events(), 10, "the step")
    until(lambda: "clock-disagrees" in bench.events(), 10, "the comparison of the scales")
    first = bench.find("tasks", "counter")["instance"]["next_job"]
    until(lambda: bench.find("tasks", "counter")["instance"]["next_job"] > first + 20, 10, "jobs")
    done = subprocess.run([os.path.join(BUILD, "src", "cli", "axcan-check"), "--torn",
                           *map(str, bench.dir.glob("*.history"))], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_admission_names_the_clock_and_the_cure(bench, images):
    bench.node("n3", "--clock", "master", "--clock-bound", "1000", "--latency-bound", "9000000")
    until(lambda: (bench.clock("n3") or {}).get("delta_ns"), 10, "n3 knows master time")
    code, _, err = bench.run("deploy", images("counter"), "--name", "late", "--node", "n3")
    assert code == 1
    assert "needs better sync or D >= 90" in err, err


def test_a_master_that_follows_the_same_grandmaster_agrees_with_its_nodes(tmp_path, images):
    """The grandmaster's scale is an hour off this machine's: releases still are where they should."""
    bench = Bench(tmp_path, "--clock", "ptp:eth0", ahead_ns=HOUR_NS, host="n3")
    try:
        bench.ok("deploy", images("counter"), "--name", "counter", "--node", "n1")
        until(lambda: bench.find("tasks", "counter")["instance"]["next_job"] > 20, 10, "jobs")
        assert bench.find("tasks", "counter")["instance"]["skipped"] == 0
        assert abs(bench.clock("n1")["master_offset_ns"]) < 10**9
        assert "clock-disagrees" not in bench.events()
    finally:
        bench.close()
