# SPDX-License-Identifier: Apache-2.0
"""ECUs in QEMU follow ptp4l, whose clock is this machine's, beside a Linux node with a skewed clock.
A bystander on their network hears what master time the ECUs believe it is."""
import json
import os
import statistics
import subprocess
import sys

import pytest

from conftest import AXCAN, until
from ecu import Ecu
from skewed import HERE, Skewed

pytestmark = pytest.mark.alone  # clocks and bounds of time are judged

SAMPLES = 50  # 8 a second
JOBS = 10
ADDRESSES = {"n1": "10.77.0.2", "ecu-virt": "10.77.0.10", "ecu-zcu102": "10.77.0.11"}


def samples(ecu, state=""):
    return [line for line in ecu.console().splitlines() if " state=%s" % state in line and
            " clock-sample " in line]


def analyze(ecu, plot):
    done = subprocess.run([AXCAN, "analyze", "clock", ecu.log, "-o", "json", "--plot", str(plot)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert plot.read_text().count("<path") == 4
    return json.loads(done.stdout)


@pytest.fixture(name="bench")
def fixture_bench(tmp_path):
    bench = Skewed(tmp_path, {"n1": "5000000000:50000"}, "-2", "ptp:eth0,l2")
    with open(bench.token, encoding="ascii") as file:
        token = file.read().strip()
    bench.ecus = []
    try:
        bench.network.start("gm", [sys.executable, os.path.join(HERE, "bystander.py"), "eth0"],
                            tmp_path / "heard")
        for board in ("virt", "zcu102"):
            bench.ecus.append(Ecu(tmp_path, "ecu-" + board, "10.77.0.1:7400", board=board, token=token,
                                  network=bench.network, address=ADDRESSES["ecu-" + board], clock=0,
                                  channels=[("count", True, "udp:10.77.0.1:9000")]))
        yield bench
    finally:
        for ecu in bench.ecus:
            ecu.close()
        bench.close()


def test_both_boards_follow_ptp4l(bench, images, tmp_path):
    bench.wait_locked(*ADDRESSES)
    bench.ok("deploy", images("steady"), "--name", "steady", "--node", "n1")
    for name in list(ADDRESSES)[1:]:
        bench.wait_jobs("steady", JOBS)
        bench.ok("migrate", "steady", "--to", name)
    bench.wait_arrivals(ADDRESSES["ecu-zcu102"], JOBS)
    bench.judge_lags(ADDRESSES, JOBS, 100_000_000)

    for ecu in bench.ecus:
        until(lambda ecu=ecu: len(samples(ecu, "locked")) >= SAMPLES, 60, ecu.name + " locks")
    heard = [line.split() for line in (tmp_path / "heard").read_text().splitlines()]
    for ecu in bench.ecus:
        result = analyze(ecu, tmp_path / (ecu.name + ".svg"))
        bound = result["bound_ns"]
        errors = [int(error) for mac, error in heard if mac == ecu.mac][-SAMPLES // 2:]
        # the frame's way to the bystander is in the error, and only makes it smaller
        assert errors and statistics.median(errors) < bound["p50"], errors
        assert statistics.median(errors) > -bound["p50"] - 2 * result["delay_ns"]["p50"], errors
    bench.ptp4l.terminate()
    bench.ptp4l.wait(5)
    for ecu in bench.ecus:
        ecu.wait_line("clock-state state=holdover", 20)
