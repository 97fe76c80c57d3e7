# SPDX-License-Identifier: Apache-2.0
"""Partitions on demand with real ones: axcan-host, runax, QEMU, Axcan OS."""
import json
import os
import shutil
import signal
import subprocess

import pytest
from conftest import BUILD, Cluster, is_alive, until
from test_ecu import IMAGE, OPTIONS
from test_services import apply, events, service, wait_ready

HOST = os.path.join(BUILD, "src", "host", "axcan-host")
POLICY = "kind: Policy\npartitions: {idle_s: 0.5}\n"
SAFE = ("kind: Service\nname: safe\nimage: %s\nmode: single\nassurance: partition\n"
        "wcet_us: {axcan-zcu102: 140000}\n" % IMAGE)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("hosted") / "c", 1, "--partition-hosts", 1, *OPTIONS)
    assert apply(made, POLICY).code == 0
    yield made
    made.close()
    left = os.path.join(made.dir, "host1", "runax")
    assert not os.path.isdir(left) or os.listdir(left) == [], "down ends every partition"
    made.judge()


def partitions(cluster):
    return cluster.json("hosts")[0]["partitions"]


def test_a_partition_comes_for_a_service_and_goes_when_it_is_idle(hosted):
    planned = apply(hosted, SAFE, "--dry-run")
    assert "would start a partition on host1" in planned.out, repr(planned)
    assert hosted.node("host1-p1") is None
    assert apply(hosted, SAFE).code == 0
    one = wait_ready(hosted, "safe")
    assert one["members"][0]["node"] == "host1-p1"
    node = hosted.node("host1-p1")
    assert (node["assurance"], node["host"]) == ("partition", "host1")
    hosted.wait_jobs("safe-1", 2)

    hosted.kill("host1")  # real-time work goes on without it, and its next life finds it again
    hosted.wait_jobs("safe-1", 2)
    hosted.ok("up")
    assert hosted.node("host1-p1")["boot"] == node["boot"]
    assert [p["state"] for p in partitions(hosted)] == ["running"]

    assert hosted.run("delete", "service", "safe").code == 0
    until(lambda: partitions(hosted) == [], 30, "the idle partition goes")
    assert hosted.node("host1-p1") is None
    assert service(hosted, "safe") is None
    assert len(events(hosted, "partition-wanted")) == 1
    assert "host1 is there" in hosted.refused("delete", "host", "host1")


def test_a_task_is_deployed_into_a_partition_and_survives_its_death(hosted):
    hosted.ok("deploy", IMAGE, "--name", "t", "--assurance", "partition",
              "--wcet", "axcan-zcu102=140ms", timeout=60)
    assert hosted.task("t")["node"] == "host1-p1"
    hosted.wait_jobs("t", 2)
    done = hosted.task("t")["next_job"]
    state = subprocess.run(
        [os.path.join(BUILD, "src", "runax", "oci", "runax"), "--root", hosted.dir + "/host1/runax",
         "kill", "host1-p1", "KILL"], capture_output=True, text=True, timeout=30)
    assert state.returncode == 0, state.stderr
    until(lambda: events(hosted, "partition-failed"), 20, "its host reports it")
    until(lambda: hosted.task("t")["state"] == "running", 40, "it is restored in another one")
    hosted.wait_jobs("t", 1)
    assert hosted.task("t")["next_job"] > done


def run_host(folder, *arguments, token="secret", env=None, program=HOST):
    file = folder / "token"
    file.write_text(token + "\n")
    file.chmod(0o600)
    done = subprocess.run([program, "--token-file", str(file), "--dir", str(folder / "h"),
                           *map(str, arguments)], capture_output=True, text=True, timeout=30,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments, code, said", [
    (["--name", "Edge", "--api", "127.0.0.1:1"], 1, "what=name"),
    (["--name", "a" * 25, "--api", "127.0.0.1:1"], 1, "what=name"),
    (["--name", "e", "--api", "127.0.0.1:1", "--max", "17"], 2, "--max"),
    (["--name", "e", "--api", "127.0.0.1:1", "--max", "-1"], 2, "--max"),
    (["--name", "e", "--api", "nonsense"], 1, "what=api"),
    (["--name", "e", "--api", "192.0.2.1:7401"], 1, "allow-remote"),
    (["--name", "e"], 1, "what=api"),
    (["--name", "e", "--api", "127.0.0.1:1", "--advertise", "edge.plant"], 1, "what=advertise"),
    (["--name", "e", "--api", "127.0.0.1:1", "--board", "moon"], 1, "what=board"),
    (["--name", "e", "--api", "127.0.0.1:1", "--hypervisor", "moon"], 1, "what=hypervisor"),
    (["--name", "e", "--api", "127.0.0.1:1", "--hypervisor", "jailhouse"], 1, "what=hypervisor"),
])
def test_a_host_says_what_is_wrong(tmp_path, arguments, code, said):
    returned, err = run_host(tmp_path, *arguments)
    assert (returned, said in err) == (code, True), err


def test_a_host_without_runax_says_so(tmp_path):
    alone = str(tmp_path / "axcan-host")
    shutil.copy(HOST, alone)
    returned, err = run_host(tmp_path, "--name", "e", "--api", "127.0.0.1:1", program=alone,
                             env={"PATH": "/nowhere"})
    assert (returned, "what=runax" in err) == (1, True), err


def test_a_host_with_a_wrong_token_or_a_taken_name_is_refused(hosted, tmp_path):
    with open(os.path.join(hosted.dir, "cluster.json"), encoding="utf-8") as file:
        api = json.load(file)["api"]
    code, err = run_host(tmp_path, "--name", "edge", "--api", api, token="wrong")
    assert code == 1 and "token" in err, err
    with open(os.path.join(hosted.dir, "token"), encoding="utf-8") as file:
        token = file.read().strip()
    (tmp_path / "token").write_text(token + "\n")
    (tmp_path / "token").chmod(0o600)
    with open(tmp_path / "log", "w", encoding="utf-8") as log:
        second = subprocess.Popen([HOST, "--name", "host1", "--api", api, "--token-file",
                                   str(tmp_path / "token"), "--dir", str(tmp_path / "h")],
                                  stderr=log)
    until(lambda: "another host is called host1" in (tmp_path / "log").read_text(), 10, "refused")
    second.send_signal(signal.SIGTERM)
    second.wait(10)
    assert not is_alive(second.pid)
    hosts = hosted.json("hosts")
    assert [(h["name"], h["assurance"], h["max"]) for h in hosts] == [("host1", "partition", 2)]
