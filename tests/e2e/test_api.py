# SPDX-License-Identifier: Apache-2.0
"""The HTTP API by itself: what a program that is not axcan may send."""
import hashlib
import http.client
import json
import os
import socket
import threading
import time

import pytest


class Api:
    def __init__(self, cluster):
        with open(os.path.join(cluster.dir, "cluster.json"), encoding="utf-8") as file:
            self.host, port = json.load(file)["api"].split(":")
        self.port = int(port)
        with open(os.path.join(cluster.dir, "token"), encoding="utf-8") as file:
            self.token = file.read().strip()

    def call(self, method, path, body=None, token=None, timeout=20, raw=False):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        connection.request(method, path, body, {"Authorization": "Bearer " + (token or self.token)})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text if raw else json.loads(text)


@pytest.fixture
def api(cluster):
    return Api(cluster)


def assert_refused(answer, status, name):
    assert answer[0] == status, answer
    error = answer[1]["error"]
    assert error["name"] == name and error["reason"] and error["code"] > 0 and "cure" in error


def test_no_token_no_answer(api):
    assert_refused(api.call("GET", "/v1/status", token="x"), 401, "PERM")
    assert_refused(api.call("PUT", "/v1/blobs/sha256:" + "0" * 64, b"x" * 100000, token="x"), 401,
                   "PERM")
    connection = http.client.HTTPConnection(api.host, api.port, timeout=10)
    connection.request("GET", "/v1/status")
    assert connection.getresponse().status == 401


@pytest.mark.parametrize("method, path, body, status, name", [
    ("GET", "/web/none", None, 404, "NOENT"),
    ("GET", "/v1/nothing", None, 404, "NOENT"),
    ("GET", "/v1/tasks/none", None, 404, "NOENT"),
    ("GET", "/v1/tasks/none/logs", None, 404, "NOENT"),
    ("GET", "/v1/operations/999999", None, 404, "NOENT"),
    ("GET", "/v1/operations/x", None, 400, "INVALID"),
    ("GET", "/v1/events?since=x", None, 400, "INVALID"),
    ("GET", "/v1/events?since=99999999&wait_ms=x", None, 400, "INVALID"),
    ("GET", "/v1/tasks/" + "n" * 500, None, 404, "NOENT"),
    ("GET", "/v1/hosts/none", None, 404, "NOENT"),
    ("GET", "/v1/hosts/none?revision=x", None, 400, "INVALID"),
    ("PUT", "/v1/hosts/edge", "{}", 400, "INVALID"),
    ("PUT", "/v1/hosts/edge", "[]", 400, "INVALID"),
    ("PUT", "/v1/hosts/EDGE", '{"id": "1"}', 400, "INVALID"),
    ("DELETE", "/v1/hosts/none", None, 404, "NOENT"),
    ("POST", "/v1/status", "{}", 400, "INVALID"),
    ("POST", "/v1/tasks", "{", 400, "INVALID"),
    ("POST", "/v1/tasks", "[]", 400, "INVALID"),
    ("POST", "/v1/tasks", '{"image": "a", "image": "b"}', 400, "INVALID"),
    ("POST", "/v1/tasks", "{}", 400, "INVALID"),
    ("POST", "/v1/tasks", '{"image": 5}', 400, "INVALID"),
    ("POST", "/v1/tasks", '{"image": "none"}', 404, "NOENT"),
    ("POST", "/v1/tasks/none/migrate", '{"node": "node1"}', 404, "NOENT"),
    ("POST", "/v1/tasks/none/migrate", '{"nodes": "node1"}', 400, "INVALID"),
    ("POST", "/v1/images", "{}", 400, "INVALID"),
    ("POST", "/v1/images", '{"digest": "sha256:%s", "elfs": []}' % ("0" * 64), 400, "INVALID"),
    ("PUT", "/v1/blobs/sha256:" + "0" * 64, "x", 422, "IMAGE_DIGEST"),
    ("PUT", "/v1/blobs/sha256:short", "x", 422, "IMAGE_DIGEST"),
    ("PUT", "/v1/blobs/..%2f..%2ftoken", "x", 404, "NOENT"),
    ("DELETE", "/v1/images/none", None, 404, "NOENT"),
    ("POST", "/v1/tasks", "x" * 300000, 413, "FULL"),
    ("GET", "/v1/services/none", None, 404, "NOENT"),
    ("POST", "/v1/apply", "{}", 400, "INVALID"),
    ("POST", "/v1/apply", '{"objects": {}}', 400, "INVALID"),
    ("POST", "/v1/apply", '{"objects": [], "dry_run": 1}', 400, "INVALID"),
    ("POST", "/v1/apply", '{"objects": [], "dryrun": true}', 400, "INVALID"),
    ("POST", "/v1/apply", '{"objects": [7]}', 422, "MANIFEST"),
    ("POST", "/v1/apply", '{"objects": [{"kind": "Service", "name": "a"}]}', 422, "MANIFEST"),
    ("POST", "/v1/apply", '{"objects": [{"kind": "Service", "name": "a", "image": "a.axi"}]}', 422,
     "MANIFEST"),
    ("POST", "/v1/apply", "x" * 5000000, 413, "FULL"),
    ("POST", "/v1/undeclare", '{"objects": [{"kind": "Service", "name": "none"}]}', 404, "NOENT"),
    ("POST", "/v1/services/none/rollout", '{"action": "undo"}', 404, "NOENT"),
    ("POST", "/v1/services/none/rollout", '{"action": "stop"}', 400, "INVALID"),
    ("POST", "/v1/nodes/none/cordon", None, 404, "NOENT"),
    ("POST", "/v1/nodes/node1/cordon", '{"why": 1}', 400, "INVALID"),
    ("POST", "/v1/nodes/none/drain", "{}", 404, "NOENT"),
    ("POST", "/v1/nodes/node1/drain", '{"deadline_s": -1}', 400, "INVALID"),
    ("POST", "/v1/nodes/node1/drain", '{"deadline_s": 1e300}', 400, "INVALID"),
    ("POST", "/v1/rebalance", '{"dry_run": "yes"}', 400, "INVALID")])
