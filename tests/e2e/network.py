# SPDX-License-Identifier: Apache-2.0
"""Hosts of a test's own: network namespaces on one bridge, and programs that run in them."""
import os
import shutil
import subprocess
import time

import pytest


def ip(*arguments):
    done = subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, "ip %s: %s" % (" ".join(map(str, arguments)), done.stderr)


def require():
    """Skips where a namespace cannot be made."""
    name = "axt%d-probe" % os.getpid()
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("capability:net-namespaces cannot make a network namespace: "
                    + done.stderr.strip())
    ip("netns", "del", name)


class Network:
    """Namespaces with one interface `eth0` each, 10.77.0.1, .2, ...; all on one bridge."""

    count = 0

    def __init__(self, hosts):
        require()
        Network.count += 1
        self.prefix = "axt%d-%d-" % (os.getpid(), Network.count)
        self.processes = []
        self.switch = self.prefix + "sw"
        self.namespaces = {host: self.prefix + host for host in hosts}
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0",
           "stp_state", "0")
        ip("-n", self.switch, "link", "set", "br0", "up")
        for number, host in enumerate(hosts, 1):
            self._add(host, number)

    def _add(self, host, number):
        name = self.namespaces[host]
        ip("netns", "add", name)
        ip("link", "add", "eth0", "netns", name, "type", "veth", "peer", "name", "p%d" % number,
           "netns", self.switch)
        ip("-n", self.switch, "link", "set", "p%d" % number, "master", "br0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "addr", "add", "10.77.0.%d/24" % number, "dev", "eth0")
        ip("-n", name, "route", "add", "224.0.0.0/4", "dev", "eth0")

    def address(self, host):
        return "10.77.0.%d" % (list(self.namespaces).index(host) + 1)

    def tap(self, name):
        """A port for a machine in QEMU, which runs in the switch's namespace (`host=None`)."""
        if not os.path.exists("/dev/net/tun"):
            pytest.skip("capability:tun no /dev/net/tun")
        ip("-n", self.switch, "tuntap", "add", "dev", name, "mode", "tap")
        ip("-n", self.switch, "link", "set", name, "master", "br0", "up")
        return name

    def inside(self, host, command):
        """The command line that runs it in the host's namespace; None: the switch's."""
        return ["ip", "netns", "exec", self.namespaces[host] if host else self.switch, *command]

    def start(self, host, command, log):
        """A program in the host's namespace; ended by close()."""
        with open(log, "wb") as file:
            process = subprocess.Popen(self.inside(host, command), stdin=subprocess.DEVNULL,
                                       stdout=file, stderr=subprocess.STDOUT)
        self.processes.append(process)
        return process

    def run(self, host, command, timeout):
        return subprocess.run(self.inside(host, command), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=timeout)

    def close(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        for name in [*self.namespaces.values(), self.switch]:
            for _ in range(20):
                if subprocess.run(["ip", "netns", "del", name], capture_output=True).returncode == 0:
                    break
                time.sleep(0.1)


def ptp4l(directory, name, slave, transport="-4", **options):
    """Command line of a free-running ptp4l with its own configuration and UDS socket."""
    path = shutil.which("ptp4l") or "/usr/sbin/ptp4l"
    config = os.path.join(directory, name + ".cfg")
    settings = {"time_stamping": "software", "free_running": 1, "logSyncInterval": -3,
                "logAnnounceInterval": -1, "logMinDelayReqInterval": -3,
                "announceReceiptTimeout": 3, "summary_interval": 0,
                "uds_address": os.path.join(directory, name),
                "priority1": 200 if slave else 10, "clockClass": 255 if slave else 6, **options}
    if slave:
        settings["slaveOnly"] = 1
    with open(config, "w", encoding="utf-8") as file:
        file.write("[global]\n" + "".join("%s %s\n" % item for item in settings.items()))
    return [path, "-S", transport, "-E", "-i", "eth0", "-f", config, "-m", "-q"]
