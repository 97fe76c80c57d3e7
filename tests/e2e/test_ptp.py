# SPDX-License-Identifier: Apache-2.0
"""PTP against linuxptp in network namespaces, both ways. All hosts share one machine, so its
CLOCK_REALTIME is the truth, and the error of every reading is known."""
import csv
import os
import statistics

import pytest

from conftest import BUILD, until
from network import Network, ptp4l

TIMED = os.path.join(BUILD, "src", "sync", "axcan-timed")
OFFSET = 5_000_000_000
RATE = 50_000


@pytest.fixture(name="network")
def fixture_network():
    network = Network(["gm", "slave"])
    yield network
    network.close()


def witness(network, clock, seconds, *options):
    """The rows that axcan-timed wrote, as numbers."""
    done = network.run("slave", [TIMED, "--clock", clock, "--seconds", str(seconds), "--csv",
                                 *map(str, options)], seconds + 20)
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert done.returncode == 0, "never locked:\n%s%s" % (done.stdout[-2000:], done.stderr)
    return [{key: value if key == "state" else float(value) for key, value in row.items()}
            for row in rows]


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


@pytest.mark.parametrize("transport,clock", [("-4", "ptp:eth0"), ("-2", "ptp:eth0,l2")])
def test_own_slave_follows_ptp4l(network, tmp_path, transport, clock):
    network.start("gm", ptp4l(str(tmp_path), "gm", False, transport), tmp_path / "gm.log")
    judge(witness(network, clock, 10, "--offset", OFFSET, "--rate", RATE))


@pytest.mark.parametrize("transport,options,slave",
                         [("-4", [], "ptp:eth0"), ("-2", ["--l2"], "ptp:eth0,l2")])
def test_ptp4l_follows_the_own_grandmaster(network, tmp_path, transport, options, slave):
    """ptp4l, free-running, is the witness; its offset is read over its UDS socket. The grandmaster's
    clock is 5 s ahead of the machine's."""
    network.start("gm", [TIMED, "--grandmaster", "eth0", "--priority", "10", "--offset", str(OFFSET),
                         *options], tmp_path / "gm.log")
    network.start("slave", ptp4l(str(tmp_path), "slave", True, transport), tmp_path / "slave.log")
    rows = witness(network, "ptp4l:%s" % (tmp_path / "slave"), 14)
    judge(rows, OFFSET)


def test_a_silent_ptp4l_is_no_clock(network, tmp_path):
    done = network.run("slave", [TIMED, "--clock", "ptp4l:%s" % (tmp_path / "none"), "--seconds", "1",
                                 "--csv"], 20)
    assert done.returncode == 1
    assert done.stdout.splitlines() == ["seconds,state,error_ns,offset_ns,delay_ns,bound_ns"]


@pytest.mark.parametrize("clock,text", [
    ("ptp:nosuch0", "no interface nosuch0"), ("ptp:eth0,l3", "'l3' is neither l2 nor domain"),
    ("ptp:", "name an interface"), ("gps", "'gps' is neither ptp4l"),
    ("ptp:eth0,domain=256", "neither l2 nor domain=0..255")])
def test_wrong_clocks_are_refused(network, clock, text):
    done = network.run("slave", [TIMED, "--clock", clock, "--seconds", "1"], 20)
    assert done.returncode == 1
    assert text in done.stderr


def test_holdover_when_the_grandmaster_ends(network, tmp_path):
    gm = network.start("gm", ptp4l(str(tmp_path), "gm", False), tmp_path / "gm.log")
    log = tmp_path / "witness.csv"
    process = network.start("slave", [TIMED, "--clock", "ptp:eth0", "--csv", "--seconds", "14",
                                      "--rate", str(RATE)], log)
    until(lambda: ",locked," in log.read_text(), 12, "lock")
    gm.terminate()
    gm.wait(5)
    assert process.wait(30) == 0
    rows = [line.split(",") for line in log.read_text().splitlines() if ",holdover," in line]
    assert rows, log.read_text()
    assert all(abs(float(row[2])) <= float(row[5]) for row in rows), rows
