# SPDX-License-Identifier: Apache-2.0
"""The worked examples of docs/orchestration.md, as they are built beside their manifests. Those that
count votes run alone: a pause of the machine makes replicas late."""
import os

import pytest

from conftest import BUILD, Cluster, until

EXAMPLES = os.path.join(BUILD, "examples")


@pytest.fixture
def make(tmp_path):
    made = []

    def make_cluster(nodes, *options):
        made.append(Cluster(tmp_path / "state", nodes, *options))
        return made[-1]

    yield make_cluster
    for one in made:
        one.close()
        one.judge()


def service(cluster, name):
    return next((s for s in cluster.json("services") if s["name"] == name), None)


def agreed(cluster, name):
    return ((service(cluster, name) or {}).get("votes") or {"agreed": 0})["agreed"]


def wait_agreed(cluster, name, more):
    first = agreed(cluster, name)
    until(lambda: agreed(cluster, name) >= first + more, 20, "%d agreed jobs of %s" % (more, name))


def nodes_of(cluster, name):
    return [m["node"] for m in service(cluster, name)["members"] if m["role"] == "active"]


@pytest.mark.alone
def test_tmr_survives_the_loss_of_a_node(make, tmp_path):
    cluster = make(4, "--voters", 1, "--voter-out", "file:%s" % (tmp_path / "force"))
    cluster.ok("apply", "-f", EXAMPLES + "/tmr/brake.yaml", "--wait")
    wait_agreed(cluster, "brake", 20)
    lost = nodes_of(cluster, "brake")[0]
    cluster.kill(lost)
    until(lambda: service(cluster, "brake")["state"] == "ready" and
          lost not in nodes_of(cluster, "brake"), 20, "a third replica on another node")
    wait_agreed(cluster, "brake", 20)
    votes = service(cluster, "brake")["votes"]
    assert votes["failed"] == 0  # two went on agreeing all the time
    assert os.path.getsize(tmp_path / "force") > 0
    cluster.ok("up")  # the lost one again


@pytest.mark.alone
def test_update_is_rolled_out_and_a_bad_one_taken_back(make, tmp_path):
    cluster = make(4, "--voters", 1, "--voter-out", "file:%s" % (tmp_path / "level"))
    cluster.ok("apply", "-f", EXAMPLES + "/update/flow-1.yaml", "--wait")
    wait_agreed(cluster, "flow", 10)
    cluster.ok("apply", "-f", EXAMPLES + "/update/flow-2.yaml", "--wait")
    good = service(cluster, "flow")
    assert good["rollout"]["state"] == "done" and len(good["members"]) == 3
    refused = cluster.refused("apply", "-f", EXAMPLES + "/update/flow-3.yaml", "--wait")
    assert "service 'flow': the update was reverted: its outputs were wrong" in refused
    until(lambda: service(cluster, "flow")["state"] == "ready", what="the second version again")
    after = service(cluster, "flow")
    assert after["image"] == good["image"] and after["rollout"]["state"] == "reverted"
    assert {m["task"] for m in after["members"]} == {m["task"] for m in good["members"]}
    assert after["votes"]["failed"] == 0
    wait_agreed(cluster, "flow", 10)
    assert cluster.run("diff", "-f", EXAMPLES + "/update/flow-2.yaml").code == 0


def test_degrade_and_back(make):
    cluster = make(2, "--slots", 4)
    cluster.ok("apply", "-f", EXAMPLES + "/degrade/drive.yaml", "--wait")
    assert sorted(nodes_of(cluster, "planner") + nodes_of(cluster, "steering")) == ["node1",
                                                                                   "node2"]
    jobs = cluster.task("planner-1")["next_job"]
    lost = nodes_of(cluster, "planner")[0]
    cluster.kill(lost)
    until(lambda: service(cluster, "planner")["state"] == "degraded", 30, "the simple planner")
    assert service(cluster, "steering")["state"] == "ready"
    simple = service(cluster, "planner")["members"][0]
    assert simple["degraded"] and simple["node"] != lost
    until(lambda: cluster.task(simple["task"])["next_job"] > jobs, what="it goes on")
    cluster.ok("up")
    until(lambda: service(cluster, "planner")["state"] == "ready", 30, "the whole planner")
    assert not service(cluster, "planner")["members"][0]["degraded"]
    lost = nodes_of(cluster, "steering")[0]  # the planner makes room for what is more critical
    cluster.kill(lost)
    until(lambda: service(cluster, "planner")["yielded"], 30, "the planner yields")
    until(lambda: service(cluster, "steering")["state"] == "ready" and
          nodes_of(cluster, "steering") != [lost], 30, "the steering goes on")
    assert service(cluster, "planner")["state"] == "degraded"
