# SPDX-License-Identifier: Apache-2.0
"""The kernel under a networked ECU: how much memory it takes, and what a bug in it leads to: it says
what it was, resets, joins anew, and the master knows."""
import os
import re
import socket

import pytest
from conftest import until
from ecu import Ecu

RAM_BYTES, BELOW_IMAGE_BYTES = 128 << 20, 2 << 20
PC = 0x20  # number of the register in gdb's protocol for AArch64


class Debugger:
    """As much of gdb's remote protocol as breaks a running machine."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(path)
        self.received = b""
        assert self.packet().startswith(b"T")  # the machine stopped, because we are here
        self.ask(b"qXfer:features:read:target.xml:0,400")  # QEMU sets registers of informed ones only

    def packet(self):
        while not (found := re.search(rb"\$([^#]*)#..", self.received)):
            self.received += self.socket.recv(4096)
        self.received = self.received[found.end():]
        self.socket.sendall(b"+")
        return found.group(1)

    def ask(self, command):
        self.socket.sendall(b"$%s#%02x" % (command, sum(command) & 0xff))
        return self.packet()

    def jump(self, address):
        assert self.ask(b"P%x=%s" % (PC, address.to_bytes(8, "little").hex().encode())) == b"OK"

    def leave(self):
        assert self.ask(b"D") == b"OK"
        self.socket.close()


@pytest.fixture
def cluster(own_cluster):
    return own_cluster(1)


@pytest.fixture
def ecu(cluster, tmp_path):
    with open(os.path.join(cluster.dir, "token"), encoding="ascii") as file:
        token = file.read().strip()
    started = Ecu(tmp_path, "ecu1", cluster.master_port(), token=token,
                  options=("-gdb", "unix:%s,server=on,wait=off" % (tmp_path / "gdb")))
    started.wait_line("node-joined")
    yield started
    started.close()


def test_node_without_tasks_fits_into_4_mib(cluster, ecu):
    """Image, bss and stacks, and what network, agent and runtime took from the pool."""
    free = until(lambda: cluster.node("ecu1")["memory_free_bytes"], 10, "a heartbeat")
    assert RAM_BYTES - BELOW_IMAGE_BYTES - free <= 4 << 20, ecu.console()


def test_master_learns_why_an_ecu_was_reset(cluster, ecu, tmp_path):
    boot = cluster.node("ecu1")["boot"]
    debugger = Debugger(str(tmp_path / "gdb"))  # stops it while it idles or serves the network
    debugger.jump(0x18)
    debugger.leave()
    until(lambda: ecu.console().count("node-joined") == 2, 30, "the ECU joins anew")
    console = ecu.console()
    assert re.search(r"panic: exception in (a thread|the kernel): esr=8\w+ elr=0+18 ", console)
    assert "reset by: exception in" in console
    assert cluster.node("ecu1")["boot"] != boot
    events = [e for e in cluster.json("events") if e["type"] == "node-reset"]
    assert [(e["node"], e["level"]) for e in events] == [("ecu1", "error")]
    assert "elr=0000000000000018" in events[0]["text"]
