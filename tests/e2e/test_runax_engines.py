# SPDX-License-Identifier: Apache-2.0
"""Partitions under real engines, each with private directories: containerd (ctr) and podman. They
must run, log, stop, pause, restart and remove one, and nothing may be left."""
import json
import os
import pty
import select
import shutil
import subprocess

import pytest
from conftest import ROOT, axcan, is_alive, until
from runax import CRUISE, RUNAX, build_echo, has_kvm, pack_os, script_guest, text_of


def call(command, env, timeout=60, **options):
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run([str(word) for word in command], env=dict(os.environ, **env),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=timeout, check=False, **options)


def wrapper(folder):
    """Engines give a runtime no options of ours: its journal must not be the machine's here."""
    path = os.path.join(folder, "runax")
    with open(path, "w", encoding="utf-8") as file:
        file.write("#!/bin/sh\nexec %s --resources %s/resources \"$@\"\n" % (RUNAX, folder))
    os.chmod(path, 0o755)
    return path


def left(folder):
    """Journal entries, state directories and processes of partitions."""
    found = [name for name in os.listdir(os.path.join(folder, "resources"))
             if not name.startswith(".") and name != "lock"]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                words = file.read()
        except OSError:
            continue
        if folder.encode() + b"/resources" in words and int(pid) != os.getpid():
            found.append("process %s %r" % (pid, words))
    return found


def engines():
    """Both need root, and their packages."""
    return os.geteuid() == 0 and all(map(shutil.which, ("containerd", "ctr", "podman", "conmon")))


pytestmark = pytest.mark.skipif(not engines(), reason="capability:container-engines")
with_kvm = pytest.mark.skipif(not has_kvm(), reason="capability:kvm")


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """An OCI layout with the images os (ends by itself, exit code 2) and echo (stays)."""
    folder = str(tmp_path_factory.mktemp("layout"))
    guests = {"os": pack_os(folder + "/os.img", "--time-limit", "50ms", "--exit", "semihosting"),
              "echo": build_echo(folder + "/echo.elf"),
              "kvm": script_guest(folder + "/kvm.elf", "guest-kvm-x86.elf", "h t50 e3")}
    images = folder + "/images"
    subprocess.run(["umoci", "init", "--layout", images], check=True, capture_output=True)
    for name, guest in guests.items():
        image, unpacked = "%s:%s" % (images, name), "%s/%s" % (folder, name)
        for step in (["umoci", "new", "--image", image],
                     ["umoci", "unpack", "--image", image, unpacked],
                     ["cp", guest, unpacked + "/rootfs/os.img"],
                     ["umoci", "repack", "--image", image, unpacked],
                     ["umoci", "config", "--image", image, "--config.entrypoint", "/os.img"]):
            subprocess.run(step, check=True, capture_output=True, timeout=60)
    return images


