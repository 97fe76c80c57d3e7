# SPDX-License-Identifier: Apache-2.0
"""runax for tests: a private state directory and resource journal, bundles, the guests they run."""
import json
import os
import subprocess

from conftest import BUILD, axcan, until

RUNAX = os.path.join(BUILD, "src", "runax", "oci", "runax")
CRUISE = os.path.join(BUILD, "tasks", "cruise.axi")
GUESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "guests")


def build_echo(path):
    """The guest of guests/echo.S as an ELF file for QEMU's virt."""
    subprocess.run(["aarch64-linux-gnu-gcc", "-nostdlib", "-static", "-Wl,-Ttext=0x40200000",
                    "-Wl,--build-id=none", "-o", str(path), os.path.join(GUESTS, "echo.S")],
                   check=True, timeout=60)
    return path


def script_guest(path, file, script):
    """A guest of tests/runax/guest (built: build/tests/runax) that does what the script says."""
    with open(os.path.join(BUILD, "tests", "runax", file), "rb") as source:
        data = bytearray(source.read())
    at = data.index(b"AXGUEST:") + len("AXGUEST:")
    data[at:at + len(script) + 1] = script.encode() + b"\0"
    with open(path, "wb") as target:
        target.write(data)
    return path


def has_kvm():
    return os.access("/dev/kvm", os.R_OK | os.W_OK) and os.uname().machine == "x86_64"


def pack_os(path, *options):
    result = axcan("image", "os", "--board", "virt", "--task", CRUISE, *options, "-o", path)
    assert result.code == 0, repr(result)
    return path


class Runax:
    """One engine's view: `runax` with its own --root. Use as a context manager."""

    def __init__(self, directory, *options):
        self.dir = str(directory)
        self.root = os.path.join(self.dir, "root")
        self.resources = os.path.join(self.dir, "resources")
        self.log = os.path.join(self.dir, "log.json")
        self.command = [RUNAX, "--root", self.root, "--resources", self.resources, "--log", self.log,
                        "--log-format", "json", *map(str, options)]
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for state in self.list():
            self.run("delete", "--force", state["id"])
        for child in self.children:
            child.kill()
            child.wait()

    def run(self, *arguments, timeout=60, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([*self.command, *map(str, arguments)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, check=False,
                              **options)

    def ok(self, *arguments, **options):
        done = self.run(*arguments, **options)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr, self.last_error())
        return done.stdout

    def refused(self, *arguments, **options):
        """The error of a call that must fail with 1; the log's last line says the same."""
        done = self.run(*arguments, **options)
        assert done.returncode == 1, (arguments, done)
        error = self.last_error()
        assert error in done.stderr
        return error

    def last_error(self):
        if not os.path.exists(self.log):
            return ""
        with open(self.log, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        assert all({"level", "msg", "time"} <= set(line) for line in lines)
        errors = [line["msg"] for line in lines if line["level"] == "error"]
        return errors[-1] if errors else ""

    def bundle(self, name, image, annotations=None, **members):
        """A bundle whose root file system has `image` as /os.img."""
        folder = os.path.join(self.dir, "bundles", name)
        os.makedirs(os.path.join(folder, "rootfs"))
        if image is not None:
            os.link(image, os.path.join(folder, "rootfs", "os.img"))
        config = {"ociVersion": "1.0.2", "root": {"path": "rootfs"},
                  "process": {"args": ["/os.img"], "cwd": "/"}, "linux": {},
                  "annotations": {"dev.axcan.hv": "qemu", "dev.axcan.board": "virt",
                                  **(annotations or {})}}
        config.update(members)
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        return folder

    def create(self, name, bundle, *options, stdin=subprocess.DEVNULL):
        """As a shim calls it: the container's output to a file. Path of that file."""
        output = os.path.join(self.dir, name + ".out")
        with open(output, "wb") as file:
            done = subprocess.run(
                [*self.command, "create", "--bundle", bundle, "--pid-file", output + ".pid",
                 *options, name], stdin=stdin, stdout=file, stderr=subprocess.STDOUT, timeout=60,
                check=False)
        assert done.returncode == 0, (self.last_error(), open(output, errors="replace").read())
        return output

    def spawn(self, *arguments):
        """A foreground runax with pipes."""
        child = subprocess.Popen([*self.command, *map(str, arguments)], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.children.append(child)
        return child

    def state(self, name):
        return json.loads(self.ok("state", name))

    def status(self, name):
        return self.state(name)["status"]

    def wait(self, name, status, seconds=30):
        until(lambda: self.status(name) == status, seconds, "%s %s" % (name, status))
        return self.state(name)

    def list(self):
        return json.loads(self.ok("list", "--format=json"))

    def left(self):
        """What a removed container may not leave: directories, journal entries, processes."""
        found = [os.path.join(folder, name) for folder in (self.root, self.resources)
                 if os.path.isdir(folder) for name in os.listdir(folder)
                 if not name.startswith(".") and name != "lock"]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as file:
                    words = file.read().split(b"\0")
            except OSError:
                continue
            if any(self.dir.encode() in word for word in words) and int(pid) != os.getpid():
                found.append("process %s: %s" % (pid, b" ".join(words).decode(errors="replace")))
        return found


def text_of(path):
    if not os.path.exists(path):
        return ""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def wait_text(path, wanted, seconds=30):
    until(lambda: wanted in text_of(path), seconds, "%r in %s" % (wanted, path))
