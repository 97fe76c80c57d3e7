# SPDX-License-Identifier: Apache-2.0
"""runax with Jailhouse: the real program and a driver that tests/runax/fake_jailhouse.c plays."""
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import time

import pytest
from conftest import BUILD, is_alive, until
from runax import Runax, text_of, wait_text

FAKE = os.path.join(BUILD, "tests", "runax", "libaxc-fake-jailhouse.so")
CPUS = "1-239"


class Jailhouse:
    """The fake hypervisor's files; the test plays the guests by them."""

    def __init__(self, folder):
        self.dir = str(folder)
        os.makedirs(os.path.join(self.dir, "sys/cells/0"))
        os.mkdir(os.path.join(self.dir, "firmware"))
        for name, text in (("device", "hypervisor: before\n"), ("mem", ""), ("arch", "2"),
                           ("layout", "siemens14"), ("sys/enabled", "1\n"),
                           ("sys/cells/0/name", "root\n"), ("sys/cells/0/state", "running\n"),
                           ("sys/cells/0/cpus_assigned_list", "0-239\n")):
            self.put(name, text)
        os.truncate(os.path.join(self.dir, "mem"), 0x50000000)
        self.platform = os.path.join(self.dir, "platform.json")
        at = lambda name: os.path.join(self.dir, name)
        with open(self.platform, "w", encoding="utf-8") as file:
            json.dump({"version": 1, "board": "zcu102", "isa": "aarch64", "cpus": CPUS,
                       "hypervisors": ["jailhouse"], "housekeeping": "0",
                       "pools": [{"address": "0x40000000", "bytes": "0x8000000"}],
                       "jailhouse": {"layout": "siemens14", "gic_address": "0xf9010000",
                                     "device": at("device"), "sysfs": at("sys"),
                                     "memory": at("mem"), "firmware": at("firmware")}}, file)

    def put(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".new", path)  # whole or not at all, as sysfs is read

    def get(self, name):
        return text_of(os.path.join(self.dir, name)).strip()

    def cells(self):
        folder = os.path.join(self.dir, "sys/cells")
        return {self.get("sys/cells/%s/name" % cell): cell for cell in os.listdir(folder)}

    def is_clean(self):
        return (self.cells() == {"root": "0"} and os.listdir(self.dir + "/firmware") == []
                and self.get("sys/cells/0/cpus_assigned_list") == "0-239")


@pytest.fixture
def jailhouse(tmp_path, monkeypatch):
    fake = Jailhouse(tmp_path / "jailhouse")
    monkeypatch.setenv("LD_PRELOAD", FAKE)
    monkeypatch.setenv("AXC_FAKE_JAILHOUSE", fake.dir)
    return fake


@pytest.fixture
def runax(tmp_path, jailhouse):
    with Runax(tmp_path / "engine", "--platform", jailhouse.platform) as one:
        yield one
    assert one.left() == []
    assert jailhouse.is_clean(), jailhouse.cells()


@pytest.fixture
def bundle(tmp_path, runax):
    image = tmp_path / "image.bin"
    image.write_bytes(b"\x1f\x20\x03\xd5" * 2048)

    def make(name, memory=0x10000):
        folder = runax.bundle(name, image, {"dev.axcan.hv": "jailhouse",
                                            "dev.axcan.board": "zcu102"})
        os.mkdir(folder + "/rootfs/boot")
        with open(folder + "/rootfs/boot/axcan.json", "w", encoding="utf-8") as file:
            json.dump({"version": 1, "board": "zcu102", "isa": "aarch64", "cpus": 1,
                       "hypervisors": ["jailhouse"], "layouts": ["siemens14"],
                       "memory": [{"address": 0, "bytes": memory}],
                       "images": [{"path": "os.img", "load": 0, "entry": 0}],
                       "channels": [{"name": "host", "bytes": 8192, "peers": 1}]}, file)
        return folder
    return make


def test_a_cell_goes_through_its_life(runax, jailhouse, bundle):
    output = runax.create("one", bundle("b"))
    assert runax.status("one") == "created"
    cell = "sys/cells/%s/" % jailhouse.cells()["one"]
    assert jailhouse.get(cell + "state") == "shut down" and text_of(output) == ""
    assert jailhouse.get(cell + "cpus_assigned_list") == "239"
    dump = runax.ok("cell", "dump", os.path.join(jailhouse.dir, cell, ".config"))
    assert "name: one\n" in dump and "phys 0x40000000" in dump
    taken = json.loads(runax.ok("resources"))
    assert (taken["cpus"], taken["state"], taken["alive"]) == ("239", "confirmed", True)
    jailhouse.put("guest", "hello from the cell\n")
    runax.ok("start", "one")
    wait_text(output, "hello from the cell\n")
    assert text_of(output) == "hello from the cell\n", "what was said before is not this cell's"
    assert "cannot pause" in runax.refused("pause", "one")
    jailhouse.put(cell + "state", "shut down\n")
    assert runax.wait("one", "stopped")["exitCode"] == 0
    runax.ok("delete", "one")


