# SPDX-License-Identifier: Apache-2.0
"""Application images: one index with Linux containers and bare-metal images of the same tasks. What
is built, what it says about itself, who gets which entry, and that containerd, podman, skopeo, umoci
and runax use it as it is."""
import copy
import json
import os
import re
import subprocess

import pytest
from conftest import BUILD, ROOT, Cluster, axcan, until
from runax import Runax, build_echo, text_of, wait_text
from test_runax_engines import Containerd, Podman, engines

CRUISE = os.path.join(BUILD, "tasks", "cruise.axi")
TASKS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "tasks")
with_engines = pytest.mark.skipif(not engines(), reason="capability:container-engines")


def build(path, *words):
    result = axcan("image", "build", *words, "-o", path)
    assert result.code == 0, repr(result)
    return str(path)


def refused(*words, code=1):
    result = axcan("image", *words)
    assert result.code == code, repr(result)
    return result.err


def inspect(path):
    result = axcan("image", "inspect", path, "-o", "json")
    assert result.code == 0, repr(result)
    shown = json.loads(result.out)
    return shown, {entry["ref"]: entry for entry in shown["entries"]}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """From source: the file tests/e2e/tasks/tally.c, five jobs."""
    source = os.path.join(TASKS, "tally.c")
    return build(tmp_path_factory.mktemp("app") / "app", source, "--jobs", 5, "--trace")


@pytest.fixture(scope="module")
def echo(tmp_path_factory):
    return str(build_echo(tmp_path_factory.mktemp("echo") / "echo.elf"))


def test_one_source_gives_containers_and_an_image_per_board(app, tmp_path):
    shown, entries = inspect(app)
    assert shown["name"] == "tally"
    assert {"linux-amd64", "virt", "zcu102"} <= set(entries)
    for board in ("virt", "zcu102"):
        entry = entries[board]
        assert (entry["os"], entry["architecture"], entry["variant"]) == ("none", "arm64", board)
        assert entry["bri"]["board"] == board
        assert [task["name"] for task in entry["bri"]["tasks"]] == ["tally"]
    assert entries["linux-amd64"]["program"] == "/usr/bin/axcan-run"
    again = build(tmp_path / "again", os.path.join(TASKS, "tally.c"), "--jobs", 5, "--trace")
    assert inspect(again)[0] == shown, "the same input gives the same digests"
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "tally.c").write_text(open(os.path.join(TASKS, "tally.c"), encoding="utf-8").read())
    tree = build(tmp_path / "of-tree", folder, "--jobs", 5, "--trace")
    assert inspect(tree)[0]["name"] == "tally"


def test_skopeo_and_umoci_take_it_as_it_is(app, tmp_path):
    raw = subprocess.run(["skopeo", "inspect", "--raw", "oci:%s:latest" % app], check=True,
                         capture_output=True, text=True, timeout=60).stdout
    platforms = [m["platform"]["os"] for m in json.loads(raw)["manifests"]]
    assert platforms[0] == "linux", "a host that does not know boards takes the first that fits"
    subprocess.run(["skopeo", "copy", "--quiet", "--all", "oci:%s:latest" % app,
                    "oci:%s:v1" % (tmp_path / "copy")], check=True, timeout=60)
    assert inspect(tmp_path / "copy")[1]["virt"]["bri"] == inspect(app)[1]["virt"]["bri"]
    (tmp_path / "index").write_text(raw)
    assert (axcan("image", "resolve", tmp_path / "index", "--board", "virt").out ==
            axcan("image", "resolve", app, "--board", "virt").out != "")
    with Runax(tmp_path) as runax:
        bundle = str(tmp_path / "un")
        subprocess.run(["umoci", "unpack", "--image", app + ":virt", bundle], check=True,
                       capture_output=True, timeout=60)
        done = runax.run("run", "--bundle", bundle, "c1")
        assert done.returncode == 0 and "S tally FINISHED" in done.stdout, done


