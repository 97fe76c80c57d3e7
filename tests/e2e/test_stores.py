# SPDX-License-Identifier: Apache-2.0
"""Restore by checkpoint managers on each store, members of etcd dying in the middle of it."""
import json
import signal
import urllib.request

import pytest
from conftest import Restless, until

pytestmark = pytest.mark.alone  # clocks and bounds of time are judged

TASKS = ("tally", "second", "third")


def make(own_cluster, store):
    """An election of etcd is shorter than this lease."""
    options = ("--store", "etcd", "--lease-ms", 1000) if store == "etcd" else ()
    return own_cluster(3, "--managers", 2, *options)


def deploy(cluster, images):
    cluster.ok("deploy", images("tally"))
    for name in TASKS[1:]:
        cluster.ok("deploy", images("tally"), "--name", name)
    for name in TASKS:
        cluster.wait_jobs(name, 10)


def kill_node_of(cluster, task):
    """Kills the node that runs the task; waits until all that ran there run elsewhere."""
    node = cluster.task(task)["node"]
    moved = [name for name in TASKS if cluster.task(name)["node"] == node]
    epochs = {name: cluster.task(name)["epoch"] for name in moved}
    cluster.kill(node)
    for name in moved:
        until(lambda: cluster.task(name)["epoch"] > epochs[name], 30, "%s has a new owner" % name)
        cluster.wait_state(name, "running", 30)
        assert cluster.task(name)["node"] != node
        cluster.wait_jobs(name, 10)
    assert cluster.ok("get", "events").count(" restored ") >= len(moved)
    return node


@pytest.mark.parametrize("store", ["sqlite", "etcd"])
def test_what_a_dead_node_ran_goes_on_elsewhere(own_cluster, images, store):
    cluster = make(own_cluster, store)
    deploy(cluster, images)
    kill_node_of(cluster, "tally")
    cluster.ok("up")
    cluster.kill("manager1")  # the other one holds every checkpoint, too
    kill_node_of(cluster, "tally")


def test_restores_while_members_of_etcd_die_and_come_back(own_cluster, images):
    cluster = make(own_cluster, "etcd")
    deploy(cluster, images)
    with Restless(cluster, run_s=0.5, dead_s=1.0) as restless:  # `up` brings back dead nodes, too
        for name in TASKS[:2]:
            kill_node_of(cluster, name)
            until(lambda: all(node["state"] == "ready" for node in cluster.json("nodes")), 30,
                  "the node is back")
    assert restless.killed > 0


def leader(cluster):
    """Name of the member of etcd that leads."""
    for name, member in cluster.members().items():
        if name.startswith("etcd"):
            url = member["health"].replace("/health", "/v3/maintenance/status")
            with urllib.request.urlopen(url, data=b"{}", timeout=10) as answer:
                status = json.load(answer)
            if status["leader"] == status["header"]["member_id"]:
                return name
    return pytest.fail("no member leads")


def test_the_leader_of_etcd_dies_with_the_node(own_cluster, images):
    cluster = make(own_cluster, "etcd")
    deploy(cluster, images)
    cluster.kill(leader(cluster))
    kill_node_of(cluster, "second")


def members(cluster):
    """State of each member of the store, as the master sees it."""
    status = json.loads(cluster.ok("status", "-o", "json"))
    return [member["state"] for member in status["store_members"]]


def events(cluster, kind):
    return [event["text"] for event in cluster.json("events") if event["type"] == kind]


def test_a_member_of_etcd_that_dies_or_hangs_is_told_apart(own_cluster):
    """By the master and both managers. Nobody else notices: the others serve."""
    cluster = own_cluster(1, "--store", "etcd", "--lease-ms", 1000)
    until(lambda: members(cluster) == ["alive"] * 3, 10, "all answer")
    cluster.kill("etcd2")
    until(lambda: len(events(cluster, "store-member-lost")) == 3, 15, "etcd2 is missed")
    assert members(cluster) == ["alive", "silent", "alive"]
    cluster.restart_alone("etcd2")
    until(lambda: len(events(cluster, "store-member-back")) == 3, 15, "etcd2 is back")
    cluster.signal("etcd3", signal.SIGSTOP)
    until(lambda: len(events(cluster, "store-member-lost")) == 6, 15, "etcd3 is missed")
    cluster.signal("etcd3", signal.SIGCONT)
    until(lambda: len(events(cluster, "store-member-back")) == 6, 15, "etcd3 is back")
    assert all("does not answer" in text for text in events(cluster, "store-member-lost"))
    assert members(cluster) == ["alive"] * 3
    assert not events(cluster, "node-dead")
