# SPDX-License-Identifier: Apache-2.0
"""Runs Axcan OS in QEMU with tasks that take an exact number of instructions.

The note of a task and the boot configuration are written here anew from docs/formats/, not by the
code under test.
"""
import os
import struct
import subprocess

import machine

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
BUILD = os.environ.get("AXCAN_BUILD", os.path.join(ROOT, "build"))
BURN = os.path.join(BUILD, "tests", "qemu", "burn.elf")
REFERENCE = os.path.join(BUILD, "tests", "qemu", "reference")
BOARDS = ("virt", "zcu102")

LOOP_NS = 16   # one iteration of burn's loop: two instructions
KILL_JOB, RESTART, STOP = 0, 1, 2
TRACE = 1
MODES = ("well", "null-pointer", "illegal", "stack", "loop", "misaligned", "odd-jump",
         "bad-text", "bad-buffer",
         "syscall", "result", "step", "jump", "write-text", "execute-data", "kernel", "privileged",
         "modes", "smash-data", "overlong", "call-loop",
         "step-loop", "random")

def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = crc32c_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 0xff]
    return crc ^ 0xffffffff


def text(value, size):
    return value.encode().ljust(size, b"\0")


class Task:
    """An instance of burn.c. Times in ns; `exec_ns` is burnt in each job."""

    def __init__(self, name, period, deadline=None, exec_ns=100000, budget=None, jobs=0, offset=0,
                 mode="well", every=0, topic=0, overrun=KILL_JOB, fault=KILL_JOB, restart_limit=0,
                 checkpoint_every=0, state_bytes=32, elf=None):
        self.name, self.period, self.exec_ns, self.jobs, self.offset = \
            name, period, exec_ns, jobs, offset
        self.deadline = deadline if deadline is not None else period
        self.budget = budget if budget is not None else exec_ns + 1000000
        self.mode, self.every, self.topic = mode, every, topic
        self.overrun, self.fault, self.restart_limit = overrun, fault, restart_limit
        self.checkpoint_every, self.state_bytes = checkpoint_every, state_bytes
        self.file = elf

    def note(self):
        body = struct.pack("<4sHHI", b"AXTN", 1, 248, 1) + text("burn", 32)
        body += struct.pack("<II", self.state_bytes, 1) + bytes(32)
        body += struct.pack("<IIIIIQIIII", self.period // 1000, self.deadline // 1000, 2, 7, 16384,
                            0, self.overrun, self.fault, self.restart_limit, self.checkpoint_every)
        body += bytes(4 * 28) + bytes(4)
        body += struct.pack("<I", crc32c(body))
        assert len(body) == 248
        return struct.pack("<III8s", 6, 248, 1, b"axcan") + body

    def elf(self):
        if self.file is not None:
            return self.file
        with open(BURN, "rb") as file:
            image = bytearray(file.read())
        at = image.index(b"AXBURN01")
        struct.pack_into("<QQQQ", image, at + 8, max(self.exec_ns, 0) // LOOP_NS,
                         MODES.index(self.mode), self.every, self.topic)
        offset, size = note_section(image)
        note = self.note()
        assert size == len(note)
        image[offset:offset + size] = note
        return bytes(image)


def note_section(image):
    """(offset, size) of .note.axcan: the only PT_NOTE."""
    phoff, = struct.unpack_from("<Q", image, 32)
    entry, count = struct.unpack_from("<HH", image, 54)
    for i in range(count):
        kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", image, phoff + i * entry)
        if kind == 4:
            return offset, size
    raise AssertionError("no note in the ELF file")


def record(kind, value):
    return struct.pack("<II", kind, len(value)) + value + bytes(-len(value) % 8)


def boot_config(tasks, limit=0, flags=TRACE, server=(100000, 1000000000), slots=16):
    body = record(8, struct.pack("<QQ", *server))
    body += record(9, struct.pack("<II", slots, 900000))
    body += record(10, struct.pack("<IIQ", flags, 2, limit))
    for task in tasks:
        body += record(12, text(task.name, 32) +
                       struct.pack("<QQQ", task.jobs, task.budget, task.offset) + task.elf())
    head = struct.pack("<4sHHI", b"AXBC", 1, 16, 16 + len(body))
    return head + struct.pack("<I", crc32c(head + body)) + body


class Record:
    """A trace line; times relative to the common start."""

    def __init__(self, fields, start):
        (master, self.kind, self.task, job, release, response, execution, self.state_crc,
         self.output_crc, self.cause, detail) = fields
        self.time, self.job = int(master) - start, int(job)
        self.release = int(release) - start
        self.response, self.execution, self.detail = int(response), int(execution), int(detail)

    def __repr__(self):
        return "%d %s %s %d cause=%s detail=%#x exec=%d" % (
            self.time, self.kind, self.task, self.job, self.cause, self.detail, self.execution)


class Run:
    """What a run printed, and its exit code."""

    def __init__(self, code, console):
        self.code, self.console = code, console
        self.start, self.records, self.logs, self.summary, self.end = 0, [], [], {}, {}
        waiting = []
        for line in console.splitlines():
            fields = line.split()
            if fields[:2] == ["axcan-os:", "start"]:
                self.start = int(fields[2])
            elif fields[:2] == ["axcan-os:", "end"]:
                rest = fields[2:]
                self.end = {"time": int(rest[0])}
                self.end.update(zip(rest[1::2], map(int, rest[2::2])))
            elif fields[:1] == ["T"] and len(fields) == 12:
                waiting.append(fields[1:])
            elif fields[:1] == ["L"]:
                self.logs.append(fields[1:])
            elif fields[:1] == ["S"]:
                pairs = dict(pair.split("=", 1) for pair in fields[3:])
                self.summary[fields[1]] = {key: int(value) if value.isdigit() else value
                                           for key, value in pairs.items()}
                self.summary[fields[1]]["state"] = fields[2]
        self.records = [Record(fields, self.start) for fields in waiting]

    def of(self, task, *kinds):
        return [r for r in self.records if r.task == task and (not kinds or r.kind in kinds)]


def run(directory, kind, tasks, seconds=120, **options):
    """One run to its end on a machine of that kind. `options` go to boot_config."""
    board = machine.board_of(kind)
    blob = os.path.join(str(directory), "boot.cfg")
    with open(blob, "wb") as file:
        file.write(boot_config(tasks, **options))
    image = os.path.join(machine.BUILD, "axcan-os-%s.elf" % board)
    loader = "loader,file=%s,addr=%#x,force-raw=on" % (blob, machine.CONFIG_ADDRESS[board])
    return Run(*machine.run(kind, image, *machine.DETERMINISTIC, "-device", loader,
                            seconds=seconds))


def reference(tasks, horizon, behaviours=None):
    """(time, kind, task, job, release, cause) of the core simulation, from the common start on."""
    lines = ["horizon %d" % horizon]
    for task in tasks:
        behaviour = (behaviours or {}).get(task.name, "well")
        lines.append("task %s %d %d %d %d %d %d %d %s" % (
            task.name, task.period, task.deadline, task.exec_ns, task.budget, task.jobs,
            task.offset, task.every, behaviour))
    output = subprocess.run([REFERENCE], input="\n".join(lines) + "\n", stdout=subprocess.PIPE,
                            text=True, check=True, timeout=60).stdout
    events = []
    for line in output.splitlines():
        time, kind, task, job, release, cause = line.split()
        events.append((int(time), kind, task, int(job), int(release), cause))
    return events
