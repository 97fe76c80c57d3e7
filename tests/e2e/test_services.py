# SPDX-License-Identifier: Apache-2.0
"""Services with real processes: what was declared stays true when nodes and masters die."""
from conftest import until

TMR = "kind: Service\nname: brake\nimage: %s\nmode: tmr\n"


def apply(cluster, text, *options):
    path = cluster.dir + ".yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return cluster.run("apply", "-f", path, *options)


def service(cluster, name):
    return next((s for s in cluster.json("services") if s["name"] == name), None)


def is_ready(cluster, name, without=()):
    one = service(cluster, name)
    return (one is not None and one["state"] == "ready" and one["ready"] == one["replicas"] and
            not set(without) & {m["node"] for m in one["members"]} and one)


def wait_ready(cluster, name, without=()):
    return until(lambda: is_ready(cluster, name, without), 30, "%s as declared" % name)


def events(cluster, kind):
    return [e for e in cluster.json("events") if e["type"] == kind]


def advance(cluster, name):
    """Every member goes on, and no job was lost or doubled (the task itself checks that)."""
    for member in service(cluster, name)["members"]:
        cluster.wait_jobs(member["task"], 20)


def test_replicas_are_replaced_also_by_another_master(own_cluster, images):
    cluster = own_cluster(4)
    done = apply(cluster, TMR % images("counter"), "--wait")
    assert done.code == 0, repr(done)
    first = wait_ready(cluster, "brake")
    assert len({m["node"] for m in first["members"]}) == 3
    victim = first["members"][0]["node"]
    cluster.kill(victim)
    second = wait_ready(cluster, "brake", [victim])
    assert {m["number"] for m in second["members"]} == {2, 3, 4}
    seeded = events(cluster, "seeded")
    assert seeded and "state of brake-" in seeded[-1]["text"]
    advance(cluster, "brake")

    # A node and the master die together: the next master finds out and goes on.
    victim2 = second["members"][0]["node"]
    cluster.kill("master")
    cluster.kill(victim2)
    cluster.ok("up")
    last = wait_ready(cluster, "brake")
    assert len({m["node"] for m in last["members"]}) == 3
    assert last["generation"] == 1
    advance(cluster, "brake")
    assert not events(cluster, "failed")
    cluster.judge()


def test_drain_and_cordon(own_cluster, images):
    cluster = own_cluster(4)
    assert apply(cluster, TMR % images("counter"), "--wait").code == 0
    before = wait_ready(cluster, "brake")
    node = before["members"][1]["node"]
    cluster.ok("drain", node)
    after = wait_ready(cluster, "brake", [node])
    assert [m["task"] for m in after["members"]] == [m["task"] for m in before["members"]]
    assert cluster.node(node)["tasks"] == []
    cluster.ok("deploy", images("tally"), "--name", "plain")  # keeps off the drained node, too
    assert cluster.task("plain")["node"] != node
    advance(cluster, "brake")
    others = {n["name"] for n in cluster.json("nodes")} - {node}
    for other in others:
        cluster.ok("cordon", other)
    cluster.ok("uncordon", node)
    cluster.kill(after["members"][0]["node"])
    wait_ready(cluster, "brake", [after["members"][0]["node"]])
    assert any(m["node"] == node for m in service(cluster, "brake")["members"])
    cluster.judge()


def solo_yields_to_what_is_more_critical(cluster, images):
    """Only node1 is allowed, solo fills it, and node2 is too full for solo."""
    vital = """
kind: Policy
rebalance: {cooldown_s: 1}
---
kind: Service
name: vital
image: %s
mode: single
criticality: 9
nodes: [node1]
wcet_us: {linux-x86_64: 4000}
""" % images("tally")
    path = cluster.dir + "-vital.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(vital)
    plan = cluster.run("plan", "-f", path)
    assert plan.code == 1, repr(plan)
    assert "makes room for vital (criticality 9, its own is 0)" in plan.out, plan.out
    assert apply(cluster, vital, "--wait").code == 0
    assert wait_ready(cluster, "vital")["members"][0]["node"] == "node1"
    solo = service(cluster, "solo")
    assert solo["state"] == "degraded" and solo["yielded"]["to"] == "vital", solo
    assert "solo (criticality 0) makes room for vital (9)" in events(cluster, "yields")[0]["text"]
    cluster.ok("delete", "service", "vital")
    full = wait_ready(cluster, "solo")
    assert not full["members"][0]["degraded"] and full["yielded"] is None, full


def test_a_single_service_degrades_and_recovers(own_cluster, images):
    cluster = own_cluster(2)
    cluster.ok("deploy", images("tally"), "--name", "filler", "--node", "node2", "--wcet",
               "linux-x86_64=3ms")
    done = apply(cluster, """
kind: Service
name: solo
image: %s
mode: single
wcet_us: {linux-x86_64: 4000}
degraded: {image: %s, state: restart, after_s: 1}
""" % (images("counter"), images("tally")), "--wait")
    assert done.code == 0, repr(done)
    assert wait_ready(cluster, "solo")["members"][0]["node"] == "node1"
    cluster.wait_jobs("solo-1", 30)
    cluster.kill("node1")
    until(lambda: service(cluster, "solo")["state"] == "degraded", 30, "solo degraded")
    member = service(cluster, "solo")["members"]
    assert [m["node"] for m in member if m["degraded"]] == ["node2"]
    assert "warm restart" in events(cluster, "replica-placed")[-1]["text"]
    cluster.ok("up")
    full = wait_ready(cluster, "solo", ["node2"])
    assert not full["members"][0]["degraded"]
    assert events(cluster, "recovered")
    solo_yields_to_what_is_more_critical(cluster, images)
    cluster.judge()


def test_what_cannot_be_is_refused_with_every_node_s_reason(own_cluster, images):
    cluster = own_cluster(2)
    done = apply(cluster, TMR % images("tally"))
    assert done.code in (1, 2) and "brake" in done.err, repr(done)
    assert "node1" in done.err and "node2" in done.err, repr(done)
    assert cluster.json("services") == []
    done = apply(cluster, "kind: Node\nname: node1\nlabels: {zone: front}\n---\n"
                 "kind: Service\nname: front\nimage: %s\nmode: single\nlabels: {zone: front}\n" %
                 images("tally"), "--wait")  # the label is declared in the same request
    assert done.code == 0, repr(done)
    assert wait_ready(cluster, "front")["members"][0]["node"] == "node1"
