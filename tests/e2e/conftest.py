# SPDX-License-Identifier: Apache-2.0
"""Real clusters for end-to-end tests: processes, sockets, files, each in its own directory."""
import json
import os
import signal
import subprocess
import threading
import time

import pytest

ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUILD = os.environ.get("AXCAN_BUILD", os.path.join(ROOT, "build"))
AXCAN = os.path.join(BUILD, "src", "cli", "axcan")


class Result:
    def __init__(self, code, out, err, seconds):
        self.code, self.out, self.err, self.seconds = code, out, err, seconds

    def __repr__(self):
        return "exit %d after %.1f s\n%s%s" % (self.code, self.seconds, self.out, self.err)


def axcan(*arguments, timeout=60, env=None):
    start = time.monotonic()
    done = subprocess.run([AXCAN, *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, env=dict(os.environ, **(env or {})))
    return Result(done.returncode, done.stdout, done.stderr, time.monotonic() - start)


def until(condition, seconds=10, what="the condition"):
    """Polls until condition() is true; its value. A test never asserts how fast."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            pytest.fail("%s did not come true within %d s" % (what, seconds))
        time.sleep(0.05)


def is_alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Cluster:
    def __init__(self, directory, nodes=3, *options):
        self.dir = str(directory)
        self.loses_members = "etcd" in options
        self.ok("up", "--nodes", nodes, "--fifo", "no", "--capacity", 600000, *options)

    def run(self, *arguments, timeout=60):
        return axcan(*arguments, "--dir", self.dir, timeout=timeout)

    def ok(self, *arguments, timeout=60):
        """Where members of the store die, what was refused as UNAVAILABLE is asked for again: it has
        not been done."""
        result = self.run(*arguments, timeout=timeout)
        end = time.monotonic() + 20
        while (result.code == 1 and self.loses_members and "(UNAVAILABLE)" in result.err and
               time.monotonic() < end):
            time.sleep(0.2)
            result = self.run(*arguments, timeout=timeout)
        assert result.code == 0, "axcan %s: %r\n%s" % (" ".join(map(str, arguments)), result,
                                                      self.logs())
        return result.out

    def refused(self, *arguments):
        result = self.run(*arguments)
        assert result.code == 1, repr(result)
        assert result.err.startswith("axcan %s: " % arguments[0]), repr(result)
        return result.err

    def json(self, kind):
        return json.loads(self.ok("get", kind, "-o", "json"))

    def task(self, name):
        """The task with what its instance reported; of a stopped one, with its last checkpoint."""
        for task in self.json("tasks"):
            if task["name"] == name:
                return {"next_job": task.get("checkpoint_job", 0), "killed": 0, **task,
                        **task.get("instance", {})}
        return None

    def node(self, name):
        return next((n for n in self.json("nodes") if n["name"] == name), None)

    def wait_state(self, task, state, seconds=15):
        return until(lambda: (self.task(task) or {}).get("state") == state, seconds,
                     "%s %s" % (task, state))

    def wait_jobs(self, task, more, seconds=15):
        first = self.task(task)["next_job"]
        until(lambda: self.task(task)["next_job"] >= first + more, seconds, "%s runs" % task)

    def members(self):
        with open(os.path.join(self.dir, "cluster.json"), encoding="utf-8") as file:
            cluster = json.load(file)
            return {m["name"]: m for m in cluster["members"] + cluster.get("stores", []) +
                    cluster.get("masters", []) + cluster.get("managers", []) +
                    cluster.get("voters", []) + cluster.get("hosts", [])}

    def signal(self, name, number):
        os.kill(self.members()[name]["pid"], number)

    def kill(self, name):
        pid = self.members()[name]["pid"]
        self.signal(name, signal.SIGKILL)
        until(lambda: not is_alive(pid), 5, "the end of %s" % name)

    def master_port(self):
        with open(os.path.join(self.dir, "cluster.json"), encoding="utf-8") as file:
            return int(json.load(file)["listen"].rsplit(":", 1)[1])

    def store(self):
        """Where the cluster's state is, as the daemons are told."""
        argv = self.members()["master"]["argv"]
        return (argv[argv.index("--store") + 1] if "--store" in argv
                else os.path.join(self.dir, "master", "store.db"))

    def restart_alone(self, name):
        """Starts a dead member of etcd as `up` would, but no other member with it."""
        path = os.path.join(self.dir, "cluster.json")
        member = self.members()[name]
        with open(member["log"], "ab") as log:
            process = subprocess.Popen(member["argv"], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        threading.Thread(target=process.wait, daemon=True).start()  # its end is seen by `down`
        with open("/proc/%d/stat" % process.pid, encoding="utf-8") as file:
            start = int(file.read().rsplit(")", 1)[1].split()[19])
        with open(path, encoding="utf-8") as file:
            cluster = json.load(file)
        for one in cluster["stores"]:
            if one["name"] == name:
                one["pid"], one["start"] = process.pid, start
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump(cluster, file)
        os.replace(path + ".new", path)

    def logs(self):
        text = ""
        for name in sorted(os.listdir(self.dir)) if os.path.isdir(self.dir) else []:
            if name.endswith(".log"):
                with open(os.path.join(self.dir, name), encoding="utf-8", errors="replace") as file:
                    text += "--- %s\n%s" % (name, "".join(file.readlines()[-15:]))
        return text

    def judge(self, *options):
        """The history checker over all nodes: what instances did, whatever died meanwhile."""
        histories = [os.path.join(self.dir, name) for name in sorted(os.listdir(self.dir))
                     if name.endswith(".history")]
        # Clocks that follow heartbeats alone claim no bound; a busy machine moves them by some ms.
        done = subprocess.run([AXCAN + "-check", "--torn", "--clock-bound-us", "20000", *options,
                               *histories], timeout=60, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr + self.logs()
        return done.stdout

    def close(self):
        for member in self.members().values() if os.path.exists(self.dir + "/cluster.json") else []:
            try:
                os.kill(member["pid"], signal.SIGCONT)
            except OSError:
                pass
        axcan("down", "--dir", self.dir)


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """Builds tests/e2e/tasks/NAME.c once; images("NAME") is the path of its image."""
    folder = tmp_path_factory.mktemp("images")
    built = {}

    def build(name):
        if name not in built:
            path = str(folder / (name + ".axi"))
            source = os.path.join(os.path.dirname(__file__), "tasks", name + ".c")
            result = axcan("build", source, "-o", path)
            assert result.code == 0, repr(result)
            built[name] = path
        return built[name]

    return build


class Restless:
    """Kills each member of a cluster's etcd in turn, with `up` between, until it is ended."""

    def __init__(self, cluster, run_s=1.5, dead_s=1.5):
        self.cluster, self.run_s, self.dead_s, self.killed = cluster, run_s, dead_s, 0
        self.is_ending = threading.Event()
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.is_ending.wait(self.run_s):
            self.cluster.kill("etcd%d" % (self.killed % 3 + 1))
            self.killed += 1
            self.is_ending.wait(self.dead_s)
            self.cluster.ok("up")

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.is_ending.set()
        self.thread.join()


class OneDeath:
    """One member of a cluster's etcd dies soon and comes back a second later. It is not waited for:
    the test goes on meanwhile."""

    def __init__(self, cluster):
        self.cluster, self.has_happened = cluster, False
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        time.sleep(0.2)
        self.cluster.kill("etcd2")
        time.sleep(1)
        self.cluster.restart_alone("etcd2")
        self.has_happened = True

    def end(self):
        self.thread.join()
        assert self.has_happened, "etcd2 was neither killed nor started again"


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: judges clocks or bounds of time, so no other test may "
                            "run beside it")


def pytest_generate_tests(metafunc):
    """A module's list STORES: its tests run on a cluster on each of these stores. OWN_STORES: those
    with clusters of their own."""
    if "cluster" in metafunc.fixturenames and hasattr(metafunc.module, "STORES"):
        metafunc.parametrize("cluster", metafunc.module.STORES, indirect=True, scope="module")
    if "own_cluster" in metafunc.fixturenames and hasattr(metafunc.module, "OWN_STORES"):
        metafunc.parametrize("own_cluster", metafunc.module.OWN_STORES, indirect=True)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, request):
    """A cluster of three nodes that the tests of a module share; each deletes its tasks. On etcd
    one of its members is always dying or coming back; an election is shorter than this lease."""
    directory = tmp_path_factory.mktemp("c") / "state"
    if getattr(request, "param", "sqlite") == "sqlite":
        shared = Cluster(directory, 3)
        yield shared
    else:
        shared = Cluster(directory, 3, "--store", request.param, "--lease-ms", 2000)
        try:
            with Restless(shared) as restless:
                yield shared
            assert restless.killed > 0
        except BaseException:
            shared.close()
            raise
    shared.close()


@pytest.fixture
def tidy(cluster):
    yield cluster
    for task in cluster.json("tasks"):
        cluster.run("delete", task["name"])


@pytest.fixture
def own_cluster(tmp_path, request):
    """A cluster that the test may break. On etcd one of its members dies and comes back during the
    test; an election is shorter than the lease."""
    made = []
    deaths = []
    store = getattr(request, "param", "sqlite")

    def make(nodes=3, *options):
        if store != "sqlite":
            options = ("--store", store, "--lease-ms", 1000, *options)
        made.append(Cluster(tmp_path / ("c%d" % len(made)), nodes, *options))
        if store != "sqlite":
            deaths.append(OneDeath(made[-1]))
        return made[-1]

    yield make
    for death in deaths:
        death.thread.join()
    for one in made:
        one.close()
    for death in deaths:
        death.end()
    for one in made:
        if os.path.isdir(one.dir):
            one.judge()
