# SPDX-License-Identifier: Apache-2.0
"""`axcan image os`: what it packs, what it refuses, and that it boots and ends as told."""
import json
import os
import subprocess

import pytest
from conftest import BUILD, axcan, until

CRUISE = os.path.join(BUILD, "tasks", "cruise.axi")
RADAR = os.path.join(BUILD, "tasks", "radar.axi")
MACHINES = {"virt": ["-M", "virt", "-cpu", "cortex-a53", "-m", "128"],
            "zcu102": ["-M", "xlnx-zcu102", "-m", "512"]}


def pack(path, *options):
    result = axcan("image", "os", *options, "-o", path)
    assert result.code == 0, repr(result)
    return path


def refused(*arguments, code=1, env=None):
    result = axcan("image", *arguments, env=env)
    assert result.code == code, repr(result)
    return result.err


def boot(image, board, tmp_path):
    """Exit code and console; time is counted in instructions, so a second takes an instant."""
    console = tmp_path / "console"
    done = subprocess.run(
        ["qemu-system-aarch64", *MACHINES[board], "-nodefaults", "-display", "none",
         "-semihosting-config", "enable=on,target=native", "-icount", "shift=3,sleep=off",
         "-serial", "file:%s" % console, "-kernel", str(image)],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return done.returncode, console.read_text(encoding="ascii", errors="replace")


@pytest.mark.parametrize("board", ["virt", "zcu102"])
@pytest.mark.parametrize("kind", ["img", "elf"])
def test_it_boots_runs_its_tasks_and_ends_with_an_exit_code(board, kind, tmp_path):
    image = pack(tmp_path / ("os." + kind), "--board", board, "--task", CRUISE, "--task",
                 "second=" + CRUISE, "--jobs", 5, "--trace", "--exit", "semihosting")
    code, console = boot(image, board, tmp_path)
    assert code == 0, console
    finished = [line.split() for line in console.splitlines() if line.startswith("S ")]
    assert {line[1]: line[4] for line in finished} == {"cruise-control": "completed=5",
                                                       "second": "completed=5"}, console
    assert sum(" completed " in line for line in console.splitlines() if line[:2] == "T ") == 10


def test_the_exit_code_says_when_the_time_limit_came_first(tmp_path):
    image = pack(tmp_path / "os.img", "--task", CRUISE, "--time-limit", "100ms", "--exit",
                 "semihosting")
    code, console = boot(image, "virt", tmp_path)
    assert code == 2, console


def test_without_semihosting_it_switches_the_machine_off(tmp_path):
    code, console = boot(pack(tmp_path / "os.img", "--task", CRUISE, "--jobs", 1), "virt", tmp_path)
    assert code == 0 and "completed=1" in console


def test_a_damaged_configuration_stops_the_kernel_with_its_reason(tmp_path):
    image = pack(tmp_path / "os.img", "--task", CRUISE, "--exit", "semihosting")
    data = bytearray(image.read_bytes())
    data[-100] ^= 1
    image.write_bytes(data)
    result = axcan("inspect", image)
    assert result.code == 1 and "BOOT_CRC" in result.err
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["qemu-system-aarch64", *MACHINES["virt"], "-nodefaults", "-display", "none",
                        "-serial", "file:%s" % (tmp_path / "console"), "-kernel", str(image)],
                       timeout=3, stdin=subprocess.DEVNULL)
    assert "BOOT_CRC" in (tmp_path / "console").read_text()


def test_inspect_shows_what_is_inside(tmp_path):
    for name in ("os.img", "os.elf"):
        image = pack(tmp_path / name, "--task", CRUISE, "--wcet", "cruise-control=2ms", "--trace",
                     "--time-limit", "5s")
        shown = json.loads(axcan("inspect", image, "-o", "json").out)
        assert (shown["board"], shown["format"]) == ("virt", "elf" if name == "os.elf" else "raw")
        config = shown["config"]
        assert (config["network"], config["trace"], config["time_limit_ns"]) == ("none", True, 5 * 10**9)
        task = config["tasks"][0]
        assert (task["name"], task["wcet_ns"], task["error"]) == ("cruise-control", 2000000, "")
        entry = next(e for e in json.loads(axcan("inspect", CRUISE, "-o", "json").out)["entries"]
                     if e["isa"] == "aarch64")
        assert task["digest"] == entry["digest"]
        assert "cruise-control" in axcan("inspect", image).out


