# SPDX-License-Identifier: Apache-2.0
"""A bare-metal node on a network: joins, runs what it is given, and outlives what a network may bring.
Where a deadline is judged, QEMU's clock counts instructions; else it is the host's, since nodes share
master time."""
import os
import random
import socket
import struct
import time

import pytest
from conftest import until
from ecu import ICOUNT, Ecu, crc32c, free_port

pytestmark = pytest.mark.alone  # clocks and bounds of time are judged

BROADCAST = b"\xff" * 6
STRANGER = b"\x02\x00\x00\x00\x00\x01"
GUEST_IP = bytes([10, 0, 2, 15])
STRANGER_IP = bytes([10, 0, 2, 77])


def mac_bytes(ecu):
    return bytes.fromhex(ecu.mac.replace(":", ""))


def checksum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(ecu, kind, payload, to=None):
    return (to or mac_bytes(ecu)) + STRANGER + struct.pack("!H", kind) + payload


def ipv4(payload, protocol, flags=0, length=None, ident=1):
    total = 20 + len(payload) if length is None else length
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, total, ident, flags, 64, protocol, 0, STRANGER_IP,
                       GUEST_IP)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def tcp(source, target, flags, sequence=0, window=8192):
    segment = struct.pack("!HHIIBBHHH", source, target, sequence, 0, 5 << 4, flags, window, 0, 0)
    pseudo = STRANGER_IP + GUEST_IP + struct.pack("!BBH", 0, 6, len(segment))
    return segment[:16] + struct.pack("!H", checksum(pseudo + segment)) + segment[18:]


def udp(target, payload):
    return struct.pack("!HHHH", 4000, target, 8 + len(payload), 0) + payload


COSTLY = ("garbage for us", "datagram")  # to send on and on: without the bound they cost deadlines


def floods(ecu, chance):
    """Kinds of hostile traffic: name -> a function that makes the next frame."""
    def port():
        return chance.randrange(1024, 65536)

    return {
        "garbage": lambda: chance.randbytes(chance.randrange(1, 1515)),
        "garbage for us": lambda: ethernet(ecu, chance.choice([0x0800, 0x0806, 0x86dd, 0x88f7]),
                                           chance.randbytes(chance.randrange(0, 1500))),
        # none of no length: QEMU takes that for the end of the wire
        "runt": lambda: mac_bytes(ecu)[:chance.randrange(1, 7)],
        "jumbo": lambda: ethernet(ecu, 0x0800, ipv4(bytes(8000), 17)),
        "a bit too long": lambda: ethernet(ecu, 0x0800, ipv4(bytes(1481), 17)),
        "fragment": lambda: ethernet(ecu, 0x0800, ipv4(bytes(1000), 17, 0x2000 | chance.randrange(99),
                                                       ident=chance.randrange(65536))),
        "lying length": lambda: ethernet(ecu, 0x0800, ipv4(bytes(20), 6,
                                                           length=chance.randrange(65536))),
        "arp": lambda: ethernet(ecu, 0x0806, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + STRANGER +
                                bytes([10, 0, 2, chance.randrange(16, 256)]) + bytes(6) + GUEST_IP,
                                BROADCAST),
        "half-open connection": lambda: ethernet(ecu, 0x0800, ipv4(
            tcp(port(), 7100, 2, chance.randrange(1 << 32)), 6)),
        "stray segment": lambda: ethernet(ecu, 0x0800, ipv4(
            tcp(port(), port(), chance.randrange(64), chance.randrange(1 << 32)), 6)),
        "datagram": lambda: ethernet(ecu, 0x0800, ipv4(udp(port(), bytes(100)), 17)),
        "ping": lambda: ethernet(ecu, 0x0800, ipv4(
            b"\x08\x00" + struct.pack("!H", checksum(b"\x08\x00" + bytes(1022))) + bytes(1020), 1)),
    }


@pytest.fixture
def ecus(own_cluster, tmp_path):
    """ecus(cluster, name, ...) starts an ECU that joins the cluster."""
    started = []

    def start(cluster, name, **options):
        with open(os.path.join(cluster.dir, "token"), encoding="ascii") as file:
            token = file.read().strip()
        ecu = Ecu(tmp_path, name, cluster.master_port(), token=token, **options)
        started.append(ecu)
        ecu.wait_line("node-joined")
        return ecu

    yield start
    for one in started:
        one.close()


@pytest.mark.parametrize("board,legacy", [("virt", True), ("virt", False), ("zcu102", True)])
def test_a_task_runs_on_an_ecu(own_cluster, ecus, images, board, legacy):
    cluster = own_cluster(1)
    ecu = ecus(cluster, "ecu1", board=board, legacy=legacy, dhcp=not legacy,
               options=[] if legacy else ["-machine", "gic-version=3"])
    node = until(lambda: cluster.node("ecu1").get("memory_free_bytes") and cluster.node("ecu1"), 10,
                 "a report of the node")
    assert node["platforms"][0] == "axcan-" + board
    assert node["assurance"] == "isolated"
    assert ecu.memory_bytes(node) <= 4 << 20  # without tasks, but with network and agent
    cluster.ok("deploy", images("steady"), "--name", "c", "--node", "ecu1")
    cluster.wait_jobs("c", 5)
    task = cluster.task("c")
    assert (task["node"], task["killed"]) == ("ecu1", 0)
    cluster.ok("delete", "c")
    assert cluster.task("c") is None


