# SPDX-License-Identifier: Apache-2.0
"""A node in a partition of runax beside Linux nodes: tasks move into it and out of it, and whoever
ends the partition as an engine does loses no task."""
import os
import signal

import pytest
from conftest import Cluster, is_alive, until
from test_ecu import BUDGETS, IMAGE, OPTIONS, TASK


@pytest.fixture
def tiers(tmp_path):
    made = Cluster(tmp_path / "c", 1, "--partitions", 1, *OPTIONS)
    yield made
    made.close()
    if os.path.isdir(made.dir):
        made.judge()


def log_of(cluster):
    with open(os.path.join(cluster.dir, "part1.log"), encoding="utf-8", errors="replace") as file:
        return file.read()


def test_a_task_moves_into_a_partition_and_leaves_it_when_that_is_stopped(tiers):
    node = tiers.node("part1")
    assert (node["assurance"], node["platforms"]) == ("partition", ["axcan-zcu102"])
    tiers.ok("deploy", IMAGE, "--node", "node1", *BUDGETS)
    tiers.wait_jobs(TASK, 2)
    tiers.ok("migrate", TASK, "--to", "part1")
    tiers.wait_jobs(TASK, 2)
    tiers.ok("migrate", TASK)
    assert tiers.task(TASK)["node"] == "node1"
    tiers.ok("delete", TASK)
    tiers.ok("deploy", IMAGE, "--assurance", "realtime", *BUDGETS)  # not pinned: it may be moved
    assert tiers.task(TASK)["node"] == "part1", "node1 has no SCHED_FIFO"
    tiers.ok("delete", TASK)
    tiers.ok("deploy", IMAGE, *BUDGETS)
    if tiers.task(TASK)["node"] != "part1":
        tiers.ok("migrate", TASK)
    tiers.wait_jobs(TASK, 2)
    done = tiers.task(TASK)["next_job"]
    member = tiers.members()["part1"]
    os.kill(member["pid"], signal.SIGTERM)
    until(lambda: not is_alive(member["pid"]), 15, "the end of the partition")
    assert "node-stop name=part1 reason=monitor" in log_of(tiers)
    task = tiers.task(TASK)
    assert (task["node"], task["state"]) == ("node1", "running") and task["next_job"] >= done
    tiers.ok("up")
    until(lambda: tiers.node("part1")["state"] == "ready", 30, "part1 comes back")
    tiers.ok("migrate", TASK, "--to", "part1")
    tiers.wait_jobs(TASK, 1)


def test_a_partition_that_was_killed_is_removed_and_started_again(tiers):
    tiers.ok("deploy", IMAGE, "--node", "node1", *BUDGETS)
    tiers.kill("part1")  # runax run; the monitor and its guest still run
    tiers.ok("up")
    until(lambda: tiers.node("part1")["state"] == "ready", 30, "part1 comes back")
    tiers.ok("migrate", TASK, "--to", "part1")
    tiers.wait_jobs(TASK, 1)
