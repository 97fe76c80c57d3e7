# SPDX-License-Identifier: Apache-2.0
"""What a bundle may ask of runax and what it refuses: each refusal names its reason and changes nothing."""
import json
import os
import subprocess

import pytest
from conftest import is_alive, until
from runax import Runax, build_echo, pack_os, text_of, wait_text


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    return build_echo(tmp_path_factory.mktemp("guest") / "echo.elf")


@pytest.fixture
def runax(tmp_path):
    with Runax(tmp_path) as one:
        yield one
    assert one.left() == []


def refused(runax, bundle, *options):
    error = runax.refused("create", "--bundle", bundle, *options, "c1")
    assert "does not exist" in runax.refused("state", "c1")
    return error


@pytest.mark.parametrize("config, reason", [
    (None, "No such file"),
    ("", "line 1"),
    ("[]", "not a JSON object"),
    ("{}", "ociVersion: is missing"),
    ('{"ociVersion": "2.0.0"}', '"2.0.0" is not supported'),
    ('{"ociVersion": 1}', "ociVersion: not a text"),
    ('{"ociVersion": "1.0.2", "ociVersion": "1.0.2"}', "duplicate"),
    ('{"ociVersion": "1.0.2", "root": {"path": ""}}', "root.path: is empty"),
    ('{"ociVersion": "1.0.2", "root": []}', "root: not an object"),
    ('{"ociVersion": "1.0.2", "process": {"args": [1]}}', "process.args[0]"),
    ('{"ociVersion": "1.0.2", "process": {"terminal": "yes"}}', "terminal: not true or false"),
    ('{"ociVersion": "1.0.2", "process": {"oomScoreAdj": 5000}}', "oomScoreAdj"),
    ('{"ociVersion": "1.0.2", "annotations": {"a": 1}}', "annotations"),
    ('{"ociVersion": "1.0.2", "linux": {"resources": {"cpu": {"cpus": "3-1"}}}}', "cpus"),
    ('{"ociVersion": "1.0.2", "root": {"path": "rootfs"}}', "nothing to run"),
    ("[" * 100000, "line 1"),
])
def test_config_json_is_checked(runax, tmp_path, config, reason):
    bundle = tmp_path / "b"
    (bundle / "rootfs").mkdir(parents=True)
    if config is not None:
        (bundle / "config.json").write_text(config)
    assert reason in refused(runax, bundle)


def test_a_huge_config_is_refused(runax, tmp_path):
    (tmp_path / "b").mkdir()
    with open(tmp_path / "b" / "config.json", "wb") as file:
        file.truncate(5 << 20)
    assert "no room" in refused(runax, tmp_path / "b")


@pytest.mark.parametrize("annotations, reason", [
    ({"dev.axcan.image": "/none"}, "/none"),
    ({"dev.axcan.image": "../../../../../../etc/passwd"}, "No such file"),
    ({"dev.axcan.image": "/link-out"}, "No such file"),
    ({"dev.axcan.image": "/magic"}, "in the image's root file system"),
    ({"dev.axcan.image": "/"}, "not a regular file"),
    ({"dev.axcan.image": "/fifo"}, "not a regular file"),
    ({"dev.axcan.image": "/empty"}, "0 bytes"),
    ({"dev.axcan.image": "/huge"}, "1 GiB"),
    ({"dev.axcan.image": "/x" * 200}, "too long"),
    ({"dev.axcan.bri": "/none.json"}, "/none.json"),
    ({"dev.axcan.board": "toaster"}, "toaster"),
    ({"dev.axcan.hv": "bochs"}, "no such backend"),
    ({"dev.axcan.memory": "12k"}, "dev.axcan.memory"),
    ({"dev.axcan.cpus": "1000"}, "dev.axcan.cpus"),
    ({"dev.axcan.cpus": "64"}, "CPU"),
    ({"dev.axcan.hv." + "k" * 40: "1"}, "too long or too many"),
    ({"dev.axcan.console-silence-ms": "-1"}, "console-silence-ms"),
])
def test_what_the_image_cannot_be_is_refused(runax, echo, tmp_path, annotations, reason):
    bundle = runax.bundle("b", echo, annotations)
    root = os.path.join(bundle, "rootfs")
    (tmp_path / "secret").write_text("x" * 4096)
    os.symlink("../../../secret", root + "/link-out")
    os.symlink("/proc/self/exe", root + "/magic")
    os.mkfifo(root + "/fifo")
    open(root + "/empty", "w", encoding="ascii").close()
    with open(root + "/huge", "wb") as file:
        file.truncate((1 << 30) + 1)
    assert reason in refused(runax, bundle)