@pytest.mark.parametrize("board", ["virt", "zcu102"])
def test_stop_asks_axcan_os_and_its_heart_is_heard(tmp_path, board):
    """An endless task: TERM is a request that the kernel follows; the exit code is its own."""
    app = build(tmp_path / "app", CRUISE, "--board", board)
    bundle = str(tmp_path / "bundle")
    subprocess.run(["umoci", "unpack", "--image", "%s:%s" % (app, board), bundle], check=True,
                   capture_output=True, timeout=60)
    with open(os.path.join(bundle, "config.json"), encoding="utf-8") as file:
        config = json.load(file)
    config["process"]["terminal"] = False
    with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as file:
        json.dump(config, file)
    with Runax(tmp_path) as runax:
        output = runax.create("c1", bundle)
        runax.ok("start", "c1")
        wait_text(output, "axcan-os: start")

        def heartbeat():
            stats = runax.ok("events", "--stats", "c1")
            return json.loads(stats)["data"]["partition"]["heartbeat"]

        first = heartbeat()
        until(lambda: heartbeat() > first, 20, "more heartbeats")
        runax.ok("pause", "c1")
        runax.ok("resume", "c1")
        runax.ok("kill", "c1", "TERM")
        runax.wait("c1", "stopped")
        assert runax.state("c1")["exitCode"] == 0
        assert "S cruise-control ACTIVE" in text_of(output)
        assert "axcan-os: end" in text_of(output)
        runax.ok("delete", "c1")


@with_engines
def test_containerd_chooses_by_platform(app, tmp_path):
    containerd = Containerd(str(tmp_path), app)
    try:
        done = containerd.run("run", "--rm", "test/os:latest", "plain")
        assert done.returncode == 0 and "axcan-run: end" in done.stdout, done
        done = containerd.run("run", "--rm", "--platform", "none/arm64/virt", "--runc-binary",
                              containerd.runtime, "test/os:latest", "board")
        assert done.returncode == 0 and "axcan os: board=virt" in done.stdout, done
    finally:
        containerd.close()


@pytest.fixture
def podman(tmp_path):
    made = []

    def make(layout, *names):
        made.append(Podman(str(tmp_path), layout, names))
        made[-1].ok("ps")  # makes its directories
        return made[-1]

    yield make
    for one in made:
        one.close()


def completed(text):
    return [line.split()[8] for line in text.splitlines() if re.match(r"T \d+ completed ", line)]


def run_to_end(engine, runtime, image):
    """Detached and asked: podman 4.3 may wait 20 s for the exit file of a container that was quick."""
    name = engine.ok("run", "-d", "--runtime", runtime, "--pull=never", "--network=none", image)
    until(lambda: " code 0 " in engine.ok("logs", name), 30, "the end")
    return engine.ok("logs", name)


@with_engines
def test_podman_runs_container_and_partition_to_the_same_states(app, podman):
    engine = podman(app, "linux-amd64", "virt")
    linux = run_to_end(engine, "runc", "localhost/linux-amd64")
    board = run_to_end(engine, "runax", "localhost/virt")
    assert len(completed(linux)) > 0 and completed(linux)[0] in completed(board)
    stopped = engine.ok("run", "-d", "--runtime", "runc", "--pull=never", "--network=none",
                        "localhost/linux-amd64", "--jobs", "1000000")
    until(lambda: "axcan-run: start" in engine.ok("logs", stopped), 20, "the start")
    engine.ok("stop", "--time", "30", stopped)
    assert engine.inspect(stopped, "State.ExitCode") == "0"
    assert "completed=" in engine.ok("logs", stopped)


@with_engines
def test_a_node_in_a_container_joins_a_cluster_and_takes_a_task_over(podman, tmp_path, images):
    layout = str(tmp_path / "node")
    result = axcan("image", "node", "-o", layout)
    assert result.code == 0, repr(result)
    engine = podman(layout, "linux-amd64")
    cluster = Cluster(tmp_path / "cluster", 1)
    try:
        engine.ok("run", "-d", "--name", "mec1", "--runtime", "runc", "--pull=never", "--network",
                  "host", "-v", os.path.join(cluster.dir, "token") + ":/token:ro",
                  "-v", cluster.dir + ":/histories",
                  "localhost/linux-amd64", "--name", "mec1", "--master",
                  "127.0.0.1:%d" % cluster.master_port(), "--token-file", "/token", "--fifo", "no",
                  "--history", "/histories/mec1.history")
        until(lambda: (cluster.node("mec1") or {}).get("state") == "ready", 20, "mec1")
        cluster.ok("deploy", images("tally"), "--node", "node1")
        cluster.wait_jobs("tally", 3)
        cluster.ok("migrate", "tally", "--to", "mec1")
        cluster.wait_jobs("tally", 3)
        assert cluster.task("tally")["node"] == "mec1"
        app = build(tmp_path / "app", CRUISE, "--board", "virt")
        digest = inspect(app)[1]["linux-amd64"]["digest"]
        result = cluster.ok("image", "resolve", app, "--node", "mec1", "--name", "host:5000/x")
        assert result == "host:5000/x@%s\n" % digest
        assert "platforms" in axcan("image", "resolve", build_foreign(tmp_path), "--node", "mec1",
                                    "--dir", cluster.dir).err
        cluster.ok("migrate", "tally", "--to", "node1")
        engine.ok("stop", "--time", "30", "mec1")
        assert engine.inspect("mec1", "State.ExitCode") == "0"
        cluster.ok("delete", "tally")
    finally:
        cluster.close()
    cluster.judge()


