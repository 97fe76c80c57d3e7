# SPDX-License-Identifier: Apache-2.0
"""Daemons killed at any time: what must survive survives."""
import os
import signal
import subprocess
import time

import pytest
from conftest import AXCAN, is_alive, until

OWN_STORES = ["sqlite", "etcd"]


def start_counter(cluster, images, node="node1"):
    cluster.ok("deploy", images("counter"), "--node", node)
    cluster.wait_jobs("counter", 10)


def test_a_target_that_hangs_and_dies_costs_the_source_nothing(own_cluster, images):
    cluster = own_cluster(3)
    start_counter(cluster, images)
    cluster.signal("node3", signal.SIGSTOP)
    cluster.ok("migrate", "counter", "--to", "node3", "--no-wait")
    time.sleep(0.2)
    cluster.kill("node3")
    until(lambda: not cluster.task("counter").get("migration"), 20, "the migration ends")
    cluster.wait_jobs("counter", 20)
    task = cluster.task("counter")
    assert task["state"] == "running" and task["node"] in ("node1", "node2") and task["killed"] == 0


def test_targets_killed_while_migrations_run(own_cluster, images):
    """kill -9 of the target at different moments of the migration: always one owner that runs."""
    cluster = own_cluster(3)
    start_counter(cluster, images)
    for delay in (0.0, 0.004, 0.012):
        source = cluster.task("counter")["node"]
        target = next(n for n in ("node2", "node3", "node1") if n != source)
        cluster.ok("migrate", "counter", "--to", target, "--no-wait")
        time.sleep(delay)
        cluster.kill(target)
        cluster.ok("up")
        until(lambda: not cluster.task("counter").get("migration"), 20, "the migration ends")
        if cluster.task("counter")["state"] == "lost":  # it had moved already and died there
            cluster.ok("delete", "counter")
            start_counter(cluster, images)
        else:
            cluster.wait_state("counter", "running")
            cluster.wait_jobs("counter", 10)


@pytest.mark.parametrize("victim, step", [
    ("target", "prepare"), ("target", "transfer"), ("target", "frozen"), ("target", "activate"),
    ("source", "transfer"), ("source", "frozen"), ("source", "activate"),
    ("master", "prepare"), ("master", "standby"), ("master", "commit")])
def test_a_kill_at_a_step_leaves_one_owner_or_says_lost(own_cluster, images, victim, step):
    """The victim dies when the step is told (or a little later); teardown judges the histories."""
    cluster = own_cluster(3)
    start_counter(cluster, images)
    source = cluster.task("counter")["node"]
    name = {"target": "node2", "source": source, "master": "master"}[victim]
    pid = cluster.members()[name]["pid"]
    with subprocess.Popen([AXCAN, "migrate", "counter", "--to", "node2", "--watch", "--dir",
                           cluster.dir, "--timeout", "20s"], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as migrate:
        for line in migrate.stdout:
            if line.split()[1] == step:
                os.kill(pid, signal.SIGKILL)
                break
        migrate.stdout.read()
        assert migrate.wait(30) in (0, 1)
    until(lambda: not is_alive(pid), 5, "the victim's end")
    cluster.ok("up")
    until(lambda: not cluster.task("counter").get("migration"), 30, "the migration's end")
    state = until(lambda: cluster.task("counter")["state"] in ("running", "lost") and
                  cluster.task("counter")["state"], 30, "a decision")
    if state == "running":
        cluster.wait_jobs("counter", 10)
    else:
        assert victim != "master", "the master holds no state: nothing may be lost with it"


def test_a_dead_source_is_said_loudly(own_cluster, images):
    cluster = own_cluster(2, "--managers", 0)
    start_counter(cluster, images)
    cluster.kill("node1")
    until(lambda: cluster.task("counter")["state"] in ("lost", "failed"), 20, "LOST")
    assert "lost" in cluster.ok("get", "events").lower()


def test_tasks_go_on_while_the_master_is_restarted(own_cluster, images):
    cluster = own_cluster(2)
    start_counter(cluster, images)
    cluster.kill("master")
    cluster.ok("up")
    cluster.wait_state("counter", "running")
    cluster.wait_jobs("counter", 20)
    task = cluster.task("counter")
    assert task["node"] == "node1" and task["epoch"] >= 1
    cluster.ok("migrate", "counter", "--to", "node2")
    cluster.wait_jobs("counter", 10)


def test_a_master_killed_during_a_migration_neither_loses_nor_doubles(own_cluster, images):
    cluster = own_cluster(2)
    start_counter(cluster, images)
    for delay in (0.0, 0.006):
        source = cluster.task("counter")["node"]
        target = "node2" if source == "node1" else "node1"
        cluster.ok("migrate", "counter", "--to", target, "--no-wait")
        time.sleep(delay)
        cluster.kill("master")
        cluster.ok("up")
        until(lambda: not cluster.task("counter").get("migration"), 20, "the migration ends")
        cluster.wait_state("counter", "running")
        cluster.wait_jobs("counter", 10)


def test_a_node_that_loses_its_master_stops_its_task_and_goes_on_later(own_cluster, images):
    cluster = own_cluster(1, "--lease-ms", 300)
    cluster.ok("deploy", images("tally"), "--node", "node1")  # the lease may end amid a job
    cluster.wait_jobs("tally", 10)
    cluster.signal("master", signal.SIGSTOP)
    time.sleep(1)
    cluster.signal("master", signal.SIGCONT)
    cluster.wait_state("tally", "running", 20)
    cluster.wait_jobs("tally", 10)


def test_nodes_end_in_an_orderly_way(own_cluster, images):
    cluster = own_cluster(2)
    start_counter(cluster, images)
    out = cluster.run("down")
    assert out.code == 0 and "killed" not in out.err, repr(out)