def test_bad_requests_are_told_what_is_wrong(api, method, path, body, status, name):
    assert_refused(api.call(method, path, body), status, name)


def test_an_image_of_garbage_is_refused(api):
    garbage = b"\x7fELF" + os.urandom(2000)
    digest = "sha256:" + hashlib.sha256(garbage).hexdigest()
    assert api.call("PUT", "/v1/blobs/" + digest, garbage)[0] == 201
    assert api.call("GET", "/v1/blobs/" + digest, raw=True) == (200, garbage)
    assert_refused(api.call("GET", "/v1/blobs/sha256:" + "0" * 64), 404, "NOENT")
    status, answer = api.call("POST", "/v1/images", {"digest": digest, "elfs": [digest]})
    assert status == 422 and answer["error"]["name"].startswith("ELF_"), answer


def test_a_request_waits_for_news_and_not_for_ever(api, cluster, images):
    last = api.call("GET", "/v1/events?since=0")[1]["next"]
    while api.call("GET", "/v1/events?since=%d" % last)[1]["items"]:
        last = api.call("GET", "/v1/events?since=%d" % last)[1]["next"]
    start = time.monotonic()
    assert api.call("GET", "/v1/events?since=%d&wait_ms=300" % last)[1]["items"] == []
    assert time.monotonic() - start >= 0.25
    heard = []
    waiter = threading.Thread(target=lambda: heard.append(
        api.call("GET", "/v1/events?since=%d&wait_ms=20000" % last)))
    waiter.start()
    time.sleep(0.1)
    cluster.ok("deploy", images("counter"))
    waiter.join(10)
    assert heard and heard[0][1]["items"], "woken by the deployment's events"
    cluster.ok("delete", "counter")


def test_half_requests_and_noise_do_not_harm(api, cluster):
    open_sockets = []
    for i in range(40):
        one = socket.create_connection((api.host, api.port))
        one.sendall([b"GET /v1/status HTTP/1.1\r\nHost: x\r\n", os.urandom(200) + b"\r\n\r\n",
                     b"POST /v1/tasks HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"][i % 3])
        open_sockets.append(one)
    with open(os.path.join(cluster.dir, "cluster.json"), encoding="utf-8") as file:
        host, port = json.load(file)["listen"].split(":")
    for _ in range(10):
        one = socket.create_connection((host, int(port)))
        one.sendall(os.urandom(3000))
        open_sockets.append(one)
    assert api.call("GET", "/v1/status")[1]["ready"] == 3
    for one in open_sockets:
        one.close()
    cluster.ok("get", "nodes")
