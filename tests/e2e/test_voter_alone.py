# SPDX-License-Identifier: Apache-2.0
"""axcan-voter between replicas and masters that are played: what goes out, what is told."""
import json
import os
import socket
import struct
import subprocess

import pytest

from conftest import until
from voter import F64, MS, VOTER, Master, Voter, now_ns, stamped, unstamp

TMR = [(1, True), (2, True), (3, True)]


@pytest.fixture
def scene(tmp_path):
    """A voter that has joined; what it puts out comes to `out`."""
    made = []

    class Scene:
        def __init__(self, *options):
            self.master = Master()
            self.out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.out.bind(("127.0.0.1", 0))
            self.out.settimeout(10)
            self.voter = Voter(tmp_path, "127.0.0.1:%d" % self.master.port, "--out",
                               "node:127.0.0.1:%d" % self.out.getsockname()[1], *options)
            made.append(self)
            self.master.accept()

        def tell(self, *arguments, **options):
            """Begins a grid now; a datagram may overtake the group, so wait until it is known."""
            before = self.voter.text().count("vote-group")
            self.release = now_ns()
            self.master.tell(*arguments, release_ns=self.release, **options)
            until(lambda: self.voter.text().count("vote-group") > before, 10, "the group")

        def job(self):
            """A job that is released now."""
            return (now_ns() - self.release) // (200 * MS)

        def take(self):
            return unstamp(self.out.recv(2048))

        def report(self, service, is_there):
            def look():
                self.master.pump()
                report = self.master.reports.get(service)
                return report if report and is_there(report) else None

            return until(look, 10, "a report")

        def close(self):
            code = self.voter.close()
            self.master.close()
            self.out.close()
            return code

    yield Scene
    for one in made:
        if one.voter.process.poll() is None:
            assert one.close() == 0


def test_what_two_of_three_agree_on_goes_out_once(scene, tmp_path):
    s = scene("--out", "file:%s" % (tmp_path / "values"), "--out",
              "brake=file:%s" % (tmp_path / "brake"), "--out", "other=file:%s" % (tmp_path / "other"),
              "--history", tmp_path / "verdicts")
    s.tell("brake", TMR, period_ns=200 * MS)
    job = s.job()
    for task, value in ((2, b"bad"), (1, b"good"), (3, b"good"), (1, b"good"), (3, b"late")):
        s.voter.send(stamped(task, 1, job, value))
    got = s.take()
    assert got[:3] == (job, 0, b"good")
    assert got[4] == 1  # the generation
    report = s.report("brake", lambda r: r["members"].get(2, {}).get("wrong", 0) >= 1)
    assert report["agreed"] == 1 and report["failed"] == 0
    assert report["members"][1]["good"] == report["members"][3]["good"] == 1
    until(lambda: (tmp_path / "verdicts").read_text().count("\n") == 2, 10, "both verdicts")
    verdicts = [json.loads(line) for line in (tmp_path / "verdicts").read_text().splitlines()]
    assert {(v["verdict"], v["task"]) for v in verdicts} == {("agreed", None), ("wrong", "%016x" % 2)}
    assert (tmp_path / "values").read_bytes() == (tmp_path / "brake").read_bytes() == b"good"
    assert (tmp_path / "other").read_bytes() == b""


def test_a_silent_replica_is_reported_and_nonsense_harms_nobody(scene):
    s = scene()
    s.tell("brake", TMR, period_ns=200 * MS)
    job = s.job()
    for junk in (b"", b"AXVS", os.urandom(300), stamped(99, 1, job, b"x"), stamped(1, 0, job, b"x"),
                 stamped(1, 1, 1 << 60, b"x"), stamped(1, 1, job, b"y")[:-1] + b"z", bytes(5000)):
        for _ in range(20):
            s.voter.send(junk)
    s.voter.send(stamped(1, 1, job, b"v"))
    s.voter.send(stamped(2, 1, job, b"v"))
    assert s.take()[:3] == (job, 0, b"v")
    # the third was never heard: it is silent after the grace, for others go on
    for _ in range(60):
        job = s.job()
        s.voter.send(stamped(1, 1, job, b"w"))
        s.voter.send(stamped(2, 1, job, b"w"))
        s.master.pump()
        if s.master.reports.get("brake", {"members": {}})["members"].get(3, {}).get("silent", 0):
            break
        until(lambda: s.job() > job, 10, "the next job")
    assert s.report("brake", lambda r: r["members"][3]["silent"] >= 1)["members"][1]["silent"] == 0


def test_numbers_that_are_near_agree(scene):
    s = scene()
    s.tell("speed", TMR, period_ns=200 * MS, compare=F64, tolerance=0.5)
    job = s.job()
    for task, value in ((1, 10.0), (2, 99.0), (3, 10.25)):
        s.voter.send(stamped(task, 1, job, struct.pack("<d", value)))
    assert struct.unpack("<d", s.take()[2])[0] == 10.125


def test_it_goes_on_without_the_master_and_joins_another(scene):
    s = scene()
    s.tell("brake", TMR, period_ns=200 * MS)
    s.master.link.close()
    until(lambda: "master-lost" in s.voter.text(), 10, "the loss")
    job = s.job()
    s.voter.send(stamped(1, 1, job, b"v"))
    s.voter.send(stamped(2, 1, job, b"v"))
    assert s.take()[:3] == (job, 0, b"v")
    s.master.accept()
    assert s.report("brake", lambda r: r["agreed"] == 1)
    assert s.master.joined[5] == [b"eye"]
    assert s.master.joined[6] == [b"127.0.0.1:%d" % s.voter.port]


def test_a_service_that_is_gone_is_not_voted_on(scene):
    s = scene()
    s.tell("brake", TMR, period_ns=200 * MS)
    s.tell("brake", [])
    s.tell("steer", [(1, True)], needed=1, period_ns=200 * MS)
    s.voter.send(stamped(1, 1, s.job(), b"v"))
    assert s.take()[2] == b"v"


@pytest.mark.parametrize("options,reason", [
    (["--out", "pipe:x"], "what=out"), (["--out", "udp:127.0.0.1"], "what=out"),
    (["--out", "file:/nowhere/at/all"], "what=out"), (["--listen", "0.0.0.0:0"], "not-loopback"),
    (["--listen", "0.0.0.0:0", "--allow-remote"], "what=listen"),
    (["--advertise", "name:7"], "what=advertise"), (["--master", "nowhere"], "what=master"),
    (["--history", "/nowhere/at/all"], "what=history"), (["--token-file", "/nowhere"], "token-file")])
def test_says_what_is_wrong_at_its_start(tmp_path, options, reason):
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o600)
    done = subprocess.run([VOTER, "--name", "eye", "--master", "127.0.0.1:1", "--token-file",
                           str(token), "--listen", "127.0.0.1:0", *options], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and reason in done.stderr, done.stderr
