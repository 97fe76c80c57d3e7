# SPDX-License-Identifier: Apache-2.0
"""A bug in the kernel of an ECU: it says what it was, resets, joins anew, and the master knows."""
import os
import re
import socket

from conftest import until
from ecu import Ecu

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


def test_master_learns_why_an_ecu_was_reset(own_cluster, tmp_path):
    cluster = own_cluster(1)
    gdb = str(tmp_path / "gdb")
    with open(os.path.join(cluster.dir, "token"), encoding="ascii") as file:
        token = file.read().strip()
    ecu = Ecu(tmp_path, "ecu1", cluster.master_port(), token=token,
              options=("-gdb", "unix:%s,server=on,wait=off" % gdb))
    try:
        ecu.wait_line("node-joined")
        boot = cluster.node("ecu1")["boot"]
        debugger = Debugger(gdb)  # stops it while it idles or serves the network
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
    finally:
        ecu.close()
