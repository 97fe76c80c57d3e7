# SPDX-License-Identifier: Apache-2.0
"""Several masters: the leader is killed or stands still, a standby takes over, nothing restarts."""
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import AXCAN, axcan, until

pytestmark = pytest.mark.alone  # leases are judged by the clock

STORES = ["sqlite", "etcd"]


def make(own_cluster, store, masters=2):
    options = ("--store", "etcd", "--lease-ms", 1000) if store == "etcd" else ()
    cluster = own_cluster(2, "--masters", masters, *options)
    until(lambda: len(cluster.json("masters")) == masters, 10, "all masters know each other")
    return cluster


def leader(cluster):
    """Its name; None while there is none."""
    for master in cluster.json("masters"):
        if master["role"] == "leader":
            return master["name"]
    return None


def deploy(cluster, images):
    for name in ("a", "b"):
        cluster.ok("deploy", images("tally"), "--name", name)
        cluster.wait_jobs(name, 10)


def lives(cluster):
    """What a restart would change."""
    return {task["name"]: (task["node"], task["epoch"]) for task in cluster.json("tasks")}


def wait_other(cluster, former):
    return until(lambda: leader(cluster) not in (None, former) and leader(cluster), 20,
                 "another leader than %s" % former)


def stop(cluster, first):
    """Stops the leader until another one leads: its name. One that is stopped in the middle of a write
    holds the lock of an SQLite file: then nobody can lead (docs/limits.md)."""
    names = set(cluster.members()) & {"master", "master2"} - {first}
    for _ in range(5):
        cluster.signal(first, signal.SIGSTOP)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            for name in names:
                if call(cluster, name, "/v1/status")[1]["role"] == "leader":
                    return name
            time.sleep(0.1)
        cluster.signal(first, signal.SIGCONT)
        time.sleep(0.3)
    pytest.fail("nobody took over from %s" % first)


def wait_ready(cluster):
    until(lambda: all(n["state"] == "ready" for n in cluster.json("nodes")), 20, "nodes joined")


def call(cluster, member, path, method="GET"):
    """One master's own answer: status and body."""
    with open(cluster.dir + "/token", encoding="ascii") as file:
        token = file.read().strip()
    request = urllib.request.Request("http://%s%s" % (cluster.members()[member]["api"], path),
                                     method=method, headers={"Authorization": "Bearer " + token})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("store", STORES)
def test_a_standby_takes_over_and_nothing_restarts(own_cluster, images, store):
    cluster = make(own_cluster, store, masters=3)
    deploy(cluster, images)
    before = lives(cluster)
    for _ in range(2 if store == "sqlite" else 1):
        first = leader(cluster)
        cluster.kill(first)
        wait_other(cluster, first)
        wait_ready(cluster)
        for name in before:
            cluster.wait_jobs(name, 20)
        assert lives(cluster) == before
        assert cluster.run("status").code == 1  # the dead one is listed
        cluster.ok("up")  # brings it back: a standby
        until(lambda: len(cluster.json("masters")) == 3, 10, "it is back")
        assert leader(cluster) != first
    cluster.ok("migrate", "a")  # the image is where the new leader is
    assert lives(cluster)["a"][1] > before["a"][1]
    cluster.judge()


@pytest.mark.parametrize("store", STORES)
def test_the_leader_is_killed_while_a_migration_is_under_way(own_cluster, images, store):
    cluster = make(own_cluster, store)
    deploy(cluster, images)
    first = leader(cluster)
    with subprocess.Popen([AXCAN, "migrate", "a", "--watch", "--dir", cluster.dir],
                          stdout=subprocess.PIPE, text=True, stderr=subprocess.PIPE) as migrate:
        migrate.stdout.readline()
        cluster.signal(first, signal.SIGKILL)
        _, said = migrate.communicate(timeout=40)
    if migrate.returncode != 0:  # its operation is not known to the next one, and it says what to do
        assert "leads no more" in said or "'axcan" in said, said
    wait_other(cluster, first)
    wait_ready(cluster)
    until(lambda: not cluster.task("a").get("migration"), 20, "the migration has ended somehow")
    cluster.wait_state("a", "running")
    for name in ("a", "b"):
        cluster.wait_jobs(name, 10)
    assert lives(cluster)["b"][1] == 1
    assert "restored" not in cluster.ok("get", "events")
    cluster.judge()


@pytest.mark.parametrize("store", STORES)
def test_a_leader_that_stood_still_changes_nothing_and_stands_by(own_cluster, images, store):
    cluster = make(own_cluster, store)
    deploy(cluster, images)
    before = lives(cluster)
    first = leader(cluster)
    second = stop(cluster, first)
    wait_ready(cluster)
    cluster.signal(first, signal.SIGCONT)
    until(lambda: call(cluster, first, "/v1/status")[1]["role"] == "standby", 10, "it stands by")
    until(lambda: len(cluster.json("masters")) == 2, 10, "both are listed")
    assert leader(cluster) == second
    for name in before:
        cluster.wait_jobs(name, 20)
    assert lives(cluster) == before
    cluster.judge()


def test_a_standby_says_who_leads(own_cluster, images):
    cluster = make(own_cluster, "sqlite")
    deploy(cluster, images)
    first = leader(cluster)
    other = ({"master", "master2"} - {first}).pop()
    status, body = call(cluster, other, "/v1/tasks")
    assert (status, body["error"]["name"]) == (503, "NOT_LEADER")
    assert body["error"]["leader"]["api"] == cluster.members()[first]["api"]
    assert cluster.members()[first]["api"] in body["error"]["cure"]
    status, body = call(cluster, other, "/v1/status")
    assert (status, body["role"], body["leader"]["name"]) == (200, "standby", first)
    images_of = {m["name"]: m["images"] for m in body["masters"]}
    assert all(count > 0 for count in images_of.values())
    result = axcan("get", "tasks", "-o", "name", "--api", cluster.members()[other]["api"],
                   "--token-file", cluster.dir + "/token")
    assert result.code == 0 and "task/a" in result.out, repr(result)
    assert call(cluster, other, "/v1/tasks/a", "DELETE")[0] == 503
    # an orderly end hands over at once
    cluster.signal(first, signal.SIGTERM)
    until(lambda: call(cluster, other, "/v1/status")[1]["role"] == "leader", 10, "it leads")
    wait_ready(cluster)
    assert {epoch for _, epoch in lives(cluster).values()} == {1}


def test_two_masters_do_not_share_a_directory(own_cluster):
    cluster = own_cluster(1)
    argv = cluster.members()["master"]["argv"]
    second = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert "BUSY" in second.stderr and "start-failed" in second.stderr
    assert "--masters" in cluster.refused("up", "--masters", 2)