class Containerd:
    def __init__(self, folder, layout):
        self.folder = folder
        self.runtime = wrapper(folder)
        self.env = {"CONTAINERD_ADDRESS": folder + "/sock"}
        with open(folder + "/config.toml", "w", encoding="utf-8") as file:
            file.write('version = 2\nroot = "%s/root"\nstate = "%s/state"\n'
                       'disabled_plugins = ["io.containerd.grpc.v1.cri", '
                       '"io.containerd.snapshotter.v1.devmapper"]\n'
                       '[grpc]\n  address = "%s/sock"\n[ttrpc]\n  address = "%s/sock.ttrpc"\n' %
                       (folder, folder, folder, folder))
        self.start()
        tar = folder + "/images.tar"
        subprocess.run(["tar", "-C", layout, "-cf", tar, "."], check=True)
        self.ok("image", "import", "--snapshotter", "native", "--base-name", "test/os", tar)

    def start(self):
        with open(self.folder + "/log", "a", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(["containerd", "-c", self.folder + "/config.toml"],
                                           stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(lambda: call(["ctr", "version"], self.env).returncode == 0, 20, "containerd")

    def stop(self, is_killed=False):
        self.daemon.kill() if is_killed else self.daemon.terminate()
        self.daemon.wait(20)

    def run(self, *words, **options):
        return call(["ctr", *words], self.env, **options)

    def ok(self, *words, **options):
        done = self.run(*words, **options)
        assert done.returncode == 0, (words, done, text_of(self.folder + "/log")[-2000:])
        return done.stdout

    def run_words(self, *options, board="virt"):
        return ["run", "--snapshotter", "native", "--runc-binary", self.runtime, "--runc-root",
                self.folder + "/runax-root", "--annotation", "dev.axcan.board=" + board, *options]

    def task(self, name):
        """PID and status."""
        for line in self.ok("task", "ls").splitlines()[1:]:
            if line.split()[0] == name:
                return line.split()[1:3]
        return None, None

    def status(self, name):
        return self.task(name)[1]

    def close(self):
        for line in self.run("task", "ls").stdout.splitlines()[1:]:
            self.run("task", "rm", "--force", line.split()[0])
        for name in self.run("container", "ls", "-q").stdout.split():
            self.run("container", "rm", name)
        self.stop()


@pytest.fixture(scope="module")
def containerd(tmp_path_factory, layout):
    one = Containerd(str(tmp_path_factory.mktemp("c")), layout)
    yield one
    one.close()
    until(lambda: left(one.folder) == [], 10, "that nothing is left: %r" % left(one.folder))


def test_ctr_runs_it_in_the_foreground(containerd):
    done = containerd.run(*containerd.run_words("--rm", "test/os:os", "front"))
    assert done.returncode == 2, done
    assert "axcan os: board=virt" in done.stdout and "cruise-control" in done.stdout
    assert containerd.ok("container", "ls", "-q") == ""


def test_ctr_runs_pauses_kills_and_removes_it_detached(containerd):
    log = containerd.folder + "/back.log"
    containerd.ok(*containerd.run_words("-d", "--log-uri", "file://" + log, "test/os:echo", "back"))
    until(lambda: "ready" in text_of(log), 20, "the guest's output in the log")
    assert containerd.status("back") == "RUNNING"
    containerd.ok("task", "pause", "back")
    assert containerd.status("back") == "PAUSED"
    containerd.ok("task", "resume", "back")
    assert containerd.status("back") == "RUNNING"
    pids = containerd.ok("task", "ps", "back").splitlines()
    assert len(pids) == 2, "the monitor and nothing else"
    done = containerd.run("task", "exec", "--exec-id", "e", "back", "sh")
    assert done.returncode != 0 and "exec is not possible" in done.stderr
    containerd.ok("task", "metrics", "back")
    containerd.ok("task", "kill", "--signal", "SIGTERM", "back")
    until(lambda: containerd.status("back") == "STOPPED", 20)
    done = containerd.run("task", "rm", "back")
    assert "143" in done.stdout + done.stderr or done.returncode in (0, 143), done
    containerd.ok("container", "rm", "back")


@with_kvm
def test_ctr_runs_it_under_kvm(containerd):
    done = containerd.run(*containerd.run_words(
        "--rm", "--annotation", "dev.axcan.hv=kvm", "test/os:kvm", "kvm", board="kvm-x86"))
    assert done.returncode == 3 and "tick 49" in done.stdout, done


def test_ctr_checkpoints_it(containerd):
    log = containerd.folder + "/checkpoint.log"
    containerd.ok(*containerd.run_words("-d", "--log-uri", "file://" + log, "test/os:echo", "one"))
    until(lambda: "ready" in text_of(log), 20, "the guest's output in the log")
    containerd.ok("task", "checkpoint", "--image-path", containerd.folder + "/saved", "one")
    assert os.listdir(containerd.folder + "/saved") != []
    assert containerd.status("one") == "RUNNING"
    containerd.ok("task", "kill", "--signal", "SIGKILL", "one")
    until(lambda: containerd.status("one") == "STOPPED", 20)
    containerd.run("task", "rm", "one")
    containerd.ok("container", "rm", "one")


def test_ctr_says_why_a_container_cannot_be_created(containerd):
    done = containerd.run(*containerd.run_words("--rm", "--annotation", "dev.axcan.image=/no.img",
                                                "test/os:os", "bad"))
    assert done.returncode != 0 and "/no.img" in done.stderr and "No such file" in done.stderr
    containerd.run("container", "rm", "bad")
    assert left(containerd.folder) == []


def read_until(fd, wanted, seconds=20):
    seen = b""
    while wanted not in seen:
        assert select.select([fd], [], [], seconds)[0], seen
        seen += os.read(fd, 4096)
    return seen


def test_ctr_gives_it_a_terminal(containerd):
    master, slave = pty.openpty()
    words = ["ctr", *containerd.run_words("--rm", "-t", "test/os:echo", "tty")]
    child = subprocess.Popen(words, env=dict(os.environ, **containerd.env), stdin=slave,
                             stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    try:
        read_until(master, b"ready\r")  # ctr's raw mode adds a second CR
        os.write(master, b"xq")
        read_until(master, b"xq")
        assert child.wait(20) == 7
    finally:
        os.close(master)
        child.kill()
        child.wait()


def test_it_survives_the_end_of_its_engine(containerd):
    containerd.ok(*containerd.run_words("-d", "--log-uri", "file://" + containerd.folder + "/s.log",
                                        "test/os:echo", "stays"))
    pid = int(containerd.task("stays")[0])
    containerd.stop(is_killed=True)
    assert is_alive(pid)
    containerd.start()
    assert containerd.status("stays") == "RUNNING"
    containerd.ok("task", "kill", "--signal", "SIGKILL", "stays")
    until(lambda: containerd.status("stays") == "STOPPED", 20)
    containerd.run("task", "rm", "stays")
    containerd.ok("container", "rm", "stays")
    assert not is_alive(pid)


class Podman:
    def __init__(self, folder, layout, names=("os", "echo", "kvm")):
        self.folder = folder
        wrapper(folder)
        with open(folder + "/storage.conf", "w", encoding="utf-8") as file:
            file.write('[storage]\ndriver = "vfs"\ngraphroot = "%s/root"\nrunroot = "%s/run"\n' %
                       (folder, folder))
        drop_in = text_of(os.path.join(ROOT, "docs", "examples", "podman-runax.conf"))
        assert "runax" in drop_in
        with open(folder + "/containers.conf", "w", encoding="utf-8") as file:
            file.write(drop_in.replace("/usr/local/bin/runax", folder + "/runax").replace(
                "[engine]", '[engine]\ntmp_dir = "%s/tmp"\nevents_logger = "file"\n'
                'cgroup_manager = "cgroupfs"' % folder) +
                       '\n[containers]\ndefault_ulimits = []\n')
        self.env = {"CONTAINERS_STORAGE_CONF": folder + "/storage.conf",
                    "CONTAINERS_CONF": folder + "/containers.conf"}
        for name in names:
            done = call(["skopeo", "--insecure-policy", "copy", "oci:%s:%s" % (layout, name),
                         "containers-storage:localhost/%s:latest" % name], self.env)
            assert done.returncode == 0, done

    def run(self, *words, **options):
        return call(["podman", *words], self.env, **options)

    def ok(self, *words, **options):
        done = self.run(*words, **options)
        assert done.returncode == 0, (words, done)
        return done.stdout.strip()

    def run_words(self, *options, board="virt"):
        return ["run", "--runtime", "runax", "--pull=never", "--network=none", "--annotation",
                "dev.axcan.board=" + board, *options]

    def inspect(self, name, path):
        return self.ok("inspect", "--format", "{{.%s}}" % path, name)

    def close(self):
        self.run("rm", "--all", "--force", "--time", "0")


@pytest.fixture(scope="module")
def podman(tmp_path_factory, layout):
    one = Podman(str(tmp_path_factory.mktemp("p")), layout)
    yield one
    one.close()
    until(lambda: left(one.folder) == [], 10, "that nothing is left: %r" % left(one.folder))
    shutil.rmtree(one.folder + "/root", ignore_errors=True)


def test_podman_runs_it_in_the_foreground(podman):
    done = podman.run(*podman.run_words("--rm", "localhost/os"))
    assert done.returncode == 2, done
    assert "axcan os: board=virt" in done.stdout and "cruise-control" in done.stdout
    assert podman.ok("ps", "--all", "--quiet") == ""


def test_podman_gives_it_stdin(podman):
    done = podman.run(*podman.run_words("--rm", "-i", "localhost/echo"), stdin=None, input="abcq")
    assert done.returncode == 7 and "abcq" in done.stdout, done


def test_podman_gives_it_a_terminal(podman):
    master, slave = pty.openpty()
    child = subprocess.Popen(["podman", *podman.run_words("--rm", "-it", "localhost/echo")],
                             env=dict(os.environ, **podman.env), stdin=slave, stdout=slave,
                             stderr=slave, start_new_session=True)
    os.close(slave)
    try:
        read_until(master, b"ready\r\n")
        os.write(master, b"xq")
        read_until(master, b"xq")
        assert child.wait(20) == 7
    finally:
        os.close(master)
        child.kill()
        child.wait()


def test_podman_logs_pauses_stops_starts_and_removes_it(podman):
    podman.ok(*podman.run_words("-d", "--name", "back", "localhost/echo"))
    until(lambda: "ready" in podman.ok("logs", "back"), 20)
    assert podman.inspect("back", "State.Status") == "running"
    podman.ok("pause", "back")
    assert podman.inspect("back", "State.Status") == "paused"
    podman.ok("unpause", "back")
    done = podman.run("exec", "back", "sh")
    assert done.returncode == 126 and "not possible" in done.stderr, done
    podman.ok("stop", "--time", "5", "back")
    assert podman.inspect("back", "State.Status") == "exited"
    assert podman.inspect("back", "State.ExitCode") == "143"
    podman.ok("start", "back")
    until(lambda: podman.ok("logs", "back").count("ready") == 2, 20)
    podman.ok("restart", "--time", "0", "back")
    until(lambda: podman.ok("logs", "back").count("ready") == 3, 20)
    podman.ok("kill", "back")
    until(lambda: podman.inspect("back", "State.Status") == "exited", 20)
    assert podman.inspect("back", "State.ExitCode") == "137"
    podman.ok("rm", "back")
    events = podman.ok("events", "--stream=false", "--filter", "container=back", "--format",
                       "{{.Status}}").split()
    assert {"create", "start", "pause", "unpause", "died", "remove"} <= set(events), events


@with_kvm
def test_podman_runs_stops_and_restarts_it_under_kvm(podman):
    podman.ok(*podman.run_words("-d", "--name", "kvm", "localhost/kvm", board="kvm-x86"))
    until(lambda: "tick 0" in podman.ok("logs", "kvm"), 20)
    podman.ok("pause", "kvm")
    podman.ok("unpause", "kvm")
    podman.ok("restart", "--time", "0", "kvm")
    assert podman.ok("wait", "kvm") == "3"
    assert "tick 49" in podman.ok("logs", "kvm")
    podman.ok("rm", "kvm")


def test_podman_restarts_it_by_policy(podman):
    podman.ok(*podman.run_words("-d", "--name", "again", "--restart", "on-failure:2",
                                "localhost/os"))
    until(lambda: podman.ok("logs", "again").count("axcan os: started") == 3, 40,
          "two restarts after the exit code 2")
    until(lambda: podman.inspect("again", "State.Status") == "exited", 20)
    assert podman.inspect("again", "State.ExitCode") == "2"
    podman.ok("rm", "again")


def test_podman_says_why_a_container_cannot_be_created(podman):
    done = podman.run(*podman.run_words("--rm", "--annotation", "dev.axcan.hv=jailhouse",
                                        "localhost/os"))
    assert done.returncode != 0 and "jailhouse" in done.stderr, done
    done = podman.run(*podman.run_words("--rm", "--annotation", "dev.axcan.memory=lots",
                                        "localhost/os"))
    assert done.returncode != 0 and "dev.axcan.memory" in done.stderr, done
    assert left(podman.folder) == []


def test_podman_removes_what_is_running(podman):
    name = podman.ok(*podman.run_words("-d", "localhost/echo"))
    pid = int(podman.inspect(name, "State.Pid"))
    assert json.loads(podman.ok("inspect", name))[0]["OCIRuntime"] == "runax"
    podman.ok("rm", "--force", "--time", "0", name)
    assert not is_alive(pid)


def test_podman_runs_the_entry_of_an_application_image(podman):
    """No annotation: the image says itself for which board it is and what it needs."""
    app = podman.folder + "/app"
    result = axcan("image", "build", CRUISE, "--board", "virt", "--jobs", 3, "-o", app)
    assert result.code == 0, repr(result)
    done = call(["skopeo", "--insecure-policy", "copy", "oci:%s:virt" % app,
                 "containers-storage:localhost/app:virt"], podman.env)
    assert done.returncode == 0, done
    done = podman.run("run", "--rm", "--runtime", "runax", "--pull=never", "--network=none",
                      "localhost/app:virt")
    assert done.returncode == 0 and "FINISHED released=3" in done.stdout, done
