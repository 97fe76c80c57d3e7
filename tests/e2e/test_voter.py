# SPDX-License-Identifier: Apache-2.0
"""Services whose replicas' outputs are voted on: real nodes, an ECU, a voter, and replicas that die,
are wrong or fall silent. tests/e2e/tasks/ramp.h: the output of job k is 0 + 1 + ... + k."""
import os
import struct

import pytest

from conftest import Cluster, until
from ecu import Ecu

SUMS = {k * (k + 1) // 2: k for k in range(20000)}


class Voted(Cluster):
    def __init__(self, directory, nodes):
        self.file = str(directory) + ".agreed"
        super().__init__(directory, nodes, "--voters", 1, "--voter-out", "file:" + self.file)

    def apply(self, images, **fields):
        image, *variants = images
        lines = ["kind: Service", "name: brake", "image: " + image]
        lines += ["variants: [%s]" % ", ".join(variants), "diversity: {image: true}"] if variants else []
        fields.setdefault("output", "{wait_ms: 1000}")  # nobody is late on a busy machine
        lines += ["%s: %s" % one for one in fields.items()]
        path = self.file + ".yaml"
        with open(path, "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
        self.ok("apply", "-f", path)

    def jobs(self):
        """Numbers of the jobs whose agreed output went out; every value must be a right one."""
        with open(self.file, "rb") as file:
            values = file.read()
        values = values[:len(values) // 8 * 8]
        jobs = [SUMS[value] for value, in struct.iter_unpack("<Q", values)]
        assert jobs == sorted(set(jobs)), "an output came twice or late: %s" % jobs
        return jobs

    def goes_on(self, more=20):
        first = (self.jobs() or [0])[-1]
        until(lambda: (self.jobs() or [0])[-1] >= first + more, 20, "agreed outputs")

    def events(self, kind):
        return [e for e in self.json("events") if e["type"] == kind]

    def wait_event(self, kind, seconds=20):
        until(lambda: self.events(kind), seconds, kind)
        return self.events(kind)[0]

    def replicas(self):
        return {t["name"]: t.get("node") for t in self.json("tasks") if t["state"] == "running"}


@pytest.fixture
def voted(tmp_path):
    made = []

    def make(nodes=4):
        made.append(Voted(tmp_path / "c", nodes))
        return made[0]

    yield make
    made[0].close()
    made[0].judge()


def test_outputs_go_on_when_a_node_dies_and_a_voter_restarts(voted, images):
    c = voted()
    c.apply([images("ramp")], mode="tmr")
    until(lambda: len(c.replicas()) == 3, 20, "three replicas")
    c.goes_on()
    before = c.replicas()
    c.kill(before["brake-1"])
    c.goes_on(60)
    until(lambda: len(c.replicas()) == 3 and "brake-1" not in c.replicas(), 20, "a new replica")
    assert before["brake-1"] not in c.replicas().values()
    done = c.jobs()
    gaps = [b - a for a, b in zip(done, done[1:])]
    assert max(gaps) <= 3, "a job's output is missing beyond lost datagrams: %s" % gaps
    until(lambda: c.json("voters")[0]["agreed"] > 0 and c.json("voters")[0]["services"] == ["brake"],
          10, "the voter in the list")
    c.kill("voter1")
    c.wait_event("voter-lost")
    c.ok("up")
    c.goes_on()
    assert len(c.events("voter-joined")) == 2


def test_a_migrated_replica_goes_on_being_voted_on(voted, images):
    c = voted()
    c.apply([images("ramp")], mode="tmr")
    until(lambda: len(c.replicas()) == 3, 20, "three replicas")
    c.goes_on()
    free = next(n["name"] for n in c.json("nodes") if n["name"] not in c.replicas().values())
    before = c.replicas()
    c.ok("migrate", "brake-1", "--to", free)
    assert c.replicas()["brake-1"] == free
    c.goes_on(40)
    assert {**before, "brake-1": free} == c.replicas()  # nobody was replaced for being late
    assert not c.events("vote-failed") and not c.events("replica-disagrees")


def test_a_wrong_replica_is_named_and_replaced_and_nothing_of_it_goes_out(voted, images):
    c = voted()
    c.apply([images("ramp"), images("ramp-twin"), images("ramp-wrong")], mode="tmr",
            output="{bad_limit: 3, wait_ms: 1000}")
    event = c.wait_event("replica-disagrees")
    assert "differs" in event["text"]
    until(lambda: event["task"] not in c.replicas(), 20, "its end")
    assert max(c.jobs()) > 40
    c.goes_on()
    assert not c.events("vote-failed")


def test_a_silent_replica_is_named(voted, images):
    c = voted()
    c.apply([images("ramp"), images("ramp-twin"), images("ramp-mute")], mode="tmr",
            output="{bad_limit: 1000000, wait_ms: 1000}")
    event = c.wait_event("replica-silent")
    c.goes_on()
    counts = c.ok("describe", "service", "brake")
    silent = {line.split()[0]: int(line.split()[-1]) for line in counts.splitlines()
              if line.startswith("brake-")}
    assert silent.pop(event["task"]) > 3
    assert max(silent.values()) <= 3, counts


def test_two_of_two_withhold_what_they_differ_in(voted, images):
    c = voted(3)
    c.apply([images("ramp"), images("ramp-wrong")], mode="2oo2")
    c.wait_event("vote-failed")
    assert max(c.jobs()) < 40
    assert not c.events("replica-disagrees")  # nobody knows which of them is wrong


def test_an_ecu_is_one_of_two(voted, images, tmp_path):
    c = voted(1)
    with open(os.path.join(c.dir, "token"), encoding="ascii") as file:
        token = file.read().strip()
    ecu = Ecu(tmp_path, "ecu1", c.master_port(), token=token)
    try:
        until(lambda: c.node("ecu1"), 30, "the ECU joins\n" + ecu.console())
        c.apply([images("ramp")], mode="2oo2", diversity="{platform: true, required: true}")
        until(lambda: set(c.replicas().values()) == {"node1", "ecu1"}, 30, "both replicas")
        c.goes_on()
    finally:
        ecu.close()
