# SPDX-License-Identifier: Apache-2.0
"""The life of a task on a healthy cluster."""
import subprocess
import threading

import pytest
from conftest import AXCAN, until

STORES = ["sqlite", "etcd"]


def first_line(cluster, *arguments):
    """The first line with the word counter that a command which goes on prints."""
    with subprocess.Popen([AXCAN, *arguments, "--dir", cluster.dir], text=True,
                          stdout=subprocess.PIPE) as process:
        limit = threading.Timer(20, process.kill)
        limit.start()
        try:
            return next((line for line in process.stdout if "count" in line), "")
        finally:
            limit.cancel()
            process.kill()


def deploy(cluster, images, name="counter", *options):
    cluster.ok("deploy", images(name), *options)


def test_deploy_shows_up_everywhere(tidy, images):
    deploy(tidy, images, "counter", "--node", "node1")
    task = tidy.task("counter")
    assert task["node"] == "node1"
    tidy.wait_jobs("counter", 10)
    assert "counter" in tidy.ok("get", "tasks")
    assert "counter" in tidy.ok("describe", "task", "counter")
    assert "counter" in tidy.ok("describe", "counter", "-o", "json")
    assert "counter" in tidy.ok("get", "images")
    assert "node1" in tidy.ok("describe", "node", "node1")
    until(lambda: "count=" in tidy.ok("logs", "counter"), 10, "a log line")


def test_logs_and_lists_can_be_followed(tidy, images):
    deploy(tidy, images)
    assert "count=" in first_line(tidy, "logs", "-f", "counter")
    assert "counter" in first_line(tidy, "get", "tasks", "-w")
    assert "counter" in first_line(tidy, "get", "events", "--watch")


def test_names_are_unique_and_may_be_chosen(tidy, images):
    deploy(tidy, images)
    assert "EXIST" in tidy.refused("deploy", images("counter"))
    deploy(tidy, images, "counter", "--name", "second")
    assert tidy.task("second")


def test_migrate_keeps_the_state(tidy, images):
    deploy(tidy, images, "counter", "--node", "node1")
    tidy.wait_jobs("counter", 20)
    for target in ("node2", "node3", "node1"):
        out = tidy.ok("migrate", "counter", "--to", target, "--watch")
        assert "blackout" in out and len(out.splitlines()) >= 5, out
        assert tidy.task("counter")["node"] == target
        before = tidy.task("counter")["next_job"]
        tidy.wait_jobs("counter", 10)
        assert tidy.task("counter")["next_job"] > before > 0
    task = tidy.task("counter")  # its policy is STOP: one lost or doubled job would end it
    assert task["state"] == "running" and not task.get("killed"), task


def test_migrate_without_a_target_chooses_one(tidy, images):
    deploy(tidy, images)
    before = tidy.task("counter")["node"]
    tidy.ok("migrate", "counter")
    assert tidy.task("counter")["node"] != before


def test_migrate_is_refused_with_a_reason(tidy, images):
    deploy(tidy, images, "counter", "--node", "node1")
    assert "node9" in tidy.refused("migrate", "counter", "--to", "node9")
    assert "nothing" in tidy.refused("migrate", "nothing", "--to", "node2")
    tidy.refused("migrate", "counter", "--to", "node1")
    tidy.wait_jobs("counter", 5)


def test_stop_keeps_and_start_restores_the_state(tidy, images):
    deploy(tidy, images, "counter", "--node", "node2")
    tidy.wait_jobs("counter", 20)
    tidy.ok("stop", "counter")
    tidy.wait_state("counter", "stopped")
    job = tidy.task("counter")["next_job"]
    assert job >= 20
    tidy.ok("start", "counter", "--node", "node3")
    tidy.wait_jobs("counter", 10)
    task = tidy.task("counter")
    assert task["node"] == "node3" and task["next_job"] > job and task["state"] == "running"


def test_delete_removes_the_task(tidy, images):
    deploy(tidy, images)
    tidy.ok("delete", "counter")
    assert tidy.task("counter") is None
    assert "nothing" in tidy.refused("delete", "nothing")


def test_a_task_with_n_jobs_completes_after_n(tidy, images):
    deploy(tidy, images, "counter", "--jobs", "60", "--node", "node1")
    tidy.ok("migrate", "counter", "--to", "node2")
    tidy.wait_state("counter", "completed")
    assert tidy.task("counter")["next_job"] == 60


def test_a_task_that_does_not_fit_is_refused(tidy, images):
    err = tidy.refused("deploy", images("counter"), "--node", "node1", "--wcet",
                       "linux-x86_64=9ms")
    assert "density" in err or "capacity" in err or "ADMIT" in err or "CANDIDATE" in err, err
    assert tidy.task("counter") is None or tidy.task("counter")["state"] != "running"


def test_profile_measures(tidy, images):
    out = tidy.ok("profile", images("counter"), "--node", "node1", "--jobs", "30")
    assert "wcet" in out and "p99" in out
    assert all(t["state"] != "running" for t in tidy.json("tasks")), tidy.json("tasks")


@pytest.mark.parametrize("kind", ["loop", "div0", "null", "stack", "syscall"])
def test_a_faulty_task_fails_and_leaves_others_running(tidy, images, kind):
    deploy(tidy, images, "counter", "--node", "node1")
    tidy.ok("deploy", images(kind), "--node", "node1")
    tidy.wait_state(kind, "failed")
    tidy.wait_jobs("counter", 20)
    assert tidy.task("counter")["state"] == "running"
    assert tidy.task("counter")["killed"] == 0
    assert kind in tidy.ok("get", "events")
