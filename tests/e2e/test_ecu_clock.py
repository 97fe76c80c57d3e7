# SPDX-License-Identifier: Apache-2.0
"""ECUs in QEMU follow ptp4l. Each Delay_Req says what master time its sender believes it is; a
bystander on the network compares that with the host's CLOCK_REALTIME, which is ptp4l's clock."""
import json
import os
import socket
import statistics
import struct
import subprocess
import time

import pytest

from conftest import BUILD, until
from ecu import Ecu
from network import Network, ptp4l

AXCAN = os.path.join(BUILD, "src", "cli", "axcan")
SO_TIMESTAMPNS = 35
ETH_P_1588 = 0x88F7
SAMPLES = 40
ECUS = {"ecu-virt": "virt", "ecu-zcu102": "zcu102"}


class Bystander:
    """Hears the Delay_Reqs of a network, stamped by the kernel."""

    def __init__(self, network, host):
        namespace = os.open("/proc/self/ns/net", os.O_RDONLY)
        with open("/run/netns/" + network.namespaces[host], encoding="ascii") as other:
            network.enter(other.fileno())
            try:
                self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                            socket.htons(ETH_P_1588))
            finally:
                network.enter(namespace)
                os.close(namespace)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.settimeout(10)

    def hear(self):
        """(MAC, believed master time - host time, ns) of the next Delay_Req with a time in it."""
        while True:
            frame, ancillary, _, _ = self.socket.recvmsg(128, 128)
            seconds, ns = struct.unpack(">IQ", b"\0\0" + frame[50:56] + frame[56:60]) \
                if False else (int.from_bytes(frame[48:54], "big"),
                               int.from_bytes(frame[54:58], "big"))
            if frame[14] & 15 == 1 and seconds:
                stamp = struct.unpack("qq", ancillary[0][2])
                return frame[6:12].hex(":"), (seconds - stamp[0]) * 10**9 + ns - stamp[1]
