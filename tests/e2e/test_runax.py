# SPDX-License-Identifier: Apache-2.0
"""runax as an engine calls it: every verb, every ending, and what is left afterwards (nothing)."""
import array
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
from conftest import is_alive, until
from runax import Runax, build_echo, has_kvm, pack_os, script_guest, text_of, wait_text


@pytest.fixture(scope="module")
def guests(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guests")
    return {"echo": build_echo(folder / "echo.elf"),
            "os": pack_os(folder / "os.img", "--jobs", 3, "--exit", "semihosting"),
            "late": pack_os(folder / "late.img", "--time-limit", "50ms", "--exit", "semihosting")}


@pytest.fixture
def runax(tmp_path):
    with Runax(tmp_path) as one:
        yield one
    assert one.left() == []


def talk(child, data, wanted):
    """Writes to the guest and reads until it has answered."""
    child.stdin.write(data)
    seen = b""
    while wanted not in seen:
        more = os.read(child.stdout.fileno(), 4096)
        assert more, seen
        seen += more
    return seen


def test_a_container_goes_through_all_its_states(runax, guests):
    output = runax.create("c1", runax.bundle("b", guests["os"]))
    state = runax.state("c1")
    assert (state["status"], state["id"], state["hypervisor"]) == ("created", "c1", "qemu")
    assert text_of(output) == "", "nothing runs before start"
    pid = int(text_of(output + ".pid"))
    assert pid == state["pid"] and is_alive(pid)
    assert json.loads(runax.ok("ps", "--format", "json", "c1")) == [pid]
    runax.ok("start", "c1")
    ended = runax.wait("c1", "stopped")
    assert (ended["exitCode"], ended["pid"]) == (0, 0)
    assert "FINISHED released=3" in text_of(output)
    assert "container not running" in runax.refused("kill", "c1", "KILL")
    assert "stopped state" in runax.refused("start", "c1")
    runax.ok("delete", "c1")
    assert "does not exist" in runax.refused("state", "c1")
    assert "does not exist" in runax.refused("delete", "c1")
    runax.ok("delete", "--force", "c1")


def test_run_ends_with_the_exit_code_of_the_guest(runax, guests):
    for image, wanted in ((guests["os"], 0), (guests["late"], 2)):
        done = runax.run("run", "--bundle", runax.bundle("b%d" % wanted, image), "c%d" % wanted)
        assert done.returncode == wanted, done


@pytest.mark.parametrize("letter, code", [(b"q", 7), (b"o", 0), (b"r", 134)])
def test_the_guest_ends_by_itself(runax, guests, letter, code):
    child = runax.spawn("run", "--bundle", runax.bundle("b", guests["echo"]), "c1")
    talk(child, b"ab", b"ready\nab")
    talk(child, letter, letter)
    assert child.wait(30) == code


def test_only_created_containers_start_and_only_stopped_ones_are_deleted(runax, guests):
    runax.create("c1", runax.bundle("b", guests["echo"]))
    assert "not running" in runax.refused("pause", "c1")
    assert "not stopped: created" in runax.refused("delete", "c1")
    assert "exists: c1" in runax.refused("create", "--bundle", runax.dir + "/bundles/b", "c1")
    runax.ok("start", "c1")
    assert "started already" in runax.refused("start", "c1")
    assert "not stopped: running" in runax.refused("delete", "c1")
    assert "not paused" in runax.refused("resume", "c1")
    runax.ok("delete", "-f", "c1")


def test_a_paused_guest_does_not_move(runax, guests):
    output = runax.create("c1", runax.bundle("b", guests["echo"]), stdin=subprocess.DEVNULL)
    runax.ok("start", "c1")
    wait_text(output, "ready")
    runax.ok("pause", "c1")
    assert runax.status("c1") == "paused"
    before = json.loads(runax.ok("events", "--stats", "c1"))
    assert before["type"] == "stats" and before["data"]["memory"]["usage"]["usage"] > 0
    assert "not running" in runax.refused("pause", "c1")
    runax.ok("resume", "c1")
    assert runax.status("c1") == "running"
    runax.ok("kill", "c1", "9")
    assert runax.wait("c1", "stopped")["exitCode"] == 137


@pytest.mark.parametrize("text, code", [("KILL", 137), ("SIGTERM", 143), ("15", 143), ("int", 130),
                                        ("SIGRTMIN+3", 165)])
def test_signals_end_it_with_the_code_that_engines_expect(runax, guests, text, code):
    output = runax.create("c1", runax.bundle("b", guests["echo"]))
    runax.ok("start", "c1")
    wait_text(output, "ready")
    pid = runax.state("c1")["pid"]
    runax.ok("kill", "c1", text)
    until(lambda: not is_alive(pid), 10, "the monitor's end")
    assert runax.state("c1")["exitCode"] == code
    runax.ok("kill", "--all", "c1", "9")  # what engines do after the end


def test_signals_without_a_meaning_are_refused(runax, guests):
    runax.create("c1", runax.bundle("b", guests["echo"]))
    assert "means nothing" in runax.refused("kill", "c1", "USR1")
    assert "unknown signal" in runax.refused("kill", "c1", "SIGNOTHING")
    runax.ok("kill", "c1", "0")
    runax.ok("kill", "c1", "WINCH")
    assert runax.status("c1") == "created"
    runax.ok("kill", "c1")  # TERM before start ends it
    assert runax.wait("c1", "stopped")["exitCode"] == 143


def test_a_silent_guest_is_found_hung(runax, guests):
    bundle = runax.bundle("b", guests["echo"], {"dev.axcan.console-silence-ms": "300"})
    child = runax.spawn("run", "--bundle", bundle, "c1")
    talk(child, b"h", b"ready\nh")
    assert child.wait(30) == 124
    with open(runax.log, encoding="utf-8") as file:
        assert "hung: no output for 300 ms" in file.read()


def test_a_hung_guest_may_stay_when_told_so(runax, guests):
    output = runax.create("c1", runax.bundle("b", guests["echo"], {
        "dev.axcan.console-silence-ms": "100", "dev.axcan.hung-is-fatal": "0"}))
    runax.ok("start", "c1")
    wait_text(output, "ready")
    wait_text(runax.log, "hung: no output for 100 ms")
    assert runax.status("c1") == "running"


def test_a_reader_that_does_not_read_never_holds_up_the_guest(runax, guests):
    child = runax.spawn("run", "--bundle", runax.bundle("b", guests["echo"]), "c1")
    fcntl.fcntl(child.stdout, 1031, 4096)  # F_SETPIPE_SZ
    talk(child, b"f", b"ready\nfxx")

    def cpu_ns():
        return json.loads(runax.ok("events", "--stats", "c1"))["data"]["cpu"]["usage"]["total"]

    before = cpu_ns()
    until(lambda: cpu_ns() > before + 1_000_000_000, 30, "processor time of the flooding guest")
    runax.ok("kill", "c1", "KILL")
    assert b"bytes of output lost" in child.communicate(timeout=30)[0]
    assert child.returncode == 137


def test_the_terminal_goes_to_the_console_socket(runax, guests, tmp_path):
    bundle = runax.bundle("b", guests["echo"], process={"args": ["/os.img"], "terminal": True})
    assert "--console-socket" in runax.refused("create", "--bundle", bundle, "c0")
    path = str(tmp_path / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        runax.create("c1", bundle, "--console-socket", path)
        connection, _ = listener.accept()
        fds = array.array("i", [0])
        _, ancillary, _, _ = connection.recvmsg(100, socket.CMSG_SPACE(4))
        connection.close()
    fds = array.array("i")
    fds.frombytes(ancillary[0][2][:4])
    master = fds[0]
    try:
        runax.ok("start", "c1")
        seen = b""
        while b"ready\r\n" not in seen:
            seen += os.read(master, 100)
        os.write(master, b"aq")
        while b"aq" not in seen:
            seen += os.read(master, 100)
        assert runax.wait("c1", "stopped")["exitCode"] == 7
    finally:
        os.close(master)


def hook(folder, name, code=0):
    """A hook that notes its name and the state it was given."""
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nprintf '%%s ' \"$1\" >>%s/hooks\n/bin/cat >>%s/hooks\necho >>%s/hooks\n"
                   "echo sorry >&2\nexit %d\n" % (folder, folder, folder, code))
    os.chmod(path, 0o755)
    return {"path": path, "args": [name, name], "env": ["PATH=/usr/bin:/bin"], "timeout": 10}


def test_hooks_run_in_order_with_the_state(runax, guests, tmp_path):
    phases = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart",
              "poststop"]
    hooks = {phase: [hook(str(tmp_path), phase)] for phase in phases}
    runax.create("c1", runax.bundle("b", guests["echo"], hooks=hooks))
    runax.ok("start", "c1")
    runax.ok("delete", "--force", "c1")
    lines = text_of(tmp_path / "hooks").splitlines()
    assert [line.split()[0] for line in lines] == phases
    states = [json.loads(line.split(" ", 1)[1]) for line in lines]
    assert [s["status"] for s in states] == ["creating"] * 3 + ["created", "running", "stopped"]
    assert all(s["id"] == "c1" and s["annotations"]["dev.axcan.board"] == "virt" for s in states)
    assert all(s["pid"] > 0 for s in states[:5])


