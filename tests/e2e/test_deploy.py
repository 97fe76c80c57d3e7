# SPDX-License-Identifier: Apache-2.0
"""What deploy/ ships works: the units name options that the daemons have, and a cluster runs on
three etcd members with the shipped settings, TLS and client certificates included."""
import os
import re
import signal
import socket
import subprocess

import pytest
from conftest import BUILD, ROOT, until

UNITS = os.path.join(ROOT, "deploy", "systemd")
PROGRAMS = {"axcan-master": "src/master/axcan-master", "axcan-node": "src/node/axcan-node",
            "axcan-cms": "src/cms/axcan-cms", "axcan-host": "src/host/axcan-host",
            "axcan-voter": "src/vote/axcan-voter"}


@pytest.mark.parametrize("unit", sorted(n for n in os.listdir(UNITS) if n.endswith(".service")))
def test_units_use_options_that_exist(unit):
    with open(os.path.join(UNITS, unit), encoding="utf-8") as file:
        text = file.read().replace("\\\n", "")
    command = re.search(r"^ExecStart=/usr/bin/(\S+) (.*)$", text, re.MULTILINE)
    program = os.path.join(BUILD, PROGRAMS[command.group(1)])
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=True,
                           timeout=20).stdout
    known = set(re.findall(r"--[a-z-]+", usage))
    used = set(re.findall(r"(--[a-z-]+)", command.group(2)))
    assert len(used) > 5 and used <= known, used - known
    with open(os.path.join(UNITS, "example.env"), encoding="utf-8") as file:
        settings = set(re.findall(r"^(\w+)=", file.read(), re.MULTILINE))
    assert set(re.findall(r"\$\{(AXCAN_\w+)\}", command.group(2))) <= settings


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def make_certificate(folder):
    """One that signs itself: authority, server and client at once."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=axcan",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"], check=True, capture_output=True, timeout=60)


def settings_of(folder, member, ports):
    """The shipped file of member 0, 1 or 2, with addresses and files of this test."""
    with open(os.path.join(ROOT, "deploy", "etcd", "etcd.conf.yml"), encoding="utf-8") as file:
        text = file.read()
    text = text.replace("name: axcan1", "name: axcan%d" % (member + 1))
    for key in ("listen-client-urls", "advertise-client-urls", "listen-peer-urls",
                "initial-advertise-peer-urls"):
        text = re.sub(r"^(%s: https://)10\.0\.0\.1(:\d+)$" % key, r"\g<1>10.0.0.%d\g<2>" %
                      (member + 1), text, flags=re.MULTILINE)
    for i in range(3):
        text = text.replace("10.0.0.%d:2379" % (i + 1), "127.0.0.1:%d" % ports[i])
        text = text.replace("10.0.0.%d:2380" % (i + 1), "127.0.0.1:%d" % ports[3 + i])
    text = text.replace("/var/lib/etcd/axcan", "%s/m%d" % (folder, member))
    text = re.sub(r"/etc/etcd/\w+-key\.pem", "%s/key.pem" % folder, text)
    text = re.sub(r"/etc/etcd/\w+\.pem", "%s/cert.pem" % folder, text)
    assert "10.0.0" not in "".join(line for line in text.splitlines() if line[:1] != "#")
    path = folder / ("m%d.yml" % member)
    path.write_text(text)
    return path


@pytest.fixture
def secure_etcd(tmp_path):
    """The location of three members that want certificates."""
    make_certificate(tmp_path)
    ports = free_ports(6)
    members = []
    for i in range(3):
        with open(tmp_path / ("m%d.log" % i), "w", encoding="utf-8") as log:
            members.append(subprocess.Popen(["etcd", "--config-file", settings_of(tmp_path, i, ports)],
                                            stdout=log, stderr=log))
    yield "etcds://%s/car?ca=%s/cert.pem&cert=%s/cert.pem&key=%s/key.pem&timeout_ms=3000" % (
        ",".join("127.0.0.1:%d" % port for port in ports[:3]), tmp_path, tmp_path, tmp_path)
    for member in members:
        member.send_signal(signal.SIGKILL)
        member.wait()


def test_a_cluster_on_the_shipped_settings_of_etcd(secure_etcd, own_cluster, images):
    cluster = own_cluster(1, "--store", secure_etcd)
    cluster.ok("deploy", images("counter"))
    cluster.wait_jobs("counter", 10)
    cluster.kill("master")
    cluster.ok("up")
    assert until(lambda: cluster.task("counter"), 10, "the record")["state"] == "running"