@pytest.mark.parametrize("state, code", [("failed", 134), ("Comm ABI mismatch", 134)])
def test_a_cell_that_fails_is_a_container_that_fails(runax, jailhouse, bundle, state, code):
    runax.create("one", bundle("b"))
    jailhouse.put("guest-state", state + "\n")
    runax.ok("start", "one")
    assert runax.wait("one", "stopped")["exitCode"] == code


def test_the_guest_gives_its_exit_code_by_the_channel(runax, jailhouse, bundle):
    runax.create("one", bundle("b"))
    runax.ok("start", "one")
    channel = int(json.loads(runax.ok("resources"))["channels"]["host"], 16)
    runax.ok("kill", "one", "TERM")
    with open(jailhouse.dir + "/mem", "r+b") as memory:
        memory.seek(channel)
        assert struct.unpack("<4sII", memory.read(12)) == (b"AXCH", 1, 1), "asked to end"
        memory.seek(channel + 12)
        memory.write(struct.pack("<I", 0x100 + 42))
    assert runax.wait("one", "stopped")["exitCode"] == 42


def test_kill_ends_a_cell_that_does_not_listen(runax, bundle):
    runax.create("one", bundle("b"))
    runax.ok("start", "one")
    runax.ok("kill", "one", "KILL")
    assert runax.wait("one", "stopped")["exitCode"] == 137


@pytest.mark.parametrize("step", ["create 16", "create 7", "start 5"])
def test_a_step_that_the_driver_refuses_leaves_nothing(runax, jailhouse, bundle, step):
    folder = bundle("b")
    jailhouse.put("fail", step)
    if step.startswith("start"):
        runax.create("one", folder)
        assert "jailhouse start one" in runax.refused("start", "one")
        return
    assert "jailhouse create one" in runax.refused("create", "--bundle", folder, "one")
    assert runax.list() == [] and runax.ok("resources") == ""


def test_a_driver_that_says_yes_and_makes_no_cell_is_noticed(runax, jailhouse, bundle):
    jailhouse.put("arch", "1")
    assert "has no cell one" in runax.refused("create", "--bundle", bundle("b"), "one")
    assert runax.list() == [] and runax.ok("resources") == ""


def test_a_killed_monitor_leaves_a_cell_that_delete_takes_back(runax, jailhouse, bundle):
    runax.create("one", bundle("b"))
    runax.ok("start", "one")
    pid = runax.state("one")["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), 10, "the monitor's end")
    assert "one" in jailhouse.cells(), "a cell runs without its monitor"
    assert runax.status("one") == "stopped"
    runax.ok("delete", "one")


def test_reconcile_takes_back_what_a_vanished_state_directory_held(runax, jailhouse, bundle):
    runax.create("one", bundle("b"))
    runax.create("two", bundle("b2"))
    pid = runax.state("one")["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), 10, "the monitor's end")
    shutil.rmtree(os.path.join(runax.root, "one"))
    assert runax.ok("reconcile") == "1 released\n"
    assert set(jailhouse.cells()) == {"root", "two"}
    assert runax.ok("reconcile") == "0 released\n"
    assert runax.status("two") == "created"


def test_two_hundred_creates_killed_at_random_leak_nothing(runax, jailhouse, bundle):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    folder = bundle("b", 0x4000)
    creates, killed = [], 0
    for number in range(200):
        creates.append(subprocess.Popen(
            [*runax.command, "create", "--bundle", folder, "c%d" % number],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        if chance.random() < 0.4:
            victim = chance.choice(creates)
            if victim.poll() is None:
                time.sleep(chance.random() * 0.01)
                victim.kill()
                killed += 1
    codes = [create.wait(120) for create in creates]
    created = sum(code == 0 for code in codes)
    assert killed > 10 and created > 10, (killed, created)
    runax.ok("reconcile")
    taken = [json.loads(line) for line in runax.ok("resources").splitlines()]
    cpus = [entry["cpus"] for entry in taken]
    assert len(set(cpus)) == len(cpus), "two cells on one CPU"
    assert created <= len(taken) <= 200
    for state in runax.list():
        if chance.random() < 0.3 and state["pid"] > 0:
            os.kill(state["pid"], signal.SIGKILL)
        runax.ok("delete", "--force", state["id"])
    for number in range(200):  # as engines do after a create that failed
        if codes[number] != 0:
            runax.ok("delete", "--force", "c%d" % number)
    runax.ok("reconcile")
    assert runax.ok("resources") == ""