@pytest.mark.parametrize("phase", ["createRuntime", "startContainer", "poststart"])
def test_a_failing_hook_undoes_everything(runax, guests, tmp_path, phase):
    bundle = runax.bundle("b", guests["echo"], hooks={phase: [hook(str(tmp_path), "h", code=3)]})
    if phase == "createRuntime":
        error = runax.refused("create", "--bundle", bundle, "c1")
        assert "does not exist" in runax.refused("state", "c1")
    else:
        runax.create("c1", bundle)
        error = runax.refused("start", "c1")
        assert runax.wait("c1", "stopped")["exitCode"] == 137
    assert phase in error and "exit code 3" in error and "sorry" in error


def test_a_hook_that_hangs_is_ended(runax, guests):
    hooks = {"createRuntime": [{"path": "/bin/sleep", "args": ["sleep", "100"], "timeout": 1}]}
    bundle = runax.bundle("b", guests["echo"], hooks=hooks)
    assert "no end after 1 s" in runax.refused("create", "--bundle", bundle, "c1")


def test_exec_and_update_are_refused_by_name(runax, guests):
    runax.create("c1", runax.bundle("b", guests["echo"]))
    done = runax.run("exec", "--process", "/nothing", "--detach", "c1", "sh", "-c", "true")
    assert done.returncode == 126 and "not permitted" in runax.last_error()
    change = {"linux": None, "cpu": {"shares": 0, "cpus": ""}, "blockIO": {}}
    runax.ok("update", "--resources", "-", "c1", stdin=None, input=json.dumps(change))
    change["memory"] = {"limit": 1 << 30}
    assert '"memory"' in runax.refused("update", "--resources=-", "c1", stdin=None,
                                       input=json.dumps(change))


