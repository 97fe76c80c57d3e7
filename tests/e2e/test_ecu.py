# SPDX-License-Identifier: Apache-2.0
"""ECUs of `axcan up`: one task on bare metal, on aarch64 Linux and on x86-64 Linux, and between them.

Emulated boards stand still while the host does something else, and that time counts as the job's. So
the tasks here have long periods and budgets that a busy host does not use up."""
import json
import os
import re
import signal
import struct
import subprocess
import time

import pytest
from conftest import BUILD, Cluster, axcan, is_alive, until

ARM_NODE = os.path.join(BUILD, "aarch64", "src", "node", "axcan-node")
IMAGE = os.path.join(BUILD, "tasks", "neural.axi")  # T = 200 ms
TASK = "scene-classifier"
PLATFORMS = ("axcan-virt", "axcan-zcu102", "linux-aarch64")
BUDGETS = [word for p in PLATFORMS for word in ("--wcet", p + "=140ms")]
OPTIONS = ("--capacity", 900000, "--lease-ms", 2000)  # an emulated node may stand still for a while


def start_arm_node(cluster, name="arm1"):
    """axcan-node for aarch64 under qemu-aarch64, which has no seccomp."""
    with open(os.path.join(cluster.dir, "cluster.json"), encoding="utf-8") as file:
        master = json.load(file)["listen"]
    with open(os.path.join(cluster.dir, name + ".log"), "w", encoding="utf-8") as log:
        process = subprocess.Popen(
            ["qemu-aarch64", ARM_NODE, "--name", name, "--master", master, "--dir",
             os.path.join(cluster.dir, name), "--token-file", os.path.join(cluster.dir, "token"),
             "--history", os.path.join(cluster.dir, name + ".history"), "--fifo", "no",
             "--no-sandbox"], stdin=subprocess.DEVNULL, stderr=log)
    until(lambda: (cluster.node(name) or {}).get("state") == "ready", 20, name + " joins")
    return process


@pytest.fixture(scope="module")
def tiers(tmp_path_factory):
    """An ECU of each board, an aarch64 Linux node, an x86-64 Linux node."""
    made = Cluster(tmp_path_factory.mktemp("tiers") / "state", 1, "--ecus", 1, *OPTIONS)
    made.ok("up", "--ecus", 2, "--board", "zcu102", "--capacity", 900000)
    arm = start_arm_node(made)
    yield made
    made.close()
    arm.terminate()
    arm.wait(20)


@pytest.fixture
def tidy(tiers):
    yield tiers
    for task in tiers.json("tasks"):
        tiers.run("delete", task["name"])