def test_links_inside_the_root_are_followed(runax, echo):
    bundle = runax.bundle("b", echo, {"dev.axcan.image": "/boot/current"})
    os.mkdir(bundle + "/rootfs/boot")
    os.symlink("../../../os.img", bundle + "/rootfs/boot/current")  # "/" ends it
    output = runax.create("c1", bundle)
    runax.ok("start", "c1")
    wait_text(output, "ready")


def test_an_image_for_another_board_or_cut_off_is_refused(runax, tmp_path):
    image = pack_os(tmp_path / "os.img", "--jobs", 1)
    assert "for board virt, not zcu102" in refused(
        runax, runax.bundle("board", image, {"dev.axcan.board": "zcu102"}))
    cut = tmp_path / "cut.img"
    cut.write_bytes(image.read_bytes()[:-100])
    assert "truncated" in refused(runax, runax.bundle("cut", cut))


def test_resources_of_the_container_only_narrow(runax, echo):
    limits = {"resources": {"memory": {"limit": 1 << 20}}}
    assert "the container may have 1048576" in refused(
        runax, runax.bundle("memory", echo, linux=limits))
    limits = {"resources": {"cpu": {"cpus": "0"}}}
    assert "may have 1" in refused(
        runax, runax.bundle("cpus", echo, {"dev.axcan.cpus": "2"}, linux=limits))


def test_hw_config_of_the_specification_is_honoured(runax, echo):
    vm = {"hwConfig": {"vcpus": 1, "memory": 64 << 20}}
    runax.create("c1", runax.bundle("b", echo, vm=vm, ociVersion="1.3.0"))
    stats = json.loads(runax.ok("events", "--stats", "c1"))
    assert stats["data"]["memory"]["usage"]["usage"] == 64 << 20
    for config, reason in (({"vcpus": 0}, "vcpus: out of range"), ({"irqs": [1]}, "irqs[0]"),
                           ({"iomems": [{"firstMFN": 1}]}, "nrMFNs: is missing"),
                           ({"memory": "much"}, "memory: not a number")):
        bundle = runax.bundle(reason[:5], echo, vm={"hwConfig": config}, ociVersion="1.3.0")
        assert reason in runax.refused("create", "--bundle", bundle, "c2")


def test_the_image_describes_itself(runax, echo):
    bundle = runax.bundle("b", echo, {"dev.axcan.board": "virt"}, process={"args": ["ignored"]})
    os.mkdir(bundle + "/rootfs/boot")
    path = bundle + "/rootfs/boot/axcan.json"
    bri = {"version": 1, "board": "virt", "isa": "aarch64", "hypervisors": ["qemu"],
           "memory": [{"address": "0x40000000", "bytes": 32 << 20}],
           "images": [{"path": "/os.img", "format": "elf"}]}
    for member, value, reason in (("version", 2, "version: out of range"), ("board", None, "board"),
                                  ("images", [], "images"), ("memory", [{}], "memory[0].bytes")):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**bri, member: value}, file)
        assert reason in runax.refused("create", "--bundle", bundle, "c1")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(bri, file)
    output = runax.create("c1", bundle)
    stats = json.loads(runax.ok("events", "--stats", "c1"))
    assert stats["data"]["memory"]["usage"]["usage"] == 32 << 20
    runax.ok("start", "c1")
    wait_text(output, "ready")