def test_engines_options_are_understood(runax, guests):
    bundle = runax.bundle("b", guests["echo"])
    reader, writer = os.pipe()
    done = subprocess.run(
        [*runax.command, "--systemd-cgroup", "--debug", "create", "-b", bundle, "--no-pivot",
         "-no-new-keyring", "--preserve-fds=0", "--pid-file", runax.dir + "/pid", "c1"],
        stdin=subprocess.DEVNULL, capture_output=False, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, pass_fds=[writer], timeout=30, check=False)
    os.close(writer)
    assert done.returncode == 0, runax.last_error()
    assert os.read(reader, 1) == b"", "the monitor has closed what leaked into it"
    os.close(reader)
    assert "unknown option" in runax.refused("create", "--nonsense", "c2")
    assert "wants a value" in runax.refused("create", "--bundle")
    assert "usage" in runax.refused("start")
    assert "unknown verb" in runax.refused("frobnicate")
    assert "too many" in runax.refused("start", "a", "b")


def test_it_describes_itself(runax, tmp_path):
    features = json.loads(runax.ok("features"))
    assert features["ociVersionMin"] == "1.0.0" and "poststop" in features["hooks"]
    assert json.loads(features["annotations"].get("x", "{}")) == {}
    assert "qemu" in features["annotations"]["dev.axcan.runax.hypervisors"]
    assert re.match(r"runax version \S+\nspec: 1\.", runax.ok("--version"))
    runax.ok("checkpoint", "--help")  # podman's probe
    runax.ok("spec", "--bundle", tmp_path)
    assert json.loads(text_of(tmp_path / "config.json"))["annotations"]["dev.axcan.board"] == "virt"
    assert "exists" in runax.refused("spec", "--bundle", tmp_path)
    assert runax.ok("list").split() == ["ID", "PID", "STATUS", "HYPERVISOR", "BUNDLE"]


