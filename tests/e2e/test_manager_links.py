# SPDX-License-Identifier: Apache-2.0
"""What a node does with checkpoint managers: the lease without a master, durable checkpoints."""
import json
import os
import struct
import subprocess
import time
import urllib.request

import pytest
from conftest import BUILD, until

OWN_STORES = ["sqlite", "etcd"]
RELEASED, COMPLETED, FENCED = 2, 3, 9


def records(cluster, node, kind):
    """Number of trace records of this kind in the node's history (docs/formats/history.md)."""
    with open(os.path.join(cluster.dir, node + ".history"), "rb") as file:
        header = file.read(64)
        count = struct.unpack_from("<Q", header, 24)[0]
        return sum(file.read(80)[78] == kind for _ in range(count))


def durable_job(cluster, api):
    """Next job of the newest checkpoint of the counter that the manager has."""
    with open(os.path.join(cluster.dir, "token"), encoding="ascii") as file:
        request = urllib.request.Request("http://%s/v1/checkpoints" % api, headers={
            "Authorization": "Bearer " + file.read().strip()})
    with urllib.request.urlopen(request, timeout=10) as answer:
        found = json.load(answer)["items"]
        return max((task["job"] for task in found if task["name"] == "counter"), default=0)


def test_a_manager_keeps_the_lease_while_the_master_is_away(own_cluster, images):
    cluster = own_cluster(2, "--managers", 2, "--lease-ms", 1000)
    cluster.ok("deploy", images("counter"), "--node", "node1")
    cluster.wait_jobs("counter", 10)
    cluster.kill("master")
    before = records(cluster, "node1", COMPLETED)
    time.sleep(2.5)  # more than two leases
    assert records(cluster, "node1", FENCED) == 0
    assert records(cluster, "node1", COMPLETED) > before + 100
    cluster.ok("up")
    cluster.wait_state("counter", "running")
    cluster.wait_jobs("counter", 10)
    assert records(cluster, "node1", FENCED) == 0
    assert cluster.task("counter")["killed"] == 0


def test_no_keeper_fences_and_a_manager_lets_the_task_go_on(own_cluster, images):
    """Master and managers away: fenced. A manager comes back, the master does not: resumed."""
    cluster = own_cluster(1, "--managers", 1)
    cluster.ok("deploy", images("counter"))
    cluster.wait_jobs("counter", 10)
    for name in ("master", "manager1"):
        cluster.kill(name)
    until(lambda: records(cluster, "node1", FENCED) == 1, 10, "the fence")
    fenced_at = records(cluster, "node1", COMPLETED)
    time.sleep(0.3)
    assert records(cluster, "node1", COMPLETED) == fenced_at
    ready = os.path.join(cluster.dir, "manager1.ready")
    with open(ready, encoding="utf-8") as file:
        listen, api = file.read().split()
    manager = subprocess.Popen(
        [os.path.join(BUILD, "src", "cms", "axcan-cms"), "--name", "manager1",
         "--dir", os.path.join(cluster.dir, "manager1"), "--store",
         cluster.store(), "--token-file",
         os.path.join(cluster.dir, "token"), "--listen", listen, "--api", api],
        stderr=subprocess.DEVNULL)
    try:
        until(lambda: records(cluster, "node1", COMPLETED) > fenced_at + 20, 10, "jobs go on")
    finally:
        manager.terminate()
        assert manager.wait(10) == 0


@pytest.mark.parametrize("options", [[], ["--notify", "udp:239.255.78.%d:%d"]],
                         ids=["links", "multicast"])
def test_every_checkpoint_of_a_node_becomes_durable(own_cluster, images, options):
    cluster = own_cluster(1)
    if options:
        options = ["--notify", options[1] % (os.getpid() % 250 + 1, 20000 + os.getpid() % 20000)]
    master = json.loads(cluster.ok("status", "-o", "json"))["node_address"]
    common = ["--token-file", os.path.join(cluster.dir, "token"), "--master", master, *options]
    ready = os.path.join(cluster.dir, "extra.ready")
    processes = []
    try:
        processes.append(subprocess.Popen(
            [os.path.join(BUILD, "src", "cms", "axcan-cms"), "--name", "extra", "--dir",
             os.path.join(cluster.dir, "extra"), "--store",
             cluster.store(), "--listen", "127.0.0.1:0", "--api",
             "127.0.0.1:0", "--ready-file", ready, *common], stderr=subprocess.DEVNULL))
        until(lambda: os.path.exists(ready), 10, "the manager starts")
        with open(ready, encoding="utf-8") as file:
            listen, api = file.read().split()
        processes.append(subprocess.Popen(
            [os.path.join(BUILD, "src", "node", "axcan-node"), "--name", "apart", "--dir",
             os.path.join(cluster.dir, "apart"), "--fifo", "no", "--manager", listen, *common],
            stderr=subprocess.DEVNULL))
        until(lambda: (cluster.node("apart") or {}).get("state") == "ready", 10, "it joins")
        cluster.ok("deploy", images("counter"), "--node", "apart", "--jobs", 60)
        cluster.wait_state("counter", "completed")
        until(lambda: durable_job(cluster, api) == 60, 10, "the last checkpoint is durable")
    finally:
        for process in reversed(processes):
            process.terminate()
            assert process.wait(10) == 0


