# SPDX-License-Identifier: Apache-2.0
"""Command lines: what is wrong is said, with the cure, and by the exit code."""
import json
import os
import stat

import pytest
from conftest import axcan, is_alive, until


@pytest.mark.parametrize("arguments", [
    ["nonsense"], [], ["get"], ["get", "cats"], ["get", "nodes", "-o", "xml"], ["deploy"],
    ["deploy", "a", "b"], ["migrate"], ["migrate", "t", "--to"], ["migrate", "t", "--too", "n"],
    ["get", "nodes", "--timeout", "soon"], ["up", "--nodes", "many"], ["up", "--nodes", "1000"],
    ["profile", "x"], ["deploy", "x", "--wcet", "linux"], ["delete", "a/b"], ["logs", "a b"],
    ["completion", "fish"], ["describe", "event", "1"], ["up", "--fifo", "perhaps"]])
def test_bad_arguments_are_a_usage_error(arguments, tmp_path):
    result = axcan(*arguments, env={"AXCAN_DIR": str(tmp_path)})
    assert result.code == 2, repr(result)
    assert result.out == "" and result.err


@pytest.mark.parametrize("command", [
    "up", "down", "status", "deploy", "get", "describe", "migrate", "start", "stop", "delete",
    "logs", "top", "profile", "build", "inspect", "replay", "completion"])
def test_every_command_explains_itself(command):
    result = axcan(command, "--help")
    assert result.code == 0 and result.out.startswith("usage: axcan " + command), repr(result)
    assert axcan("help", command).out == result.out


def test_version():
    assert axcan("version").out.startswith("axcan ")


def test_completion_is_valid_bash():
    import subprocess
    script = axcan("completion", "bash").out
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_no_cluster_is_said_with_the_cure(tmp_path):
    result = axcan("get", "nodes", "--dir", tmp_path)
    assert result.code == 1 and "axcan up" in result.err, repr(result)


def test_missing_and_broken_images_are_refused(cluster, tmp_path):
    assert "axcan build" in cluster.refused("deploy", str(tmp_path / "none.axi"))
    broken = tmp_path / "broken.axi"
    broken.write_bytes(b"\x7fELF" + bytes(100))
    cluster.refused("deploy", str(broken))


def test_outputs_of_get(cluster):
    table = cluster.ok("get", "nodes").splitlines()
    assert table[0].split()[0] == "NAME" and table[0].split()[-1] == "AGE"
    assert len(table) == 4
    assert len(cluster.ok("get", "nodes", "-o", "wide").splitlines()[0]) > len(table[0])
    assert sorted(n["name"] for n in cluster.json("nodes")) == ["node1", "node2", "node3"]
    assert "node/node1" in cluster.ok("get", "nodes", "-o", "name").split()
    assert "name: \"node1\"" in cluster.ok("get", "nodes", "-o", "yaml")
    assert len(cluster.ok("get", "nodes", "node2").splitlines()) == 2
    assert "no node" in cluster.refused("get", "nodes", "node9")
    assert cluster.ok("get", "events").splitlines()[0].split()[0] == "NAME"
    cluster.ok("top", "-n", 1)
    cluster.ok("status")
    assert json.loads(cluster.ok("status", "-o", "json"))["ready"] == 3
    assert "\033" not in cluster.ok("top", "-n", 2, "--every", "100ms")


def test_a_wrong_token_is_refused(cluster, tmp_path):
    token = tmp_path / "token"
    token.write_text("0" * 64)
    token.chmod(0o600)
    assert "token" in cluster.refused("get", "nodes", "--token-file", str(token))
    token.chmod(0o644)
    assert "chmod" in cluster.refused("get", "nodes", "--token-file", str(token))


def test_state_is_private(cluster):
    for name in ("token",):
        mode = os.stat(os.path.join(cluster.dir, name)).st_mode
        assert stat.S_IMODE(mode) == 0o600