def test_the_monitor_has_its_cgroup_oom_score_and_a_low_memory_use(runax, guests):
    bundle = runax.bundle("b", guests["echo"], linux={"cgroupsPath": "/axcan-test/%d" % os.getpid()},
                          process={"args": ["/os.img"], "oomScoreAdj": 300})
    runax.create("c1", bundle)
    pid = runax.state("c1")["pid"]
    cgroups = text_of("/proc/%d/cgroup" % pid)
    if "/axcan-test/" not in cgroups:
        with open(runax.log, encoding="utf-8") as file:
            assert "cgroup" in file.read(), "either it is in its cgroup or the log says why not"
    assert text_of("/proc/%d/oom_score_adj" % pid).strip() == "300"
    resident = int(re.search(r"VmRSS:\s+(\d+) kB", text_of("/proc/%d/status" % pid)).group(1))
    assert resident <= 3072
    runax.ok("delete", "--force", "c1")
    assert not os.path.isdir("/sys/fs/cgroup/pids/axcan-test/%d" % os.getpid())


def test_a_monitor_killed_takes_the_guest_with_it(runax, guests):
    output = runax.create("c1", runax.bundle("b", guests["echo"]))
    runax.ok("start", "c1")
    wait_text(output, "ready")
    pid = runax.state("c1")["pid"]
    children = text_of("/proc/%d/task/%d/children" % (pid, pid)).split()
    os.kill(pid, signal.SIGKILL)
    ended = runax.wait("c1", "stopped")
    assert (ended["exitCode"], ended["exitReason"]) == (137, "the monitor was killed")
    for child in children:
        until(lambda: not is_alive(int(child)), 10, "the end of the guest's process")
    assert "container not running" in runax.refused("kill", "c1", "TERM")
    runax.ok("delete", "c1")


