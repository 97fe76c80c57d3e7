# SPDX-License-Identifier: Apache-2.0
"""PTP against linuxptp in network namespaces, both ways. All hosts share one machine, so its
CLOCK_REALTIME is the truth, and the error of every reading is known. All run at the same time on
one network, each pair in a domain of its own."""
import csv
import os
import statistics
import subprocess

import pytest

from conftest import BUILD, until
from network import Network, ptp4l

pytestmark = pytest.mark.alone  # clocks and bounds of time are judged

TIMED = os.path.join(BUILD, "src", "sync", "axcan-timed")
OFFSET = 5_000_000_000
RATE = 50_000
TRANSPORTS = {"udp": "-4", "l2": "-2"}


class Bench:
    """What is judged below, begun together."""

    def __init__(self, directory):
        self.dir = directory
        self.network = Network(["gm", "udp", "l2", "own", "ptp4l-udp", "ptp4l-l2", "gone", "left"])
        for name, transport in TRANSPORTS.items():
            # ptp4l leads, the own slave follows
            self.ptp4l("gm", "gm-" + name, False, transport, 1)
            self.witness(name, "ptp:eth0,domain=1" + (",l2" if name == "l2" else ""), 12,
                         "--offset", OFFSET, "--rate", RATE)
            # the own grandmaster leads, ptp4l follows: its offset is read over its UDS socket
            self.network.start("own", [TIMED, "--grandmaster", "eth0", "--priority", "10", "--domain",
                                       "2", "--offset", str(OFFSET),
                                       *(["--l2"] if name == "l2" else [])],
                               directory / ("own-%s.log" % name))
            self.ptp4l("ptp4l-" + name, "ptp4l-" + name, True, transport, 2)
            self.witness("ptp4l-" + name, "ptp4l:%s,domain=2" % (directory / ("ptp4l-" + name)), 15)
        self.gone = self.ptp4l("gone", "gone", False, "-4", 3)
        self.witness("left", "ptp:eth0,domain=3", 15, "--rate", RATE)

    def ptp4l(self, host, name, slave, transport, domain):
        return self.network.start(host, ptp4l(str(self.dir), name, slave, transport,
                                              domainNumber=domain), self.dir / (name + ".log"))

    def witness(self, host, clock, seconds, *options):
        process = self.network.start(host, [TIMED, "--clock", clock, "--seconds", str(seconds),
                                            "--csv", *map(str, options)], self.log(host))
        setattr(self, host, process)

    def log(self, host):
        return self.dir / (host + ".csv")

    def rows(self, host):
        """What axcan-timed wrote, as numbers, when it has ended."""
        code = getattr(self, host).wait(40)
        text = self.log(host).read_text()
        assert code == 0, "never locked:\n" + text[-3000:]
        lines = [line for line in text.splitlines() if line.count(",") == 5]
        return [{key: value if key == "state" else float(value) for key, value in row.items()}
                for row in csv.DictReader(lines)]


@pytest.fixture(name="bench", scope="module")
def fixture_bench(tmp_path_factory):
    bench = Bench(tmp_path_factory.mktemp("ptp"))
    yield bench
    bench.network.close()


def judge(rows, truth=0.0):
    """Every locked reading is within the bound it declares; half of them much closer."""
    locked = [row for row in rows if row["state"] == "locked"]
    assert len(locked) >= 20, rows[-3:]
    broken = [row for row in locked if abs(row["error_ns"] - truth) > row["bound_ns"]]
    assert not broken, broken[:3]
    median = statistics.median(abs(row["error_ns"] - truth) for row in locked)
    assert median < statistics.median(row["bound_ns"] for row in locked)
    # the first reading that is good, counted from the first Sync: interpolation, not luck
    assert locked[0]["seconds"] - rows[0]["seconds"] < 10


def test_holdover_when_the_grandmaster_ends(bench):
    until(lambda: ",locked," in bench.log("left").read_text(), 12, "lock")
    bench.gone.terminate()
    bench.gone.wait(5)
    rows = [row for row in bench.rows("left") if row["state"] == "holdover"]
    assert rows
    assert all(abs(row["error_ns"]) <= row["bound_ns"] for row in rows), rows


@pytest.mark.parametrize("host", TRANSPORTS)
def test_own_slave_follows_ptp4l(bench, host):
    judge(bench.rows(host))


@pytest.mark.parametrize("host", ["ptp4l-" + name for name in TRANSPORTS])
def test_ptp4l_follows_the_own_grandmaster(bench, host):
    """ptp4l, free-running, is the witness. The grandmaster's clock is 5 s ahead of the machine's."""
    judge(bench.rows(host), OFFSET)


def test_a_silent_ptp4l_is_no_clock(tmp_path):
    done = subprocess.run([TIMED, "--clock", "ptp4l:%s" % (tmp_path / "none"), "--seconds", "1",
                           "--csv"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["seconds,state,error_ns,offset_ns,delay_ns,bound_ns"]


@pytest.mark.parametrize("clock,text", [
    ("ptp:nosuch0", "no interface nosuch0"), ("ptp:lo,l3", "'l3' is neither l2 nor domain"),
    ("ptp:", "name an interface"), ("gps", "'gps' is neither ptp4l"),
    ("ptp4l:/tmp/none,l2", "no l2 here"), ("ptp4l,domain=x", "neither l2 nor domain=0..255"),
    ("ptp:lo,domain=256", "neither l2 nor domain=0..255")])
def test_wrong_clocks_are_refused(clock, text):
    done = subprocess.run([TIMED, "--clock", clock, "--seconds", "1"], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 1
    assert text in done.stderr