def test_a_node_with_a_wrong_token_does_not_join(cluster, tmp_path):
    import subprocess
    from conftest import BUILD
    token = tmp_path / "token"
    token.write_text("1" * 64)
    token.chmod(0o600)
    with open(os.path.join(cluster.dir, "cluster.json"), encoding="utf-8") as file:
        listen = json.load(file)["listen"]
    node = subprocess.Popen([os.path.join(BUILD, "src/node/axcan-node"), "--name", "stranger",
                             "--dir", str(tmp_path / "n"), "--token-file", str(token), "--master",
                             listen, "--fifo", "no"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: "token" in cluster.ok("get", "events").lower(), 10, "the refusal's event")
        assert cluster.node("stranger") is None
    finally:
        node.terminate()
        assert node.wait(10) == 0


def test_a_second_node_with_the_same_identity_is_refused(cluster, tmp_path):
    import shutil
    import subprocess
    from conftest import BUILD
    (tmp_path / "twin").mkdir()
    shutil.copy(os.path.join(cluster.dir, "node1", "identity"), tmp_path / "twin")
    with open(os.path.join(cluster.dir, "cluster.json"), encoding="utf-8") as file:
        listen = json.load(file)["listen"]
    twin = subprocess.Popen([os.path.join(BUILD, "src/node/axcan-node"), "--name", "twin", "--dir",
                             str(tmp_path / "twin"), "--token-file",
                             os.path.join(cluster.dir, "token"), "--master", listen, "--fifo",
                             "no"], stderr=subprocess.DEVNULL)
    try:
        until(lambda: "node-refused" in cluster.ok("get", "events"), 10, "the refusal's event")
        assert cluster.node("twin") is None and cluster.node("node1")["state"] == "ready"
    finally:
        twin.terminate()
        assert twin.wait(10) == 0


def test_daemons_refuse_to_listen_beyond_loopback(tmp_path):
    import subprocess
    from conftest import BUILD
    token = tmp_path / "token"
    token.write_text("1" * 64)
    token.chmod(0o600)
    for program, options in (("master", ["--listen", "0.0.0.0:0"]),
                             ("node", ["--listen", "0.0.0.0:0", "--name", "n", "--fifo", "no"])):
        done = subprocess.run([os.path.join(BUILD, "src", program, "axcan-" + program), "--dir",
                               str(tmp_path / program), "--token-file", str(token)] + options,
                              capture_output=True, text=True, timeout=20)
        assert done.returncode == 1 and "--allow-remote" in done.stderr, done.stderr


def test_a_dead_master_fails_within_the_timeout(own_cluster):
    import signal
    cluster = own_cluster(1)
    cluster.signal("master", signal.SIGSTOP)
    result = cluster.run("get", "nodes", "--timeout", "1s")
    assert result.code == 1 and "timeout" in result.err, repr(result)
    cluster.signal("master", signal.SIGCONT)
    cluster.kill("master")
    result = cluster.run("get", "nodes", "--timeout", "5s")
    assert result.code == 1 and "axcan up" in result.err, repr(result)
    assert cluster.run("status").code == 1
    cluster.ok("up")
    cluster.ok("get", "nodes")


def test_down_leaves_nothing_behind(own_cluster):
    cluster = own_cluster(2)
    pids = [m["pid"] for m in cluster.members().values()]
    cluster.ok("down")
    assert not any(is_alive(pid) for pid in pids)
    cluster.ok("down", "--purge")
    assert not os.path.exists(cluster.dir)


def test_a_damaged_cluster_file_starts_no_second_cluster_beside_the_first(own_cluster):
    cluster = own_cluster(1)
    path = os.path.join(cluster.dir, "cluster.json")
    with open(path, encoding="utf-8") as file:
        good = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(good[:100])
    assert "damaged" in cluster.refused("up")
    with open(path, encoding="utf-8") as file:
        assert file.read() == good[:100]
    with open(path, "w", encoding="utf-8") as file:
        file.write(good)
    cluster.ok("status")