def test_floods_cost_no_deadline(own_cluster, ecus, images):
    """Everything hostile that fits a frame, as fast as this machine makes it: the node drops it,
    counts it, stays in the cluster, and its memory does not shrink. A task that needs 60 of its
    100 ms keeps every deadline: the flood gets the server's tenth of the processor, no more."""
    cluster = own_cluster(1, "--lease-ms", 20000)  # heartbeats may wait for the flood's end
    ecu = ecus(cluster, "ecu1", frames=True, options=ICOUNT)
    chance = random.Random(4)
    kinds = floods(ecu, chance)
    cluster.ok("deploy", images("busy"), "--name", "c", "--node", "ecu1")
    cluster.wait_jobs("c", 3)
    free_bytes = cluster.node("ecu1")["memory_free_bytes"]
    for kind, frame in kinds.items():
        frames = [frame() for _ in range(1000)]
        for i in range(0, 20000 if kind in COSTLY else 2000, 250):
            for one in frames[i % 1000:i % 1000 + 250]:
                ecu.send(one)
            time.sleep(0.004)  # lets QEMU take them from its socket
        assert ecu.is_running(), kind
    cluster.wait_jobs("c", 5, seconds=60)
    dropped = until(lambda: ecu.dropped() if sum(ecu.dropped().values()) > 5000 else None, 30,
                    "the account of dropped frames")
    assert all(dropped[why] > 0 for why in ("foreign", "malformed", "unexpected")), dropped
    task = cluster.task("c")
    assert (task["state"], task["node"], task["killed"]) == ("running", "ecu1", 0), task
    assert task["missed"] == 0, ecu.console()
    assert cluster.node("ecu1")["memory_free_bytes"] == free_bytes
    assert "panic" not in ecu.console()


def test_half_open_connections_are_bounded(own_cluster, ecus, images):
    """More peers than places that say nothing, or garbage: they are sent off, a migration works."""
    cluster = own_cluster(1)
    ecu = ecus(cluster, "ecu1")
    strangers = []
    for i in range(16):
        stranger = socket.create_connection(("127.0.0.1", ecu.peer_port))
        strangers.append(stranger)
        if i % 2:
            stranger.sendall(random.Random(i).randbytes(2000))
    cluster.ok("deploy", images("steady"), "--name", "c", "--node", "node1")
    cluster.wait_jobs("c", 3)
    until(lambda: cluster.run("migrate", "c", "--to", "ecu1").code == 0, 40, "a migration to ecu1")
    cluster.wait_jobs("c", 5)
    assert ecu.is_running() and cluster.task("c")["node"] == "ecu1"
    for stranger in strangers:
        stranger.close()


def udp_socket():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("127.0.0.1", 0))
    one.settimeout(20)
    return one


def stamped(task_id, epoch, job, value):
    """docs/formats/stamped-value.md"""
    head = b"AXVS" + struct.pack("<IQQQII", 1, task_id, epoch, job, 0, len(value))
    return head + struct.pack("<I", crc32c(head + value)) + value


def test_values_come_and_go_by_udp(own_cluster, ecus, images):
    """Sensor -> task -> actuator. A stamped input takes what is newer, nothing stale or damaged."""
    cluster = own_cluster(1)
    with udp_socket() as actuator:
        port = actuator.getsockname()[1]
        plain, gated = free_port(socket.SOCK_DGRAM), free_port(socket.SOCK_DGRAM)
        for name, host_port, channel in (("ecu1", plain, ("in", False, "udp:7201")),
                                         ("ecu2", gated, ("in", False, "node:7201"))):
            ecus(cluster, name, forwards=[(host_port, 7201, "udp")],
                 channels=[channel, ("out", True, "udp:127.0.0.1:%d" % port)])
        cluster.ok("deploy", images("relay"), "--name", "plain", "--node", "ecu1")
        cluster.ok("deploy", images("relay"), "--name", "gated", "--node", "ecu2")
        for value in (b"first", b"second", b"x" * 64):
            actuator.sendto(value, ("127.0.0.1", plain))
            assert actuator.recv(100) == value
        for datagram in (stamped(1, 2, 5, b"new"), stamped(1, 2, 5, b"again"),
                         stamped(1, 1, 9, b"old epoch"), stamped(1, 2, 4, b"old job"), b"no stamp",
                         bytes(1400), stamped(1, 2, 6, b"damaged")[:-1] + b"?"):
            actuator.sendto(datagram, ("127.0.0.1", gated))
            time.sleep(0.1)  # more than a period: each would be put out
        actuator.sendto(stamped(1, 3, 6, b"newest"), ("127.0.0.1", gated))
        assert [actuator.recv(100) for _ in range(2)] == [b"new", b"newest"]
