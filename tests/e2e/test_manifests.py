# SPDX-License-Identifier: Apache-2.0
"""Manifests on the command line: apply, plan, diff, delete, explain, with real processes."""
import json
import os
import subprocess

import jsonschema
import pytest
import yaml

from conftest import AXCAN, ROOT, axcan, until

SERVICE = "kind: Service\nname: %s\nimage: %s\n"


@pytest.fixture
def declared(cluster):
    """The shared cluster; what a test declared is deleted after it."""
    yield cluster
    for one in cluster.json("declared"):
        if one["kind"] == "Service":
            cluster.ok("delete", "service", one["name"])
    cluster.run("uncordon", "node1")
    cluster.run("uncordon", "node2")


@pytest.fixture
def manifest(tmp_path):
    def write(text, name="m.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def service(cluster, name):
    return next((s for s in cluster.json("services") if s["name"] == name), None)


def codes(cluster, file):
    return [cluster.run(command, "-f", file).code for command in ("diff", "plan")]


def test_apply_diff_plan_delete(declared, images, manifest):
    file = manifest(SERVICE % ("one", images("steady")))
    assert codes(declared, file) == [1, 1]
    assert declared.json("services") == []  # neither changed anything
    assert "service/one created (dry run)" in declared.ok("apply", "-f", file, "--dry-run")
    assert declared.json("services") == []
    assert declared.ok("apply", "-f", file, "--wait") == "service/one created\n"
    assert codes(declared, file) == [0, 0]
    assert declared.ok("apply", "-f", file) == "service/one unchanged\n"
    one = service(declared, "one")
    assert one["state"] == "ready" and one["replicas"] == 1
    assert declared.task("one-1")["state"] == "running"
    described = declared.ok("describe", "service", "one")
    assert "one-1" in described and "replica-placed" in described and "1 of 1 ready" in described

    changed = manifest(SERVICE % ("one", images("steady")) + "update: {good_jobs: 7}\n", "n.yaml")
    result = declared.run("diff", "-f", changed)
    assert result.code == 1 and "  update.good_jobs: 20 -> 7\n" in result.out
    assert declared.ok("apply", "-f", changed) == "service/one changed\n"
    assert declared.task("one-1")["state"] == "running"  # nothing was started anew for that

    assert declared.ok("delete", "-f", file) == "service/one deleted\n"
    assert service(declared, "one") is None
    until(lambda: declared.json("tasks") == [], what="the end of the replica")


def test_what_is_declared_can_be_applied_again(declared, images, manifest):
    declared.ok("apply", "-f", manifest(SERVICE % ("again", images("steady")) +
                                        "---\nkind: Node\nname: node3\nlabels: {zone: rear}\n"
                                        "---\nkind: Policy\nflapping: {limit: 4}\n"), "--wait")
    printed = declared.ok("get", "declared", "-o", "yaml")
    file = manifest(printed, "declared.yaml")
    assert codes(declared, file) == [0, 0]
    assert "unchanged" in declared.ok("apply", "-f", file)
    done = subprocess.run([AXCAN, "diff", "-f", "-", "--dir", declared.dir], input=printed,
                          text=True, capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert declared.run("delete", "node", "node3").code == 0


def test_a_stale_revision_is_refused(declared, images, manifest):
    text = SERVICE % ("old", images("steady"))
    declared.ok("apply", "-f", manifest(text), "--wait")
    revision = next(o for o in declared.json("declared") if o["name"] == "old")["revision"]
    declared.ok("apply", "-f", manifest(text + "criticality: 3\n"))
    result = declared.run("apply", "-f", manifest(text + "criticality: 4\nrevision: %d\n" %
                                                  revision))
    assert result.code == 1 and "REVISION" in result.err and "axcan get declared" in result.err
    assert next(o for o in declared.json("declared") if o["name"] == "old")["criticality"] == 3


@pytest.mark.parametrize("text, place", [
    ("kind: Servce\nname: a\n", "1:7: kind: expected one of Service, Node, Policy"),
    ("kind: Service\nname: a\nimage: i\nreplica: 2\n", "4:1: replica: no field 'replica' in service; "
                                                       "did you mean 'replicas'?"),
    ("kind: Service\nname: a\nimage: i\nmode: tmr\nreplicas: 2\n", "5:11: replicas: mode tmr has 3"),
    ("kind: Service\nname: a\nimage: [i\n", ": did not find expected"),
    ("kind: &a Node\n", "1:7: anchors (&) are not taken")])
def test_a_wrong_manifest_is_refused_with_its_place(declared, manifest, text, place):
    file = manifest(text)
    for command in ("apply", "plan", "diff", "delete"):
        result = declared.run(command, "-f", file)
        assert result.code == 2, repr(result)
        assert result.err.startswith("axcan %s: %s:" % (command, file)) and place in result.err


def test_impossible_demands_name_the_nodes_that_refuse(declared, images, manifest):
    file = manifest(SERVICE % ("far", images("steady")) + "labels: {zone: nowhere}\n")
    result = declared.run("apply", "-f", file)
    assert result.code == 1 and "Service 'far' is refused" in result.err, repr(result)
    assert all("node%d" % n in result.err for n in (1, 2, 3)) and "PLACE_LABEL" in result.err
    assert declared.run("plan", "-f", file).code == 2
    assert declared.json("services") == []
    both = manifest(SERVICE % ("fine", images("steady")) + "---\n" +
                    SERVICE % ("far", images("steady")) + "labels: {zone: nowhere}\n")
    assert declared.run("apply", "-f", both).code == 1
    assert declared.json("services") == []  # all or nothing


def test_files_that_are_not_there(declared, manifest, tmp_path):
    result = declared.run("apply", "-f", str(tmp_path / "none.yaml"))
    assert result.code == 2 and "No such file" in result.err
    result = declared.run("apply", "-f", manifest(SERVICE % ("a", "none.axi")))
    assert result.code == 1 and "none.axi" in result.err and "m.yaml:1: service 'a'" in result.err
    result = declared.run("apply", "-f", manifest(SERVICE % ("a", "unknown")))
    assert result.code == 1 and "unknown" in result.err
    assert declared.run("apply").code == 2
    assert declared.run("delete", "service", "none").code == 1
    assert declared.run("delete", "service").code == 2


def test_cordon_drain_rollout(declared, images, manifest):
    declared.ok("apply", "-f", manifest(SERVICE % ("two", images("steady")) +
                                        "mode: at-least-one\n"), "--wait")
    node = declared.task("two-1")["node"]
    assert declared.ok("cordon", node) == node + " cordoned\n"
    assert "is drained" in declared.ok("drain", node, "--deadline", "10s")
    assert all(task["node"] != node for task in declared.json("tasks"))
    assert declared.ok("uncordon", node) == node + " uncordoned\n"
    assert "two: ready, 2 of 2 ready" in declared.ok("rollout", "status", "two", "--watch")
    assert declared.ok("rollout", "pause", "two") == "two paused\n"
    assert declared.ok("rollout", "resume", "two") == "two resumed\n"
    assert declared.run("rollout", "undo", "two").code == 1  # there is no former declaration
    assert declared.run("rollout", "stop", "two").code == 2
    assert declared.run("rollout", "status", "none").code == 1
    assert declared.run("drain", "none").code == 1
    declared.ok("deploy", images("counter"), "--name", "pinned", "--node", node)
    left = declared.run("drain", node, "--deadline", "1s")
    assert left.code == 1 and "pinned stays on %s: was deployed for this node" % node in left.out
    assert "1 stays on %s: pinned (TIMEOUT)" % node in left.err
    declared.ok("uncordon", node)
    declared.ok("delete", "pinned")
    assert declared.run("cordon", "none").code == 1


def test_explain():
    assert "default 20" in axcan("explain", "service.update.good_jobs").out
    assert "policy" in axcan("explain").out
    result = axcan("explain", "service.updat")
    assert result.code == 1 and "did you mean 'service.update'?" in result.err


def documents():
    for folder, _, names in sorted(os.walk(os.path.join(ROOT, "examples"))):
        for name in sorted(names):
            if name.endswith(".yaml"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    yield from yaml.safe_load_all(file)


def test_the_schema_takes_the_examples_and_refuses_what_is_wrong():
    schema = json.loads(axcan("explain", "--schema").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    examples = list(documents())
    assert len(examples) >= 6
    for one in examples:
        validator.validate(one)
        for wrong in ({"mode": "trm"}, {"replicas": 0}, {"updates": {}}, {"labels": {"a": 1}},
                      {"update": {"surge": 2}}, {"name": "Large"}, {"image": ""}):
            assert not validator.is_valid({**one, **wrong}), wrong
