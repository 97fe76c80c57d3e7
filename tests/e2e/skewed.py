# SPDX-License-Identifier: Apache-2.0
"""A cluster on a network of its own behind ptp4l: nodes whose own clocks are wrong, and a receiver of
their tasks' outputs that has the true time."""
import json
import os
import subprocess
import sys

from conftest import BUILD, until
from network import Network, ptp4l
from test_clock import Bench, MASTER

HERE = os.path.dirname(__file__)


class Skewed(Bench):
    """ptp4l, the master and the receiver are on host gm; skews: {node: NS:PPB}."""

    def __init__(self, directory, skews, transport="-4", clock="ptp:eth0"):  # pylint: disable=super-init-not-called
        self.dir, self.skews = directory, skews
        self.token = str(directory / "token")
        with open(os.open(self.token, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as f:
            f.write("0123456789abcdef0123456789abcdef\n")
        self.network = Network(["gm", *skews])
        self.ptp4l = self.network.start("gm", ptp4l(str(directory), "gm", False, transport),
                                        directory / "ptp4l.log")
        self.network.start("gm", [sys.executable, os.path.join(HERE, "receiver.py"), "9000"],
                           directory / "arrived")
        self.network.start("gm", [MASTER, "--dir", str(directory / "master"), "--token-file",
                                  self.token, "--listen", "10.77.0.1:7400", "--api",
                                  "10.77.0.1:7401", "--allow-remote", "--history-dir",
                                  str(directory)], directory / "master.log")
        for name, skew in skews.items():
            self.node(name, "--clock", clock, "--skew", skew, "--io",
                      "out:count=udp:10.77.0.1:9000")

    def wait_locked(self, *names):
        for name in names:
            until(lambda name=name: (self.clock(name) or {}).get("state") == "locked", 40, name)

    def wait_jobs(self, task, more):
        first = self.find("tasks", task)["instance"]["next_job"]
        until(lambda: self.find("tasks", task)["instance"]["next_job"] > first + more, 30, "jobs")

    def judge(self):
        """The only task, by the history checker."""
        done = subprocess.run([os.path.join(BUILD, "src", "cli", "axcan-check"), "--grid", "--torn",
                               "--clock-bound-us", "10", "-o", "json",
                               *map(str, sorted(self.dir.glob("*.history")))],
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        task, = json.loads(done.stdout)["tasks"]
        assert task["lost"] == 0
        return task

    def lags(self, grid, addresses):
        """{node: [how long after its instant each job's output arrived, ns]}, by a clock that no
        node has; addresses: {node: IP}."""
        lags = {name: [] for name in addresses}
        names = {address: name for name, address in addresses.items()}
        for line in (self.dir / "arrived").read_text().splitlines():
            address, count, at = line.split()
            instant = grid["origin_ns"] + (int(count) - 1) * grid["period_ns"]
            lags[names[address]].append(int(at) - instant)
        return lags

    def judge_lags(self, addresses, count, period_ns):
        """Every release of all nodes is on the one grid, within the clocks' declared errors."""
        delta = {name: self.clock(name)["delta_ns"] for name in addresses}
        grid = self.judge()["grid"]
        assert grid["period_ns"] == period_ns and grid["nodes"] == len(addresses), grid
        assert all(0 < value < period_ns for value in delta.values()), delta
        for name, lags in self.lags(grid, addresses).items():
            # Never before its instant but for the clock's declared error, and the promptest of them
            # within the same period: a clock wrong by more would show here.
            assert len(lags) >= count, (name, lags)
            assert -delta[name] <= min(lags) <= delta[name] + period_ns, (name, min(lags), delta)

    def wait_arrivals(self, address, count):
        until(lambda: (self.dir / "arrived").read_text().count(address + " ") >= count, 30, address)
