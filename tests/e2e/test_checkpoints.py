# SPDX-License-Identifier: Apache-2.0
"""Checkpoints in the managers' stores, as the command line shows and moves them."""
import json
import os

import pytest

from conftest import until

STORES = OWN_STORES = ["sqlite", "etcd"]

@pytest.fixture
def stored(tidy, images):
    """A cluster whose managers hold checkpoints of a running task."""
    tidy.ok("deploy", images("counter"))
    until(lambda: len({row["manager"] for row in newest(tidy, "counter")}) == 2, 15,
          "both managers hold a checkpoint")
    return tidy


def newest(cluster, task):
    return [row for row in cluster.json("checkpoints") if row["name"] == task]


def kept(cluster, task="counter"):
    return json.loads(cluster.ok("get", "checkpoints", task, "-o", "json"))


def export(cluster, what, path):
    out = cluster.ok("checkpoint", "export", what, "-o", path)
    assert os.path.getsize(path) > 96, out
    return out


def test_every_manager_holds_the_newest_of_each_task(stored):
    for row in newest(stored, "counter"):
        assert row["epoch"] > 0 and row["bytes"] > 96 and row["kept"] >= 1, row
    first = {row["manager"]: row["job"] for row in newest(stored, "counter")}
    until(lambda: all(row["job"] > first[row["manager"]] for row in newest(stored, "counter")), 10,
          "newer checkpoints become durable")
    until(lambda: all(row["kept"] == 8 for row in newest(stored, "counter")), 10, "eight are kept")
    table = stored.ok("get", "checkpoints")
    assert "counter" in table and "manager1" in table and "manager2" in table


def test_managers_say_how_they_are(stored):
    managers = stored.json("managers")
    assert [m["name"] for m in managers] == ["manager1", "manager2"]
    for manager in managers:
        assert manager["state"] == "ready" and manager["store"] == "reachable", manager
        assert manager["linked_nodes"] == len(stored.json("nodes")), manager
        assert [peer["linked"] for peer in manager["peers"]] == [True], manager


def test_an_exported_checkpoint_is_named_by_the_schema(stored, images, tmp_path):
    one = tmp_path / "one.axck"
    export(stored, "counter", one)
    text = stored.ok("checkpoint", "inspect", one, "--image", images("counter"))
    assert "epoch" in text and "count" in text, text
    assert stored.run("checkpoint", "diff", one, one).code == 0
    stored.wait_jobs("counter", 3)
    two = tmp_path / "two.axck"
    until(lambda: export(stored, "counter", two) and one.read_bytes() != two.read_bytes(), 10,
          "a newer checkpoint")
    result = stored.run("checkpoint", "diff", one, two, "--image", images("counter"))
    assert result.code == 1 and "(job)" in result.out and "count" in result.out and \
        " -> " in result.out, repr(result)


def test_a_pinned_checkpoint_stays(stored):
    job = newest(stored, "counter")[0]["job"]
    stored.ok("checkpoint", "pin", "counter")
    pinned = {row["job"] for row in kept(stored) if row["pinned"]}
    assert len(pinned) == 1 and pinned.pop() >= job
    job = next(row["job"] for row in kept(stored) if row["pinned"])
    stored.wait_jobs("counter", 20)
    until(lambda: min(row["job"] for row in kept(stored) if not row["pinned"]) > job, 15,
          "the others of that time are gone")
    assert job in {row["job"] for row in kept(stored)}
    stored.ok("checkpoint", "unpin", "counter@%d" % job)
    assert job not in {row["job"] for row in kept(stored)}


def test_an_imported_checkpoint_is_kept_by_both(stored, tmp_path):
    path = tmp_path / "one.axck"
    export(stored, "counter", path)
    stored.wait_jobs("counter", 15)
    out = stored.ok("checkpoint", "import", path)
    assert out.count("imported") == 2, out
    assert len([row for row in kept(stored) if row["pinned"]]) == 2
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert "intact" in stored.refused("checkpoint", "import", path)


def test_what_was_durable_outlives_its_manager(own_cluster, images):
    cluster = own_cluster(1)
    cluster.ok("deploy", images("counter"))
    until(lambda: newest(cluster, "counter"), 15, "a checkpoint is durable")
    cluster.ok("checkpoint", "pin", "counter", "--manager", "manager1")
    job = next(row["job"] for row in kept(cluster) if row["pinned"])
    cluster.kill("manager1")
    assert {m["name"]: m["state"] for m in cluster.json("managers")}["manager1"] == "silent"
    cluster.ok("up")
    assert any(row["pinned"] and row["job"] == job and row["manager"] == "manager1"
               for row in kept(cluster))
    before = newest(cluster, "counter")
    until(lambda: all(row["job"] > before[0]["job"] for row in newest(cluster, "counter")
                      if row["manager"] == "manager1"), 10, "the manager goes on storing")


@pytest.mark.parametrize("which", ["@", "@abc", "@12x", "@1.", "@.5", "@1.2.3", "@-1", "@%s" % ("9" * 25)])
def test_what_names_no_checkpoint_is_no_name_of_the_newest(stored, which, tmp_path):
    file = tmp_path / "x"
    result = stored.run("checkpoint", "export", "counter" + which, "-o", file)
    assert result.code == 2 and "is not TASK" in result.err, repr(result)
    assert not file.exists()


def test_what_is_no_plain_file_is_written_to_and_not_replaced(stored, tmp_path):
    """A link here; a device when root says -o /dev/full."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    (tmp_path / "file").touch()
    export(stored, "counter", link)
    assert link.is_symlink() and (tmp_path / "file").read_bytes()[:4] == b"AXCK"


@pytest.mark.parametrize("arguments", [
    ("checkpoint", "export", "nothing"), ("checkpoint", "inspect", "nothing"),
    ("checkpoint", "pin", "counter@999999"), ("checkpoint", "import", "no-such-file"),
    ("checkpoint", "inspect", "/dev/null"), ("get", "checkpoints", "nothing"),
    ("checkpoint", "export", "counter", "--manager", "nobody")])
def test_what_is_not_there_is_refused(stored, arguments):
    stored.refused(*arguments)