def test_offload_empties_a_node(own_cluster, images):
    cluster = own_cluster(3)
    cluster.ok("deploy", images("counter"))
    cluster.ok("deploy", images("counter"), "--name", "bound", "--node", "node1")
    cluster.wait_jobs("counter", 10)
    source = cluster.task("counter")["node"]
    assert "counter moved from %s" % source in cluster.ok("offload", "counter")
    source = cluster.task("counter")["node"]
    if source != "node1":
        assert "counter moved" in cluster.ok("offload", source)
    assert "bound stays: bound was deployed for node1 only" in cluster.refused("offload", "node1")
    assert "nothing" in cluster.refused("offload", "nothing")
    assert cluster.task("counter")["node"] != "node1"
    assert cluster.task("counter")["killed"] == 0


def test_a_node_that_ends_lets_its_tasks_move_first(own_cluster, images):
    cluster = own_cluster(2)
    master = json.loads(cluster.ok("status", "-o", "json"))["node_address"]
    history = os.path.join(cluster.dir, "ending.history")
    node = subprocess.Popen(
        [os.path.join(BUILD, "src", "node", "axcan-node"), "--name", "ending", "--dir",
         os.path.join(cluster.dir, "ending"), "--fifo", "no", "--master", master, "--token-file",
         os.path.join(cluster.dir, "token"), "--history", history, "--offload-on-stop"],
        stderr=subprocess.DEVNULL)
    try:
        until(lambda: (cluster.node("ending") or {}).get("state") == "ready", 10, "it joins")
        cluster.ok("deploy", images("counter"))
        if cluster.task("counter")["node"] != "ending":
            cluster.ok("migrate", "counter", "--to", "ending")
        cluster.wait_jobs("counter", 10)
    finally:
        node.terminate()
        assert node.wait(20) == 0
    assert cluster.task("counter")["node"] in ("node1", "node2")
    cluster.wait_jobs("counter", 10)
    assert cluster.task("counter")["killed"] == 0


def times(cluster, node, kind):
    """Master times of a node's records of one kind, in ns."""
    with open(os.path.join(cluster.dir, node + ".history"), "rb") as file:
        count = struct.unpack_from("<Q", file.read(64), 24)[0]
        found = [file.read(80) for _ in range(count)]
    return [struct.unpack_from("<Q", record)[0] for record in found if record[78] == kind]


def test_failover_takes_no_longer_than_its_computed_bound(own_cluster, images):
    """The bound assumes an unburdened machine: one of three deaths must keep to it."""
    cluster = own_cluster(2, "--managers", 2)
    cluster.ok("deploy", images("counter"))
    bound = json.loads(cluster.ok("describe", "task", "counter", "-o", "json"))["failover"]
    assert bound["by"] == "managers"
    assert bound["bound_ns"] == sum(
        bound[term + "_ns"]
        for term in ("detection", "claim", "query", "transfer", "load", "release"))
    gaps = []
    while len(gaps) < 3 and (not gaps or min(gaps) > bound["bound_ns"]):
        cluster.wait_jobs("counter", 10)
        dead = cluster.task("counter")["node"]
        other = {"node1": "node2", "node2": "node1"}[dead]
        before = len(times(cluster, other, RELEASED))
        cluster.kill(dead)
        until(lambda: len(times(cluster, other, RELEASED)) > before, 20, "it goes on")
        gaps.append(times(cluster, other, RELEASED)[before] - times(cluster, dead, COMPLETED)[-1])
        cluster.ok("up")
    assert min(gaps) <= bound["bound_ns"], gaps


def test_a_warm_standby_takes_over_and_is_replaced(own_cluster, images):
    cluster = own_cluster(3, "--managers", 2)

    def told(kind):
        return [e for e in cluster.json("events") if e["type"] == kind and e.get("task") == "counter"]

    cluster.ok("deploy", images("counter"), "--standby")
    until(lambda: told("standby-ready"), 15, "a standby is loaded")
    cluster.wait_jobs("counter", 10)
    standby = told("standby-ready")[-1]["node"]
    owner = cluster.task("counter")["node"]
    assert standby not in (owner, "")
    cluster.kill(owner)
    until(lambda: told("restored"), 20, "the restore")
    assert told("restored")[-1]["node"] == standby
    assert not told("start-refused")
    until(lambda: len(told("standby-ready")) == 2, 15, "another standby is loaded")
    assert told("standby-ready")[-1]["node"] not in (owner, standby)
    cluster.wait_jobs("counter", 10)
    cluster.ok("delete", "counter")
    until(lambda: all(cluster.node(name)["density_ppm"] == 0
                      for name in ("node1", "node2", "node3") if name != owner), 10,
          "nothing is left loaded")