def build_foreign(tmp_path):
    image = tmp_path / "any.img"
    image.write_bytes(b"\0" * 8192)
    return build(tmp_path / "foreign", "--partition", "zcu102=%s" % image)


def explain(app, tmp_path, *words):
    result = axcan("image", "explain", app, "--board", "virt", "--resources", tmp_path / "journal",
                   "-o", "json", *words)
    assert result.code == 0, repr(result)
    assert [n for n in os.listdir(tmp_path / "journal") if n != ".lock"] == []
    return json.loads(result.out)


def test_explain_takes_nothing_and_marks_what_is_predicted(app, echo, tmp_path):
    said = explain(app, tmp_path)
    assert said["hypervisor"]["name"] == "qemu"
    memory = said["memory"][0]
    assert (memory["bytes"], memory["guest_address"], memory["predicted"]) == (64 << 20, "0x40000000",
                                                                              False)
    foreign = build(tmp_path / "foreign", "--partition", "virt=" + echo)
    said = explain(foreign, tmp_path)
    assert said["memory"][0]["predicted"] and said["memory"][0]["bytes"] == 128 << 20
    size = os.path.getsize(echo)
    usage = tmp_path / "usage"
    lines = [{"board": "virt", "image_bytes": size, "memory_bytes": 8 << 20, "cpus": 1},
             {"board": "virt", "image_bytes": size * 2, "memory_bytes": 16 << 20, "cpus": 1},
             {"board": "virt", "image_bytes": size * 4, "memory_bytes": 4 << 20, "cpus": 1},
             {"board": "virt", "image_bytes": size * 50, "memory_bytes": 512 << 20, "cpus": 4},
             {"board": "zcu102", "image_bytes": size, "memory_bytes": 900 << 20, "cpus": 1}]
    usage.write_text("no json\n" + "".join(json.dumps(line) + "\n" for line in lines))
    said = explain(foreign, tmp_path, "--usage", usage)
    assert said["memory"][0]["bytes"] == 20 << 20, "the most of the three nearest and a quarter"
    assert "3 similar images" in said["memory"][0]["why"]


def test_explain_says_why_it_could_not_be_created(app, tmp_path):
    platform = tmp_path / "platform.json"
    platform.write_text(json.dumps({"version": 1, "board": "virt", "isa": "aarch64",
                                    "hypervisors": ["qemu"], "cpus": "0", "housekeeping": "0",
                                    "share_cpus": True, "host_memory_bytes": 1 << 20,
                                    "allow_cpu0": True}))
    err = refused("explain", app, "--board", "virt", "--resources", tmp_path / "j", "--platform",
                  platform)
    assert "could not be created" in err and "RESOURCE_MEMORY" in err
    assert "no image for board pi" in refused("explain", app, "--board", "pi", "--resources",
                                              tmp_path / "j")


def check_schema(schema, value, root):
    """What the JSON schema's words that bri.schema.json uses mean. A text that names the fault."""
    if "$ref" in schema:
        return check_schema(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], value, root)
    if "oneOf" in schema:
        return None if any(check_schema(s, value, root) is None for s in schema["oneOf"]) else "oneOf"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or kind == "integer" and value is True):
        return "type"
    if "const" in schema and value != schema["const"] or value not in schema.get("enum", [value]):
        return "enum"
    if isinstance(value, str) and not (
            schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", 1 << 20) and
            re.search(schema.get("pattern", ""), value)):
        return "string"
    if isinstance(value, int) and not (
            schema.get("minimum", value) <= value <= schema.get("maximum", value)):
        return "range"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 1 << 20):
            return "items"
        return next(filter(None, (check_schema(schema["items"], v, root) for v in value)), None)
    if isinstance(value, dict):
        if set(schema.get("required", [])) - set(value) or set(value) - set(schema["properties"]):
            return "members"
        return next(filter(None, (check_schema(schema["properties"][k], v, root)
                                  for k, v in value.items())), None)
    return None


