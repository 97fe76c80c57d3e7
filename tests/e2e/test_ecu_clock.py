# SPDX-License-Identifier: Apache-2.0
"""ECUs in QEMU follow ptp4l, whose clock is this machine's. A bystander on their network hears what
master time they believe it is."""
import json
import os
import statistics
import subprocess
import sys

from conftest import BUILD, until
from ecu import Ecu
from network import Network, ptp4l

AXCAN = os.path.join(BUILD, "src", "cli", "axcan")
SAMPLES = 50  # 8 a second


def samples(ecu, state=""):
    return [line for line in ecu.console().splitlines() if " state=%s" % state in line and
            " clock-sample " in line]


def analyze(ecu, plot):
    done = subprocess.run([AXCAN, "analyze", "clock", ecu.log, "-o", "json", "--plot", str(plot)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert plot.read_text().count("<path") == 4
    return json.loads(done.stdout)


def test_both_boards_follow_ptp4l(tmp_path):
    network = Network(["gm"])
    ecus = {}
    try:
        gm = network.start("gm", ptp4l(str(tmp_path), "gm", False, "-2"), tmp_path / "gm.log")
        network.start("gm", [sys.executable, os.path.join(os.path.dirname(__file__), "bystander.py"),
                             "eth0"], tmp_path / "heard")
        ecus = {board: Ecu(tmp_path, "ecu-" + board, "10.77.0.1:7400", board=board, network=network,
                           address="10.77.0.%d" % (10 + n), clock=0)
                for n, board in enumerate(("virt", "zcu102"))}
        for ecu in ecus.values():
            until(lambda ecu=ecu: len(samples(ecu, "locked")) >= SAMPLES, 60, ecu.name + " locks")
        heard = [line.split() for line in (tmp_path / "heard").read_text().splitlines()]
        for board, ecu in ecus.items():
            result = analyze(ecu, tmp_path / (board + ".svg"))
            bound = result["bound_ns"]
            errors = [int(error) for mac, error in heard if mac == ecu.mac][-SAMPLES // 2:]
            # the frame's way to the bystander is in the error, and only makes it smaller
            assert errors and statistics.median(errors) < bound["p50"], errors
            assert statistics.median(errors) > -bound["p50"] - 2 * result["delay_ns"]["p50"], errors
            assert result["delay_ns"]["p50"] > 0 and result["locked"] >= SAMPLES
        gm.terminate()
        gm.wait(5)
        for ecu in ecus.values():
            ecu.wait_line("clock-state state=holdover", 20)
    finally:
        for ecu in ecus.values():
            ecu.close()
        network.close()
