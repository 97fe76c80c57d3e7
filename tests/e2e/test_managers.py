# SPDX-License-Identifier: Apache-2.0
"""What the managers' daemons stand: no master, a manager that hangs or starts anew, a full disk."""
import json
import os
import resource
import signal
import urllib.error
import urllib.request

from conftest import until

OWN_STORES = ["sqlite", "etcd"]
TASKS = ("counter", "second")


def deploy(cluster, images):
    for name in TASKS:
        cluster.ok("deploy", images("counter"), "--name", name)
        cluster.wait_jobs(name, 5)
    until(lambda: len(cluster.json("checkpoints")) == 2 * len(TASKS), 15, "all is durable twice")


def manager(cluster, name, path="/v1/status"):
    """What the manager says by itself; None when it does not answer."""
    with open(os.path.join(cluster.dir, "token"), encoding="utf-8") as file:
        token = file.read().strip()
    request = urllib.request.Request("http://%s%s" % (cluster.members()[name]["api"], path),
                                     headers={"Authorization": "Bearer " + token})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)
    except OSError:
        return None


def restores(cluster):
    return sum((manager(cluster, name) or {}).get("restores", 0) for name in ("manager1", "manager2"))


def log(cluster, name):
    with open(os.path.join(cluster.dir, name + ".log"), encoding="utf-8") as file:
        return file.read()


def test_node_and_master_die_and_all_goes_on(own_cluster, images):
    """The managers have the images already: nobody is left to ask for them."""
    cluster = own_cluster(2)
    deploy(cluster, images)
    node = cluster.task("counter")["node"]
    here = [name for name in TASKS if cluster.task(name)["node"] == node]
    before = {name: cluster.task(name)["epoch"] for name in TASKS}
    cluster.kill("master")
    cluster.kill(node)
    until(lambda: restores(cluster) == len(here), 30, "restore without a master")
    cluster.ok("up")
    for name in TASKS:
        cluster.wait_state(name, "running")
        cluster.wait_jobs(name, 10)
        moved = cluster.task(name)["epoch"] > before[name]
        assert moved == (name in here), name


def test_a_manager_that_hangs_stops_nobody(own_cluster, images):
    cluster = own_cluster(2)
    deploy(cluster, images)
    cluster.signal("manager1", signal.SIGSTOP)
    node = cluster.task("counter")["node"]
    here = [name for name in TASKS if cluster.task(name)["node"] == node]
    cluster.kill(node)
    until(lambda: manager(cluster, "manager2")["restores"] == len(here), 30, "the other one restores")
    cluster.signal("manager1", signal.SIGCONT)
    for name in TASKS:
        cluster.wait_state(name, "running")
        cluster.wait_jobs(name, 10)
    assert restores(cluster) == len(here), "once"


def test_a_node_that_was_stopped_does_not_go_on_with_what_was_restored(own_cluster, images):
    """It gets a new lease as soon as it runs again, perhaps before its scheduler has looked. Whether a
    job was released then is judged from the histories when the cluster ends."""
    cluster = own_cluster(2)
    deploy(cluster, images)
    for _ in range(3):
        node = cluster.task("counter")["node"]
        epoch = cluster.task("counter")["epoch"]
        cluster.signal(node, signal.SIGSTOP)
        until(lambda: cluster.task("counter")["epoch"] > epoch, 30, "restore")
        cluster.wait_state("counter", "running")
        cluster.signal(node, signal.SIGCONT)
        until(lambda: all(n["state"] == "ready" for n in cluster.json("nodes")), 15, "both ready")
    cluster.wait_jobs("counter", 5)


def test_a_full_disk_costs_no_checkpoint_that_was_durable(own_cluster, images):
    cluster = own_cluster(2)
    deploy(cluster, images)
    cluster.ok("checkpoint", "pin", "counter")
    pid = cluster.members()["manager1"]["pid"]
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    until(lambda: manager(cluster, "manager1")["checkpoints"]["failed"] > 0, 15, "nothing is stored")
    until(lambda: "checkpoint-not-stored" in log(cluster, "manager1"), 10, "it says so")
    first = manager(cluster, "manager2")["stored"]
    until(lambda: manager(cluster, "manager2")["stored"] > first, 10, "the other one stores")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    done = manager(cluster, "manager1")["stored"]
    until(lambda: manager(cluster, "manager1")["stored"] > done, 20, "it stores again")
    assert any(row["pinned"] for row in
               manager(cluster, "manager1", "/v1/checkpoints/counter")["checkpoints"])
    for name in TASKS:
        cluster.wait_jobs(name, 5)


def test_the_api_of_a_manager_refuses_what_is_wrong(cluster):
    for path, name in (("/v1/nothing", "NOENT"), ("/v1/checkpoints/none", "NOENT"),
                       ("/v1/checkpoints/none/data", "NOENT"),
                       ("/v1/checkpoints/none/data?job=x", "INVALID"),
                       ("/v1/checkpoints/none/pin", "INVALID")):
        assert manager(cluster, "manager1", path)["error"]["name"] == name, path
    request = urllib.request.Request("http://%s/v1/status" % cluster.members()["manager1"]["api"],
                                     headers={"Authorization": "Bearer x"})
    try:
        urllib.request.urlopen(request, timeout=5)
        assert False, "no token, no answer"
    except urllib.error.HTTPError as error:
        assert error.code == 401
