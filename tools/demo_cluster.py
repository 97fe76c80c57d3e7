# SPDX-License-Identifier: Apache-2.0
"""What the demonstrations share: a cluster in a temporary directory, driven by the axcan command."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))


def say(text=""):
    print(text, flush=True)


def fail(text):
    raise SystemExit("demo: " + text)


class DemoCluster:
    def __init__(self, build):
        self.build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp(prefix="axcan-demo-")
        self.has_qemu = shutil.which("qemu-system-aarch64") is not None
        if not self.has_qemu:
            say("demo: no ECU: qemu-system-aarch64 is not installed (apt-get install qemu-system-arm)")

    def program(self, folder, name):
        return os.path.join(self.build, "src", folder, name)

    def run(self, *arguments, show=False, codes=(0,)):
        done = subprocess.run([self.program("cli", "axcan"), *arguments, "--dir", self.dir],
                              stdout=None if show else subprocess.PIPE, text=True, timeout=90)
        if done.returncode not in codes:
            fail("axcan %s: exit code %d" % (" ".join(arguments), done.returncode))
        return done.stdout

    def cluster(self):
        with open(os.path.join(self.dir, "cluster.json"), encoding="utf-8") as file:
            return json.load(file)

    def events(self, kind, since):
        return [event for event in json.loads(self.run("get", "events", "-o", "json"))
                if event["type"] == kind and event["number"] > since]

    def last_event(self):
        return json.loads(self.run("get", "events", "-o", "json"))[-1]["number"]

    def kill(self, name):
        members = self.cluster()["members"] + self.cluster().get("managers", [])
        os.kill(next(m["pid"] for m in members if m["name"] == name), signal.SIGKILL)

    def until(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                fail("%s did not come true within %d s:\n%s" %
                     (what, seconds, self.run("get", "tasks")))
            time.sleep(0.2)

    def close(self):
        subprocess.run([self.program("cli", "axcan"), "down", "--dir", self.dir],
                       stdout=subprocess.DEVNULL, timeout=60, check=False)
        if os.environ.get("AXCAN_DEMO_KEEP"):
            say("demo: kept %s" % self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)


def play(demo, story):
    """Runs it to the end, whatever that is; for sys.exit."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return story(demo)
    except subprocess.TimeoutExpired as error:
        fail("no end in time: %s" % error)
    finally:
        demo.close()
