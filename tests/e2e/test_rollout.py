# SPDX-License-Identifier: Apache-2.0
"""Updates of a service with real processes: a good version comes in, a bad one goes back out by
itself, and never are fewer replicas at work than was declared."""
import os
import socket
import struct
import subprocess
import threading

import pytest

from conftest import BUILD, ROOT, axcan, until

COUNTER = os.path.join(ROOT, "tests", "e2e", "tasks", "counter.c")
MANIFEST = """kind: Service
name: brake
image: %s
mode: tmr
update:
  good_jobs: 40
  timeout_s: 20
  misses_max: 1000000
"""  # deadlines missed on a busy machine say nothing of the version
RETURN = "return state->count == job->number + 1 ? 0 : 7;"
BAD = {  # what the new version does once it has caught up, and what the master says of it
    "crash": ("if (job->number % 64 == 63) { *(volatile int *)0 = 0; }\n    " + RETURN,
              "failed"),
    "overrun": ("for (volatile int spin = 0; job->number % 8 == 7 && spin < 2000000000; spin++) { }\n"
                "    " + RETURN, "failed"),
}


def version(folder, name, statement):
    """An image of the counter that differs in how its job ends."""
    with open(COUNTER, encoding="utf-8") as file:
        text = file.read()
    assert RETURN in text
    source, image = str(folder / (name + ".c")), str(folder / (name + ".axi"))
    with open(source, "w", encoding="utf-8") as file:
        file.write(text.replace(RETURN, statement))
    built = axcan("build", source, "-o", image)
    assert built.code == 0, repr(built)
    return image


def apply(cluster, image):
    path = cluster.dir + ".yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(MANIFEST % image)
    cluster.ok("apply", "-f", path)


class Watch:
    """The service again and again, and the fewest that ran meanwhile."""

    def __init__(self, cluster):
        self.cluster, self.fewest = cluster, 99

    def look(self):
        one = next(s for s in self.cluster.json("services") if s["name"] == "brake")
        self.fewest = min(self.fewest, one["running"])
        return one

    def until(self, condition, what):
        return until(lambda: (lambda one: condition(one) and one)(self.look()), 60, what)


def begin(cluster, image):
    apply(cluster, image)
    watch = Watch(cluster)
    first = watch.until(lambda s: s["ready"] == 3 and s["state"] == "ready", "three replicas")
    watch.fewest = 99
    return watch, first["members"][0]["image"]


def of_image(service, image):
    return sum(1 for m in service["members"] if m["image"] == image and m["state"] == "running")


def state(service):
    return (service["rollout"] or {}).get("state")


def test_a_good_version_replaces_all(own_cluster, images, tmp_path):
    cluster = own_cluster(4)
    watch, old = begin(cluster, images("counter"))
    apply(cluster, version(tmp_path, "second", "volatile int second = 2;\n    (void)second;\n    " + RETURN))
    last = watch.until(lambda s: state(s) == "done" and s["ready"] == 3, "the update")
    watch.until(lambda s: len(s["members"]) == 3, "the end of the old ones")
    assert of_image(last, old) == 0
    assert watch.fewest >= 3  # each new one was proved beside the old one
    for member in watch.look()["members"]:
        cluster.wait_jobs(member["task"], 20)  # the counter fails when state or jobs were lost
        assert cluster.task(member["task"])["killed"] == 0
    cluster.judge()


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_bad_version_goes_back_out_by_itself(own_cluster, images, tmp_path, kind):
    cluster = own_cluster(4)
    watch, old = begin(cluster, images("counter"))
    apply(cluster, version(tmp_path, kind, BAD[kind][0]))
    watch.until(lambda s: state(s) == "reverted" and len(s["members"]) == 3, "the way back")
    last = watch.until(lambda s: s["state"] == "ready", "the former version")
    assert of_image(last, old) == 3
    assert BAD[kind][1] in last["rollout"]["reason"]
    assert watch.fewest >= 3
    for member in last["members"]:
        cluster.wait_jobs(member["task"], 20)
    cluster.judge()


class Actuator:
    """Hears stamped values (docs/formats/stamped-value.md) and nodes whose channel `ramp` ends here."""

    def __init__(self, cluster, names):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.heard, self.processes = [], []
        threading.Thread(target=self.listen, daemon=True).start()
        master = cluster.master_port()
        for name in names:
            self.processes.append(subprocess.Popen(
                [os.path.join(BUILD, "src/node/axcan-node"), "--name", name, "--fifo", "no", "--dir",
                 os.path.join(cluster.dir, name), "--token-file", os.path.join(cluster.dir, "token"),
                 "--master", "127.0.0.1:%d" % master, "--io",
                 "out:ramp=node:127.0.0.1:%d" % self.socket.getsockname()[1]], stderr=subprocess.DEVNULL))
        until(lambda: all((cluster.node(n) or {}).get("state") == "ready" for n in names), 20, "they join")

    def listen(self):
        while True:
            data = self.socket.recv(2048)
            task, _, job = struct.unpack_from("<QQQ", data, 8)
            self.heard.append((job, task, struct.unpack_from("<Q", data, 44)[0]))

    def close(self):
        for process in self.processes:
            process.terminate()
        assert [process.wait(10) for process in self.processes] == [0] * len(self.processes)


def test_an_update_of_a_single_service_puts_out_each_job_once(own_cluster, images):
    """tests/e2e/tasks/ramp.h: the output of job k is 0 + 1 + ... + k, whatever the version."""
    cluster = own_cluster(1)
    actuator = Actuator(cluster, ["out1", "out2"])
    manifest = (MANIFEST % images("ramp")).replace("tmr", "single\nnodes: [out1, out2]")
    try:
        with open(cluster.dir + ".yaml", "w", encoding="utf-8") as file:
            file.write(manifest)
        cluster.ok("apply", "-f", cluster.dir + ".yaml")
        until(lambda: len(actuator.heard) > 20, 20, "outputs")
        with open(cluster.dir + ".yaml", "w", encoding="utf-8") as file:
            file.write(manifest.replace(images("ramp"), images("ramp-twin")))
        cluster.ok("apply", "-f", cluster.dir + ".yaml")
        watch = Watch(cluster)
        last = watch.until(lambda s: state(s) == "done" and len(s["members"]) == 1, "the update")
        until(lambda: len({task for _, task, _ in actuator.heard[-5:]}) == 1, 20, "the new one alone")
    finally:
        actuator.close()
    assert last["members"][0]["output"].startswith("from job "), last
    first = int(last["members"][0]["output"].split()[-1])
    jobs = [job for job, _, _ in actuator.heard]
    assert sorted(set(jobs)) == list(range(max(jobs) + 1)), "a job was put out by nobody"
    assert all(value == job * (job + 1) // 2 for job, _, value in actuator.heard)
    old = actuator.heard[0][1]
    assert all(job >= first for job, task, _ in actuator.heard if task != old)
    # only a machine that stood still for more than half a second can make it more than none
    assert len(jobs) - len(set(jobs)) < 5, "jobs were put out twice"