@pytest.mark.parametrize("name", ["", ".", "..", "../c1", "a/b", "a b", "x" * 128, ".hidden", "a\n"])
def test_ids_are_names_and_no_paths(runax, echo, name):
    bundle = runax.bundle("b", echo)
    assert "container id" in runax.refused("create", "--bundle", bundle, name)
    assert "container id" in runax.refused("delete", "--force", name)
    assert runax.list() == []


def test_the_state_directory_may_lie_deep(tmp_path, echo):
    folder = tmp_path / ("d" * 100)
    folder.mkdir(parents=True)
    with Runax(folder) as runax:
        output = runax.create("x" * 127, runax.bundle("b", echo))
        runax.ok("start", "x" * 127)
        wait_text(output, "ready")
    assert runax.left() == []


def test_a_damaged_state_is_said_and_can_be_removed(runax, echo):
    runax.create("c1", runax.bundle("b", echo))
    pid = runax.state("c1")["pid"]
    path = os.path.join(runax.root, "c1", "state.json")
    good = text_of(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(good[:-20])
    assert "line" in runax.refused("state", "c1")
    assert "line" in runax.refused("delete", "c1")
    assert runax.list() == []
    with open(path, "w", encoding="utf-8") as file:
        file.write(good)
    assert runax.state("c1")["pid"] == pid
    with open(path, "w", encoding="utf-8") as file:
        file.write(good[:-20])
    runax.ok("delete", "--force", "c1")
    until(lambda: not is_alive(pid), 10, "the monitor's end")


def test_a_reboot_ends_everything(runax, echo):
    """What the disk says after a reboot: state directories, but no monitor with that pid."""
    output = runax.create("c1", runax.bundle("b", echo))
    runax.ok("start", "c1")
    wait_text(output, "ready")
    path = os.path.join(runax.root, "c1", "state.json")
    state = json.loads(text_of(path))
    os.kill(state["pid"], 9)
    until(lambda: runax.status("c1") == "stopped", 10)
    state["pid"] = os.getpid()  # the number belongs to another process now
    with open(path, "w", encoding="utf-8") as file:
        json.dump(state, file)
    assert runax.status("c1") == "stopped"
    assert "not running" in runax.refused("kill", "c1", "KILL")
    assert runax.ok("reconcile").strip() == "1 released"
    runax.ok("delete", "c1")


def test_a_checkpoint_goes_on_where_it_was(runax, tmp_path):
    image = pack_os(tmp_path / "os.img", "--jobs", 40, "--exit", "semihosting", "--trace")
    bundle = runax.bundle("b", image)
    output = runax.create("c1", bundle)
    runax.ok("start", "c1")
    wait_text(output, " completed cruise-control 2 ")
    runax.ok("pause", "c1")  # as containerd does
    runax.ok("checkpoint", "--image-path", tmp_path / "ck", "--work-path", tmp_path, "c1")
    assert runax.wait("c1", "stopped")["exitCode"] == 137
    runax.ok("delete", "c1")
    first = text_of(output)
    with open(tmp_path / "again", "wb") as file:
        done = subprocess.run(
            [*runax.command, "restore", "--image-path", str(tmp_path / "ck"), "--work-path",
             str(tmp_path), "--detach", "--pid-file", str(tmp_path / "pid"), "-no-subreaper",
             "--bundle", bundle, "c2"], stdin=subprocess.DEVNULL, stdout=file,
            stderr=subprocess.STDOUT, timeout=60, check=False)
    assert done.returncode == 0, runax.last_error()
    assert runax.wait("c2", "stopped")["exitCode"] == 0
    second = text_of(tmp_path / "again")
    assert "axcan os: started" not in second, "it did not boot again"
    done = [line.split()[4] for line in (first + second).splitlines() if " completed " in line]
    assert len(done) == len(set(done)), "no job ran twice"
    assert "FINISHED" in second
    with open(tmp_path / "ck" / "hv-qemu.state", "r+b") as file:
        file.truncate(1000)
    error = runax.refused("restore", "--image-path", tmp_path / "ck", "--bundle", bundle, "c3")
    assert "QEMU" in error
    assert "does not exist" in runax.refused("state", "c3")