def test_an_ecu_image_names_its_clock(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    ecu = ["image", "ecu", "--name", "e1", "--master", "10.0.0.1:7400", "--token-file", token, "--dhcp",
           "-o", tmp_path / "n.img"]
    for options, clock in [((), ("master", 0)), (("--clock", "ptp"), ("ptp", 0)),
                           (("--clock", "ptp,domain=7", "--clock-bound", "2ms"), ("ptp", 7))]:
        assert axcan(*ecu, *options).code == 0
        config = json.loads(axcan("inspect", tmp_path / "n.img", "-o", "json").out)["config"]
        assert (config["clock"], config["clock_domain"]) == clock


def test_the_same_input_gives_the_same_bytes(tmp_path):
    one = pack(tmp_path / "a.img", "--task", CRUISE, "--task", RADAR).read_bytes()
    assert one == pack(tmp_path / "b.img", "--task", CRUISE, "--task", RADAR).read_bytes()


def test_what_cannot_be_packed_is_refused(tmp_path):
    out = str(tmp_path / "os.img")
    linux_only = str(tmp_path / "x86.axi")
    source = os.path.join(os.path.dirname(__file__), "tasks", "tally.c")
    assert axcan("build", source, "-o", linux_only, "--isa", "x86_64").code == 0
    assert "'os'" in refused("rtos", code=2)
    assert "'os'" in refused(code=2)
    assert "-o FILE" in refused("os", "--task", CRUISE, code=2)
    assert "--task" in refused("os", "-o", out, code=2)
    assert "virt, zcu102" in refused("os", "--task", CRUISE, "--board", "pi", "-o", out, code=2)
    assert "semihosting" in refused("os", "--task", CRUISE, "--exit", "crash", "-o", out, code=2)
    assert "config" in refused("os", "--task", CRUISE, "--format", "zip", "-o", out, code=2)
    assert "--capacity" in refused("os", "--task", CRUISE, "--capacity", 0, "-o", out, code=2)
    assert "NAME=TIME" in refused("os", "--task", CRUISE, "--wcet", "cruise-control=soon", "-o", out,
                                  code=2)
    assert "no --task is named cruise" in refused("os", "--task", CRUISE, "--wcet", "cruise=2ms",
                                                  "-o", out)
    assert "NOENT" in refused("os", "--task", "nothing.axi", "-o", out)
    assert "ADMIT_PLATFORM" in refused("os", "--task", linux_only, "-o", out)
    assert "NAME=IMAGE" in refused("os", "--task", CRUISE, "--task", CRUISE, "-o", out)
    assert "make build" in refused("os", "--task", CRUISE, "-o", out,
                                   env={"AXCAN_OS": str(tmp_path)})
    (tmp_path / "axcan-os-virt.bin").write_bytes(b"no kernel" * 100)
    assert "IMAGE_OS_LAYOUT" in refused("os", "--task", CRUISE, "-o", out,
                                        env={"AXCAN_OS": str(tmp_path)})
    assert not os.path.exists(out)


def test_a_node_image_joins_its_cluster_by_dhcp(own_cluster, tmp_path):
    cluster = own_cluster(0, "--lease-ms", 2000)
    port = cluster.master_port()
    image = tmp_path / "node.img"
    result = axcan("image", "ecu", "--name", "field1", "--master", "10.0.2.2:%d" % port,
                   "--token-file", os.path.join(cluster.dir, "token"), "--dhcp", "--mac",
                   "02:00:00:00:00:77", "--slots", 4, "-o", image)
    assert result.code == 0, repr(result)
    assert os.stat(image).st_mode & 0o077 == 0  # the token is inside
    with open(os.path.join(cluster.dir, "token"), encoding="ascii") as file:
        assert file.read().strip() not in axcan("inspect", image, "-o", "json").out
    qemu = subprocess.Popen(
        ["qemu-system-aarch64", *MACHINES["virt"], "-nodefaults", "-display", "none", "-serial",
         "file:%s" % (tmp_path / "console"), "-netdev", "user,id=n", "-device",
         "virtio-net-device,netdev=n", "-kernel", str(image)], stdin=subprocess.DEVNULL)
    try:
        node = until(lambda: next((n for n in cluster.json("nodes") if n["state"] == "ready"), None),
                     20, "the node joins")
        assert (node["name"], node["id"], node["slots"]) == ("field1", "020000000077", 4)
        assert node["address"].startswith("10.0.2.")
        cluster.ok("deploy", os.path.join(BUILD, "tasks", "neural.axi"), "--wcet", "axcan-virt=140ms")
        cluster.wait_jobs("scene-classifier", 3)
        cluster.ok("delete", "scene-classifier")
    finally:
        qemu.kill()
        qemu.wait()


def test_a_node_image_is_refused_with_what_is_wrong(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o600)
    good = {"--name": "e1", "--master": "10.0.0.1:7400", "--token-file": token,
            "--address": "10.0.0.2/24", "-o": tmp_path / "n.img"}

    def wrong(text, code=2, **changes):
        options = dict(good, **{"--" + key.replace("_", "-"): value for key, value in changes.items()})
        words = [word for key, value in options.items() if value is not None for word in (key, value)]
        assert text in refused("ecu", *words, code=code)
        assert not os.path.exists(tmp_path / "n.img")

    wrong("needed", name=None)
    wrong("[a-z]", name="E1")
    wrong("a.b.c.d:PORT", master="master:7400")
    wrong("a.b.c.d:PORT", master="10.0.0.1")
    wrong("--dhcp or --address", address=None)
    wrong("PREFIX", address="10.0.0.2")
    wrong("PREFIX", address="10.0.0.2/31")
    wrong("IPv4", address="10.0.0/24")
    wrong("IPv4", gateway="gate")
    wrong("--mac", mac="01:00:00:00:00:01")
    wrong("--mac", mac="02:00:00:00:00")
    wrong("BUDGET/PERIOD", server="2ms")
    wrong("budget <= period", server="20ms/10ms")
    wrong("--io", io="speed=udp:1")
    wrong("--slots", slots=0)
    wrong("master, ptp", clock="ptp4l")
    wrong("0 to 255", clock="ptp,domain=256")
    wrong("times", clock="ptp", clock_bound="soon")
    wrong("virt, zcu102", board="pi")
    wrong("0600", code=1, token_file=tmp_path / "nothing")
    token.chmod(0o644)
    wrong("0600", code=1)
