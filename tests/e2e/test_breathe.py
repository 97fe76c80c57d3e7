# SPDX-License-Identifier: Apache-2.0
"""Breathing: the load of a node rises, a task leaves it before the node is full and comes home."""
import subprocess

from conftest import AXCAN, until

MANIFEST = """
kind: Policy
rebalance: {enabled: true, high_percent: 40, low_percent: 35, horizon_s: 1, cooldown_s: 2}
---
kind: Node
name: node1
labels: {place: home}
---
kind: Service
name: left
image: %(image)s
mode: single
prefer: {place: home}
---
kind: Service
name: right
image: %(image)s
mode: single
prefer: {place: home}
"""


def places(cluster):
    return {t["name"]: t["node"] for t in cluster.json("tasks") if t["state"] == "running"}


def events(cluster, kind):
    return [e for e in cluster.json("events") if e["type"] == kind]


def test_a_task_leaves_before_overload_and_comes_home(own_cluster, images, tmp_path):
    cluster = own_cluster(2)
    manifest = tmp_path / "breathe.yaml"
    manifest.write_text(MANIFEST % {"image": images("swell")}, encoding="ascii")
    cluster.ok("apply", "-f", manifest)
    home = {"left-1": "node1", "right-1": "node1"}
    until(lambda: places(cluster) == home, 15, "both at home")
    before = len(events(cluster, "home"))
    moved = until(lambda: events(cluster, "rebalanced"), 40, "a task leaves")
    assert "above 40 %" in moved[0]["text"], moved
    assert moved[0]["node"] == "node1", moved
    until(lambda: "node2" in places(cluster).values() or len(events(cluster, "home")) > before, 10,
          "one is elsewhere: %s" % cluster.json("events")[-12:])
    node = cluster.node("node1")["prediction"]
    assert node["model"] == "learned" and node["samples"] > 20, node
    until(lambda: places(cluster) == home, 60, "it is home again")
    assert len(events(cluster, "rebalanced")) <= 2  # no flapping
    for name in home:
        cluster.wait_jobs(name, 20)
        task = cluster.task(name)
        print("%s: %d jobs, %d missed, %d killed" % (name, task["next_job"], task["missed"],
                                                     task["killed"]))
    cluster.judge()  # no job lost or doubled; misses are counted there


def test_weights_are_trained_and_bad_files_refused(tmp_path):
    trace = tmp_path / "trace.csv"
    weights = tmp_path / "w.axpw"
    head = "time_ns,node,task_load_ppm,cpu_load_ppm,density_ppm,latency_ns\n"
    trace.write_text(head + "".join("%d,n%d,%d,0,0,0\n" % (k, n, 1000 * (k * (n + 3) % 700))
                                    for k in range(1, 400) for n in range(2)), encoding="ascii")

    def train(*arguments):
        return subprocess.run([AXCAN, "train", *map(str, arguments)], capture_output=True,
                              text=True, timeout=60)

    done = train(trace, "-o", weights)
    assert done.returncode == 0, done
    assert weights.stat().st_size == 5548
    assert train(trace).returncode == 2
    assert train("-o", weights).returncode == 2
    trace.write_text(head + "1,n,5,0,0,0\n1,n,6,0,0,0\n", encoding="ascii")
    refused = train(trace, "-o", weights)
    assert refused.returncode == 1 and "trace.csv:3:" in refused.stderr, refused
    weights.write_bytes(weights.read_bytes()[:-1])
    token = tmp_path / "token"
    token.write_text("x" * 32, encoding="ascii")
    token.chmod(0o600)
    master = AXCAN.replace("cli/axcan", "master/axcan-master")
    refused = subprocess.run([master, "--dir", str(tmp_path / "m"), "--token-file", str(token),
                              "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0",
                              "--predictor", str(weights)], capture_output=True, text=True,
                             timeout=20)
    assert refused.returncode == 1 and "PREDICT_TRUNCATED" in refused.stderr, refused