def read(cluster, name):
    with open(os.path.join(cluster.dir, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def loaded(text, task):
    """The digests a host says it loaded for the task."""
    return set(re.findall(r"loaded task=%s .*sha256=([0-9a-f]{64})" % task, text))


def verdict(cluster, task_id, image, *options):
    """Exit code and words of the checker over the histories as they are now, and the task's row."""
    histories = [os.path.join(cluster.dir, name) for name in sorted(os.listdir(cluster.dir))
                 if name.endswith(".history")]
    done = subprocess.run([os.path.join(BUILD, "src", "cli", "axcan-check"), *options, "--image",
                           "%s=%s" % (task_id, image), *histories], capture_output=True, text=True,
                          timeout=60)
    row = next((line.split() for line in done.stdout.splitlines() if line.startswith(TASK)), [])
    return done.returncode, done.stdout + done.stderr, row


def test_nodes_show_tier_board_platform_and_assurance(tiers):
    nodes = {node["name"]: node for node in tiers.json("nodes")}
    shown = {name: (node["tier"], node["board"], node["platforms"][0], node["assurance"])
             for name, node in nodes.items()}
    assert shown == {"node1": ("linux", "", "linux-x86_64", "shared"),
                     "ecu1": ("ecu", "virt", "axcan-virt", "isolated"),
                     "ecu2": ("ecu", "zcu102", "axcan-zcu102", "isolated"),
                     "arm1": ("linux", "", "linux-aarch64", "shared")}
    wide = tiers.ok("get", "nodes", "-o", "wide").splitlines()
    assert wide[0].split()[:6] == ["NAME", "STATE", "TIER", "BOARD", "PLATFORM", "ASSURANCE"]
    assert "console" in tiers.ok("status") and "zcu102" in tiers.ok("status")


def test_one_task_visits_every_tier_with_equal_digests(tidy):
    tidy.ok("deploy", IMAGE, "--node", "ecu1", "--backlog", 50, *BUDGETS)
    tidy.wait_jobs(TASK, 3)
    for target in ("ecu2", "arm1", "node1", "ecu1", "arm1", "ecu2", "node1"):
        assert "blackout" in tidy.ok("migrate", TASK, "--to", target)
        tidy.wait_jobs(TASK, 2)
    task_id = tidy.task(TASK)["id"]
    tidy.ok("stop", TASK)
    tidy.wait_state(TASK, "stopped")
    jobs = tidy.task(TASK)["next_job"]
    end = time.monotonic() + 10
    while True:  # until the ECUs' last records have come
        code, text, row = verdict(tidy, task_id, IMAGE)
        completed, killed, equal = int(row[3]), int(row[4]), int(row[10])
        if completed + killed == jobs or time.monotonic() > end:
            break
        time.sleep(0.2)
    # A job that stood still with its emulated board beyond its budget was killed: not a wrong result.
    assert completed + killed == jobs and equal == completed > 0, "of %d jobs: %s" % (jobs, text)
    assert code == 0 and "7 handovers, 0 violations" in text, text
    # the same bytes ran on bare metal, on both boards, and on Linux
    digests = [loaded(read(tidy, name), TASK) for name in ("ecu1.console", "ecu2.console", "arm1.log")]
    assert digests[0] == digests[1] == digests[2] and len(digests[0]) == 1, digests
    other = loaded(read(tidy, "node1.log"), TASK)
    assert len(other) == 1 and other != digests[0]


def completed_jobs(cluster, node, task_id):
    """{job: (state CRC, output CRC)} of what a node's history says (docs/formats/history.md)."""
    with open(os.path.join(cluster.dir, node + ".history"), "rb") as file:
        data = file.read(64)
        count = struct.unpack_from("<Q", data, 24)[0]
        records = [file.read(80) for _ in range(count)]
    jobs = {}
    for record in records:
        task, _, job = struct.unpack_from("<QQQ", record, 8)
        state_crc, output_crc, _, kind = struct.unpack_from("<IIHB", record, 68)
        if kind == 3 and task == task_id:
            jobs[job] = (state_crc, output_crc)
    return jobs


def test_the_same_elf_leaves_the_same_trace_on_every_host(tidy):
    hosts = {"ecu1": "ecu1.console", "ecu2": "ecu2.console", "arm1": "arm1.log", "node1": "node1.log"}
    for host in hosts:
        tidy.ok("deploy", IMAGE, "--name", "on-" + host, "--node", host, "--jobs", 12, "--backlog", 50,
                *BUDGETS)
    for host in hosts:
        tidy.wait_state("on-" + host, "completed", 30)
    traces = {}
    for host in hosts:
        task_id = int(tidy.task("on-" + host)["id"], 16)
        until(lambda: len(completed_jobs(tidy, host, task_id)) == 12, 10, "12 jobs of " + host)
        traces[host] = completed_jobs(tidy, host, task_id)
    assert traces["ecu1"] == traces["ecu2"] == traces["arm1"] == traces["node1"]
    assert len(set(traces["ecu1"].values())) == 12  # each job left another state
    digests = {host: loaded(read(tidy, log), "on-" + host) for host, log in hosts.items()}
    assert digests["ecu1"] == digests["ecu2"] == digests["arm1"] != digests["node1"], digests


def test_logs_and_top_work_as_on_linux(tidy):
    cruise = os.path.join(BUILD, "tasks", "cruise.axi")
    tidy.ok("deploy", cruise, "--node", "ecu2", "--wcet", "axcan-zcu102=6ms")
    until(lambda: "ecu2" in tidy.ok("logs", "cruise-control"), 15, "a log line from the ECU")
    assert re.search(r"cruise-control +running +ecu2", tidy.ok("top", "-n", 1))


def test_a_fault_on_an_ecu_is_reported_and_stops_that_task_alone(tidy, images):
    tidy.ok("deploy", IMAGE, "--node", "ecu1", "--backlog", 50, "--wcet", "axcan-virt=100ms")
    tidy.ok("deploy", images("null"), "--node", "ecu1")
    tidy.wait_state("null", "failed")
    events = [e["text"] for e in tidy.json("events") if e.get("task") == "null"]
    assert any("killed segv" in text for text in events), events
    tidy.wait_jobs(TASK, 3)  # its deadlines are judged where time is exact: tests/qemu
    assert tidy.task(TASK)["state"] == "running"


def test_what_an_ecu_cannot_take_is_refused_with_a_reason(tidy, images, tmp_path):
    source = tmp_path / "linuxonly.c"
    with open(os.path.join(os.path.dirname(__file__), "tasks", "tally.c"), encoding="utf-8") as file:
        text = file.read()
    source.write_text(re.sub(r',\s*\{"axcan-[a-z0-9]+", \d+\}', "", text).replace("tally", "linuxonly"))
    image = str(tmp_path / "linuxonly.axi")
    assert axcan("build", source, "-o", image).code == 0
    assert "WCET" in tidy.refused("deploy", image, "--node", "ecu1")
    tidy.ok("deploy", image, "--node", "node1")
    assert "WCET" in tidy.refused("migrate", "linuxonly", "--to", "ecu1")
    tidy.wait_jobs("linuxonly", 5)
    err = tidy.refused("deploy", images("counter"), "--node", "ecu1", "--wcet", "axcan-virt=9900us")
    assert "density" in err or "ADMIT" in err or "schedulable" in err, err


def test_an_ecu_that_dies_comes_back_with_up_and_goes_on_with_its_history(own_cluster):
    cluster = own_cluster(1, "--ecus", 1, *OPTIONS)
    cluster.ok("deploy", IMAGE, "--node", "ecu1", "--backlog", 50, *BUDGETS)
    cluster.wait_jobs(TASK, 2)
    cluster.ok("migrate", TASK, "--to", "node1")
    pid = cluster.members()["ecu1"]["pid"]
    identity = cluster.node("ecu1")["id"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), 5, "the end of QEMU")
    assert cluster.run("status").code == 1
    until(lambda: cluster.node("ecu1")["state"] == "dead", 10, "the master notices")
    cluster.ok("up")
    assert cluster.members()["ecu1"]["pid"] != pid
    assert cluster.run("status").code == 0
    assert cluster.node("ecu1")["id"] == identity
    cluster.ok("migrate", TASK, "--to", "ecu1")
    cluster.wait_jobs(TASK, 2)
    assert len(read(cluster, "ecu1.console").split("node-joined")) == 3
    pid = cluster.members()["ecu1"]["pid"]
    cluster.ok("down")
    assert not is_alive(pid)


def test_the_history_of_an_ecu_outlives_its_master(own_cluster):
    cluster = own_cluster(1, "--ecus", 1, *OPTIONS)
    cluster.ok("deploy", IMAGE, "--node", "ecu1", "--backlog", 50, *BUDGETS)
    cluster.wait_jobs(TASK, 3)
    cluster.kill("master")
    cluster.ok("up")
    cluster.wait_jobs(TASK, 3)
    task_id = cluster.task(TASK)["id"]
    cluster.ok("migrate", TASK, "--to", "node1")
    cluster.wait_jobs(TASK, 2)
    cluster.ok("stop", TASK)
    jobs = cluster.task(TASK)["next_job"]
    until(lambda: sum(map(int, verdict(cluster, task_id, IMAGE)[2][3:5])) == jobs, 10,
          "a history without gap: %s" % verdict(cluster, task_id, IMAGE)[1])
    code, text, row = verdict(cluster, task_id, IMAGE)
    assert code == 0 and row[2:5] == [str(jobs), row[3], row[4]] and row[10] == row[3], text


def test_managers_restore_what_a_dead_ecu_ran_on_linux(own_cluster):
    cluster = own_cluster(1, "--ecus", 1, "--managers", 2, *OPTIONS)
    cluster.ok("deploy", IMAGE, "--backlog", 50, *BUDGETS)
    if cluster.task(TASK)["node"] != "ecu1":
        cluster.ok("migrate", TASK, "--to", "ecu1")
    cluster.wait_jobs(TASK, 4)
    until(lambda: cluster.json("checkpoints"), 10, "a checkpoint at a manager")
    os.kill(cluster.members()["ecu1"]["pid"], signal.SIGKILL)
    until(lambda: cluster.task(TASK)["node"] == "node1" and cluster.task(TASK)["state"] == "running",
          30, "the restore")
    cluster.wait_jobs(TASK, 2)
    task_id = cluster.task(TASK)["id"]
    code, text, row = verdict(cluster, task_id, IMAGE, "--torn")  # its last records died with it
    assert code == 0 and row[10] == row[3] and int(row[3]) > 4, text
    assert "restore" in text and "ecu1 -> node1" in text, text


def test_up_says_why_an_ecu_cannot_be_started(tmp_path):
    state = str(tmp_path / "state")
    for options, env, text in (
            (("--board", "pi"), {}, "virt, zcu102"),
            (("--ecus", 17), {}, "0 to 16"),
            ((), {"AXCAN_OS": str(tmp_path)}, "no kernel for virt"),
            ((), {"PATH": str(tmp_path)}, "qemu-system-aarch64 is not installed")):
        result = axcan("up", "--nodes", 0, "--ecus", 1, "--dir", state, *options, env=env)
        assert result.code != 0 and text in result.err, repr(result)
        assert not os.path.exists(os.path.join(state, "cluster.json"))  # and nothing is left running


def test_a_cluster_is_as_before_when_an_ecu_cannot_be_added(own_cluster, tmp_path):
    cluster = own_cluster(1)
    before = set(cluster.members())
    result = axcan("up", "--ecus", 1, "--dir", cluster.dir, env={"AXCAN_OS": str(tmp_path)})
    assert result.code == 1 and "no kernel for virt" in result.err, repr(result)
    assert set(cluster.members()) == before
    cluster.ok("status")
    assert "in sqlite" in cluster.refused("up", "--store", "etcd")
    cluster.ok("up", "--store", "sqlite")


def test_a_new_cluster_that_failed_leaves_nothing_for_the_next_attempt_to_stumble_over(tmp_path):
    state = tmp_path / "state"
    result = axcan("up", "--store", "etcd", "--ecus", 1, "--nodes", 0, "--dir", state,
                   env={"AXCAN_OS": str(tmp_path)})
    assert result.code == 1 and "no kernel for virt" in result.err, repr(result)
    assert not list(state.glob("etcd?")) and not (state / "cluster.json").exists()
    assert axcan("down", "--purge", "--dir", state).code == 0 and not state.exists()
    (tmp_path / "other").mkdir()
    assert axcan("down", "--purge", "--dir", tmp_path / "other").code == 0
    assert (tmp_path / "other").is_dir()  # none of ours: not touched