def test_a_creator_killed_anywhere_leaves_nothing(runax, guests):
    bundle = runax.bundle("b", guests["echo"])
    for step in range(8):
        child = subprocess.Popen([*runax.command, "create", "--bundle", bundle, "c%d" % step],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        time.sleep(0.004 * step)
        child.kill()
        child.wait()
        runax.ok("delete", "--force", "c%d" % step)
    until(lambda: runax.left() == [], 10, "that nothing is left")


def test_two_deletes_and_a_start_at_once(runax, guests):
    """Whoever comes first, the others get one of the specified errors, and nothing is left."""
    for turn in range(5):
        name = "c%d" % turn
        runax.create(name, runax.bundle(name, guests["echo"]))
        children = [runax.spawn(*words) for words in (
            ("start", name), ("delete", "--force", name), ("delete", "--force", name),
            ("kill", name, "9"), ("state", name))]
        for child in children:
            error = child.communicate(timeout=60)[1].decode()
            assert child.returncode == 0 or re.search(
                "does not exist|not running|started already|monitor|stopped state", error), error
    assert runax.list() == []


MACHINES = {"qemu": ("virt", "guest-virt.elf", 0x40000000, 8 << 20),
            "kvm": ("kvm-x86", "guest-kvm-x86.elf", 0, 4 << 20)}


@pytest.fixture(params=sorted(MACHINES))
def machine(request):
    if request.param == "kvm" and not has_kvm():
        pytest.skip("capability:kvm")
    return request.param


def scripted(runax, machine, name, script, channel=False, **watch):
    """A bundle whose image describes itself."""
    board, file, ram, memory = MACHINES[machine]
    image = script_guest(os.path.join(runax.dir, name + ".elf"), file, script)
    bundle = runax.bundle(name, image, {"dev.axcan.board": board, "dev.axcan.hv": machine})
    bri = {"version": 1, "board": board, "isa": "x86_64" if machine == "kvm" else "aarch64",
           "memory": [{"address": ram, "bytes": memory}],
           "images": [{"path": "/os.img", "format": "elf"}], "watch": watch}
    if channel:
        bri["channels"] = [{"name": "host", "bytes": 4096, "address": ram + memory}]
    os.mkdir(bundle + "/rootfs/boot")
    with open(bundle + "/rootfs/boot/axcan.json", "w", encoding="utf-8") as target:
        json.dump(bri, target)
    return bundle


@pytest.mark.parametrize("script, code", [("h e3", 3), ("h o", 0), ("h c", 134)])
def test_every_backend_tells_how_the_guest_ended(runax, machine, script, code):
    done = runax.run("run", "--bundle", scripted(runax, machine, "b", script), "c1")
    assert done.returncode == code, done
    assert "hello from" in done.stdout


def test_a_guest_with_a_channel_is_asked_to_end(runax, machine):
    """TERM becomes a request to the guest, which ends with its own code."""
    address = MACHINES[machine][2] + MACHINES[machine][3]
    bundle = scripted(runax, machine, "b", "a%x w7" % address, channel=True, heartbeat_ms=1000)
    output = runax.create("c1", bundle)
    runax.ok("start", "c1")
    wait_text(output, "beating")
    pid = runax.state("c1")["pid"]

    def heartbeat():
        return json.loads(runax.ok("events", "--stats", "c1"))["data"]["partition"]["heartbeat"]

    first = heartbeat()
    until(lambda: heartbeat() > first, 10, "more heartbeats")
    runax.ok("kill", "c1", "TERM")
    until(lambda: not is_alive(pid), 10, "the monitor's end")
    assert runax.state("c1")["exitCode"] == 7
    assert "bye" in text_of(output)


def test_a_guest_whose_heart_stops_is_ended(runax, machine):
    bundle = scripted(runax, machine, "b", "h l", channel=True, heartbeat_ms=300)
    done = runax.run("run", "--bundle", bundle, "c1")
    assert done.returncode == 124, done
    assert "no heartbeat for 300 ms" in text_of(runax.log)


def test_a_guest_that_does_not_listen_is_ended_after_its_grace(runax, machine):
    bundle = scripted(runax, machine, "b", "h l", channel=True)
    config = json.loads(text_of(bundle + "/config.json"))
    config["annotations"]["dev.axcan.stop-grace-ms"] = "200"
    with open(bundle + "/config.json", "w", encoding="utf-8") as file:
        json.dump(config, file)
    output = runax.create("c1", bundle)
    runax.ok("start", "c1")
    wait_text(output, "hello")
    runax.ok("kill", "c1", "TERM")
    assert runax.wait("c1", "stopped")["exitCode"] == 143


def test_every_backend_pauses(runax, machine):
    output = runax.create("c1", scripted(runax, machine, "b", "h t9999"))
    runax.ok("start", "c1")
    wait_text(output, "tick 2\n")
    runax.ok("pause", "c1")
    first = json.loads(runax.ok("events", "--stats", "c1"))["data"]["cpu"]["usage"]["total"]
    assert runax.status("c1") == "paused"
    time.sleep(0.1)
    second = json.loads(runax.ok("events", "--stats", "c1"))["data"]["cpu"]["usage"]["total"]
    assert second - first < 80_000_000, "the paused guest gets no processor time"
    count = text_of(output).count("tick")
    runax.ok("resume", "c1")
    until(lambda: text_of(output).count("tick") > count, 10, "ticks after the pause")
