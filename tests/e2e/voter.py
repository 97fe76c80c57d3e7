# SPDX-License-Identifier: Apache-2.0
"""A voter alone: the daemon with a master that is played here (docs/formats/wire.md), and outputs
of replicas as nodes send them (docs/formats/stamped-value.md)."""
import os
import socket
import struct
import subprocess
import time

from conftest import BUILD, until
from ecu import crc32c, free_port

VOTER = os.path.join(BUILD, "src", "vote", "axcan-voter")
HELLO_REPLY, STATUS_ACK, VOTER_JOIN, VOTE_GROUP, VOTE_REPORT = 2, 43, 48, 49, 50
EXACT, F32, F64 = 0, 1, 2
MS = 1000000


def stamped(task, epoch, job, value, place=0):
    head = struct.pack("<4sIQQQII", b"AXVS", 1, task, epoch, job, place, len(value))
    return head + struct.pack("<I", crc32c(head + value)) + value


def unstamp(datagram):
    """(job, place, value, task, epoch)"""
    magic, version, task, epoch, job, place, length = struct.unpack("<4sIQQQII", datagram[:40])
    assert magic == b"AXVS" and version == 1 and length == len(datagram) - 44
    assert struct.unpack("<I", datagram[40:44])[0] == crc32c(datagram[:40] + datagram[44:])
    return job, place, datagram[44:], task, epoch


def varint(n):
    out = b""
    while n > 0x7f:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """A protobuf field: int = varint, ("fixed", n), float = double, bytes or str."""
    if isinstance(value, float):
        return varint(number << 3 | 1) + struct.pack("<d", value)
    if isinstance(value, tuple):
        return varint(number << 3 | 1) + struct.pack("<Q", value[1])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def fields(body):
    """{number: [values]}"""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(body):
        key = number()
        if key & 7 == 0:
            value = number()
        elif key & 7 == 1:
            value, at = struct.unpack("<Q", body[at:at + 8])[0], at + 8
        else:
            length = number()
            value, at = body[at:at + length], at + length
        found.setdefault(key >> 3, []).append(value)
    return found


def frame(kind, body):
    head = struct.pack("<2sBBHHI", b"AX", 1, 0, kind, len(body), 0)
    return head + struct.pack("<I", crc32c(head + body)) + body


class Master:
    """Accepts one voter at a time; pump() answers what came."""

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.link, self.pending, self.reports, self.joined = None, b"", {}, None

    def accept(self, seconds=10):
        self.listener.settimeout(seconds)
        self.link, _ = self.listener.accept()
        self.link.setblocking(False)
        self.pending, self.joined = b"", None
        until(lambda: self.pump() or self.joined, seconds, "VoterJoin")

    def pump(self):
        try:
            while True:
                data = self.link.recv(65536)
                if not data:
                    return
                self.pending += data
                self.take()
        except BlockingIOError:
            pass

    def take(self):
        while len(self.pending) >= 16:
            _, _, _, kind, body_bytes, _ = struct.unpack("<2sBBHHI", self.pending[:12])
            if len(self.pending) < 16 + body_bytes:
                return
            message = fields(self.pending[16:16 + body_bytes])
            self.pending = self.pending[16 + body_bytes:]
            if kind == VOTER_JOIN:
                self.joined = message
                self.link.sendall(frame(HELLO_REPLY, field(3, 1) + field(7, ("fixed", now_ns()))))
            elif kind == VOTE_REPORT:
                self.take_report(message)

    def take_report(self, message):
        if 8 in message:
            now = ("fixed", now_ns())
            self.link.sendall(frame(STATUS_ACK, field(1, message[8][0]) + field(3, now) +
                                    field(4, now)))
        service = message.get(1, [b""])[0].decode()
        if service:
            counts = [fields(one) for one in message.get(7, [])]
            self.reports[service] = {
                "agreed": message.get(3, [0])[0], "failed": message.get(4, [0])[0],
                "members": {c[1][0]: {"good": c.get(2, [0])[0], "wrong": c.get(3, [0])[0],
                                      "silent": c.get(4, [0])[0], "bad_in_row": c.get(5, [0])[0]}
                            for c in counts}}

    def tell(self, service, members, needed=2, compare=EXACT, tolerance=0.0, period_ns=20 * MS,
             release_ns=0, wait_ns=0, generation=1):
        """members: [(task, is_counted)]"""
        body = field(1, service) + field(2, generation) + field(3, needed) + field(4, compare)
        body += field(5, tolerance) + field(6, period_ns) + field(7, period_ns)
        body += field(8, ("fixed", release_ns)) + field(9, wait_ns or period_ns)
        for task, is_counted in members:
            body += field(10, field(1, ("fixed", task)) + field(2, 1) + field(4, int(is_counted)))
        self.link.sendall(frame(VOTE_GROUP, body))

    def close(self):
        for one in (self.link, self.listener):
            if one:
                one.close()


def now_ns():
    return time.clock_gettime_ns(time.CLOCK_TAI)


class Voter:
    def __init__(self, directory, master, *options, name="eye"):
        self.dir = str(directory)
        token = os.path.join(self.dir, "token")
        with open(token, "w", encoding="ascii") as file:
            file.write("secret\n")
        os.chmod(token, 0o600)
        self.port = free_port(socket.SOCK_DGRAM)
        self.log = os.path.join(self.dir, name + ".log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [VOTER, "--name", name, "--master", master, "--token-file", token, "--listen",
                 "127.0.0.1:%d" % self.port, *map(str, options)], stdin=subprocess.DEVNULL,
                stderr=log)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, datagram):
        self.socket.sendto(datagram, ("127.0.0.1", self.port))

    def text(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def close(self):
        self.process.terminate()
        code = self.process.wait(10)
        self.socket.close()
        return code