def test_the_schema_and_the_parser_agree(app, echo, tmp_path):
    with open(os.path.join(ROOT, "docs", "formats", "bri.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    good = inspect(app)[1]["virt"]["bri"]
    assert check_schema(schema, good, schema) is None
    full = {**good, "hypervisors": ["qemu"], "irqs": [136], "devices": ["uart1"], "cpus": 2,
            "remote_cores": ["rpu0"], "channels": [{"name": "c", "bytes": 4096}],
            "watch": {"heartbeat_ms": 100, "fatal": False}, "predicted": ["memory"],
            "images": [{"path": "boot/axcan.img", "format": "elf", "load": "0x1000"}]}
    changes = [{"version": 2}, {"board": 5}, {"isa": "x" * 16}, {"images": []}, {"colour": 1},
               {"images": [{"path": "x", "format": "zip"}]}, {"images": [{"format": "raw"}]},
               {"images": [{"path": "x", "digest": "sha256:12"}]}, {"irqs": [1020]}, {"irqs": ["1"]},
               {"memory": [{}]}, {"memory": [{"bytes": "many"}]}, {"memory": [{"bytes": -1}]},
               {"channels": [{"name": "c"}]}, {"devices": [1]}, {"console": {}},
               {"console": {"kind": "vga"}}, {"watch": {"fatal": 1}}, {"predicted": ["luck"]},
               {"tasks": [{"period_us": 1}]}, {"hypervisors": "qemu"}, {"layouts": ["x" * 16]}]
    stated = tmp_path / "bri.json"
    for change in [{}] + changes:
        one = {**copy.deepcopy(full), **change}
        stated.write_text(json.dumps(one))
        result = axcan("image", "build", "--partition", "virt=" + echo, "--bri",
                       "virt=%s" % stated, "-o", tmp_path / "app")
        fault = check_schema(schema, one, schema)
        assert (result.code == 0) == (fault is None) == (change == {}), (change, fault, result)
        assert change == {} or next(iter(change)) in result.err


def test_what_is_wrong_is_said(app, tmp_path):
    out = tmp_path / "out"
    assert "-o APP" in refused("build", CRUISE, code=2)
    assert "--partition" in refused("build", "-o", out, code=2)
    assert "virt, zcu102" in refused("build", CRUISE, "--board", "pi", "-o", out, code=2)
    assert "two images for board virt" in refused("build", CRUISE, "--partition",
                                                  "virt=" + os.path.join(ROOT, "LICENSE"), "-o", out)
    assert "BOARD=FILE" in refused("build", "--partition", "virt", "-o", out, code=2)
    assert "C sources" in refused("build", tmp_path, "-o", out)
    assert "--memory" in refused("build", CRUISE, "--memory", 1 << 20, "-o", out)
    assert "--board" in refused("resolve", app, code=2)
    assert "virt" in refused("resolve", app, "--board", "pi")
    assert "IMAGE_LAYOUT" in refused("inspect", tmp_path)
    (tmp_path / "file").write_text("{}")
    assert "IMAGE_INDEX" in refused("resolve", tmp_path / "file", "--board", "virt")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("x")
    assert "no image" in refused("build", CRUISE, "-o", tmp_path / "taken")
    assert os.listdir(tmp_path / "taken") == ["mine"] and not out.exists()


def test_a_damaged_image_is_noticed(tmp_path):
    app = build(tmp_path / "app", CRUISE, "--board", "virt")
    entry = inspect(app)[1]["virt"]
    manifest = os.path.join(app, "blobs", "sha256", entry["digest"][7:])
    with open(manifest, encoding="utf-8") as file:
        layer = json.load(file)["layers"][0]["digest"][7:]
    path = os.path.join(app, "blobs", "sha256", layer)
    with open(path, "r+b") as file:
        file.seek(200000)
        file.write(b"damage")
    result = axcan("image", "inspect", app)
    assert result.code == 1 and "does not match its digest" in result.out
    assert "digest" in refused("explain", app, "--board", "virt", "--resources", tmp_path / "j")
