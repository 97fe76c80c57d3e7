# SPDX-License-Identifier: Apache-2.0
"""The web page: the files that a master serves, and the page itself in a real browser."""
import http.client
import json
import os
import re
import signal
import socket

import browser
import pytest
from conftest import Cluster, until

NO_BROWSER = pytest.mark.skipif(not browser.IS_THERE,
                                reason="capability:chromium no chromium or no chromedriver")
MODULES = ["main", "api", "dom", "format", "series", "tables", "charts", "detail", "events", "operations", "actions",
           "panels"]


@pytest.fixture(scope="module")
def two_masters(tmp_path_factory):
    """Two nodes, two masters: the first leads, the second stands by."""
    shared = Cluster(tmp_path_factory.mktemp("w") / "state", 2, "--masters", 2)
    until(lambda: len(shared.json("masters")) == 2, 10, "both masters are known")
    yield shared
    shared.close()


def apis(cluster):
    """Where the leader is, and who stands by."""
    masters = cluster.json("masters")
    return [m["api"] for role in ("leader", "standby") for m in masters if m["role"] == role]


def fetch(api, path, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection(api, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


# ---- the files ----

def test_the_page_is_served_without_a_token_and_locked_down(two_masters):
    for api in apis(two_masters):  # a standby's, too: it says who leads
        status, headers, content = fetch(api, "/")
        assert status == 200 and headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["connect-src"] == "'self'"
        assert not re.search(rb"<script(?![^>]* src=)|<style| style=| on[a-z]+=|https?://", content)
        for path in re.findall(rb'(?:src|href)="(/web/[^"]+)"', content):
            if b"uPlot" not in path:
                assert fetch(api, path.decode())[0] == 200, path


def test_modules_import_only_each_other(two_masters):
    api = apis(two_masters)[0]
    for name in MODULES:
        status, headers, content = fetch(api, "/web/%s.js" % name)
        assert status == 200 and headers["Content-Type"] == "text/javascript; charset=utf-8"
        imports = re.findall(r'^(?:import|\} from) .*"(.*)";$', content.decode(), re.M)
        assert set(imports) <= {"./%s.js" % other for other in MODULES}, imports
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", content.decode())


def test_head_and_what_the_browser_has_already(two_masters):
    api = apis(two_masters)[0]
    status, headers, content = fetch(api, "/web/main.js")
    assert headers["Cache-Control"] == "no-cache"
    assert fetch(api, "/web/main.js", If_None_Match=headers["ETag"])[::2] == (304, b"")
    assert fetch(api, "/web/main.js", If_None_Match='"other"')[::2] == (200, content)
    head = fetch(api, "/web/main.js", "HEAD")
    assert head[0] == 200 and head[2] == b"" and head[1]["Content-Length"] == str(len(content))
    assert fetch(api, "/web/none.js", "HEAD")[0] == 404


@pytest.mark.parametrize("path", ["/web/", "/web/none", "/web/../token", "/web/%2e%2e/token", "/web/..%2f..%2ftoken",
                                  "/web//main.js", "/web/main.js%00.css", "/web/" + "x" * 3000])
def test_other_files_are_not_there(two_masters, path):
    host, port = apis(two_masters)[0].split(":")
    with socket.create_connection((host, int(port)), 10) as link:
        link.sendall(("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path).encode())
        assert link.makefile("rb").readline().split()[1] == (b"200" if "%00" in path else b"404")


def test_only_the_files_are_open(two_masters):
    api = apis(two_masters)[0]
    assert fetch(api, "/", "POST", b"x")[0] == 401
    assert fetch(api, "/web/main.js", "DELETE")[0] == 401
    assert fetch(api, "/", "GET", b"x" * 100000)[0] == 413
    assert fetch(api, "/web")[0] == 401 and fetch(api, "/v1/status")[0] == 401
    token = "Bearer " + read_token(two_masters)
    assert fetch(api, "/", "PUT", Authorization=token)[0] == 400
    status, headers, _ = fetch(api, "/v1/status", Authorization=token)
    assert status == 200 and headers["Cache-Control"] == "no-store"


def test_the_newest_durable_checkpoints_of_all_managers(two_masters, images):
    two_masters.ok("deploy", images("steady"))
    api, token = apis(two_masters)[0], "Bearer " + read_token(two_masters)

    def listed():
        status, _, content = fetch(api, "/v1/checkpoints?wait_ms=9000", Authorization=token)
        assert status == 200, content
        return json.loads(content)

    rows = until(lambda: [row for row in listed()["items"] if row["name"] == "steady" and row["job"] > 0], 10,
                 "a checkpoint is durable")
    assert len(rows) == 1 and rows[0]["manager"] in ("manager1", "manager2")
    assert rows[0]["task"] == two_masters.task("steady")["id"]
    two_masters.signal("manager2", signal.SIGSTOP)
    try:
        until(lambda: listed()["silent"] == ["manager2"], 10, "who does not answer is named")
        assert any(row["name"] == "steady" and row["manager"] == "manager1" for row in listed()["items"])
    finally:
        two_masters.signal("manager2", signal.SIGCONT)
    two_masters.ok("delete", "steady")


# ---- the page in a browser ----

def read_token(cluster):
    with open(os.path.join(cluster.dir, "token"), encoding="utf-8") as file:
        return file.read().strip()


@pytest.fixture(scope="module")
def tab(tmp_path_factory):
    one = browser.Browser(tmp_path_factory.mktemp("b"))
    yield one
    one.close()


def show(tab, cluster, api=None, token=None):
    """A page that knows nothing, opened at the address that axcan prints."""
    api = api or apis(cluster)[0]
    tab.go("http://%s/web/icon.svg" % api)
    tab.run("sessionStorage.clear(); localStorage.clear();")
    tab.go("http://%s/#token=%s" % (api, token or read_token(cluster)))


def faults(tab):
    """What the console complains of, but for what is not there: a deleted task, uPlot in a build without npm."""
    return [line for line in tab.complaints() if "404" not in line and "MIME type" not in line]


def reads(tab, css, text, seconds=10):
    until(lambda: text in tab.text(css), seconds, "%r in %s" % (text, css))


@NO_BROWSER
def test_shows_the_cluster_from_the_printed_address(two_masters, tab, images):
    two_masters.ok("deploy", images("steady"), "--node", "node1")
    out = two_masters.ok("status")
    url = re.search(r"^web page: (http://\S+/#token=\S+)$", out, re.M).group(1)
    assert url in two_masters.ok("up")
    tab.go(url)
    reads(tab, "#live", "live")
    for row in ("node1", "node2", "ready", "linux-x86_64"):
        reads(tab, "#nodes table", row)
    reads(tab, "#tasks tbody", "steady")
    reads(tab, "#control", "standby")
    reads(tab, "#operations", "deploy")
    reads(tab, "#events", "node-joined")
    durable = ("const heads = [...document.querySelectorAll('#tasks thead th')].map((head) => head.textContent);"
               "return document.querySelector('#tasks tbody tr').cells[heads.indexOf('Durable')].textContent;")
    until(lambda: re.match("[1-9]", tab.run(durable)), 10, "the newest durable checkpoint")
    assert "token" not in tab.url(), "the token stays in the address bar"
    tab.go(tab.url())  # kept for this tab
    reads(tab, "#nodes table", "node1")
    assert faults(tab) == []
    two_masters.ok("delete", "steady")
    until(lambda: "steady" not in tab.text("#tasks tbody"), 10, "the task is gone from the page")


@NO_BROWSER
def test_charts_are_drawn(two_masters, tab):
    if fetch(apis(two_masters)[0], "/web/uPlot.iife.min.js")[0] != 200:
        pytest.skip("capability:uplot the build had no npm")
    show(tab, two_masters)
    until(lambda: tab.run("return document.querySelectorAll('#charts canvas').length") == 2, 10, "two charts")
    reads(tab, "#charts .legend", "node2")
    tab.click("#theme")
    assert tab.run("return document.documentElement.dataset.theme") == "dark"
    assert faults(tab) == []


@NO_BROWSER
def test_hostile_texts_stay_texts(two_masters, tab, images):
    two_masters.ok("deploy", images("graffiti"))
    show(tab, two_masters)
    tab.run("location.hash = '#task/graffiti'")
    reads(tab, "#detail .log", "<img src=x onerror=")
    reads(tab, "#detail", "response times of")
    two_masters.ok("delete", "graffiti")
    reads(tab, "#detail", "there is no task of this name any more")
    tab.run("location.hash = '#task/' + encodeURIComponent('<img src=x>')")
    reads(tab, "#detail h2", "<img src=x>")
    assert tab.run("return document.querySelectorAll('#detail img, #detail b').length") == 0
    assert tab.run("return document.title") == "Axcan"
    assert tab.text("#live") == "live"
    assert faults(tab) == []


@NO_BROWSER
def test_migrates_a_task_when_it_was_confirmed(two_masters, tab, images):
    two_masters.ok("deploy", images("steady"), "--node", "node1")
    show(tab, two_masters)
    reads(tab, "#tasks tbody", "steady")
    tab.click("#tasks tbody a[href='#task/steady']")
    reads(tab, "#detail", "Migrate")
    tab.click("#detail .buttons button")
    assert "no job is lost" in tab.text("#dialog")
    assert two_masters.task("steady")["node"] == "node1", "nothing happens before it was confirmed"
    tab.run("document.querySelector('#dialog select').value = 'node2'")
    tab.click("#dialog .primary")
    reads(tab, "#dialog .result", "done")
    assert all(step in tab.text("#dialog .steps") for step in ("prepare", "ready", "transfer", "validate", "switch"))
    assert two_masters.task("steady")["node"] == "node2"
    reads(tab, "#operations", "blackout")
    tab.keys("\ue00c")  # Escape closes the dialog, then the details
    assert not tab.run("return document.getElementById('dialog').open")
    tab.keys("\ue00c")
    assert tab.text("#detail") == ""
    two_masters.ok("delete", "steady")


@NO_BROWSER
def test_cordons_a_node_and_shows_what_is_refused(two_masters, tab):
    show(tab, two_masters)
    reads(tab, "#nodes table", "node1")
    tab.run("location.hash = '#node/node1'")
    reads(tab, "#detail", "Cordon")
    tab.click("#detail .buttons button")
    tab.click("#dialog .primary")
    reads(tab, "#dialog .result", "done")
    reads(tab, "#nodes tbody", "cordoned")
    tab.keys("\ue00c")
    reads(tab, "#detail .buttons", "Uncordon")
    two_masters.ok("uncordon", "node1")
    until(lambda: "cordoned" not in tab.text("#nodes tbody"), 10, "the node is open again")
    tab.run("return import('/web/api.js').then((api) => api.post('/v1/nodes/none/cordon'))"
            ".catch((error) => { window.refusal = error.name + ' ' + error.message; })")
    assert tab.run("return window.refusal").startswith("NOENT ")


@NO_BROWSER
def test_works_by_keyboard_and_on_a_narrow_screen(two_masters, tab):
    show(tab, two_masters)
    reads(tab, "#nodes table", "node1")
    tab.resize(500, 900)
    assert tab.run("return document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"
    tab.run("document.querySelector('#nodes tbody a').focus()")
    tab.keys("\ue007")  # Enter
    reads(tab, "#detail h2", "node1")
    tab.keys("\ue00c")
    until(lambda: tab.run("return document.activeElement.textContent") == "node1", 5, "the focus is where it was")
    tab.resize(1280, 900)
    tab.type("#events input", "node-joined node:node2")
    until(lambda: set(tab.run("return [...document.querySelectorAll('#events tbody tr')].map((row) => "
                              "row.children[2].textContent + row.children[4].textContent)")) == {"node-joinednode2"},
          10, "only what fits the filter")


@NO_BROWSER
def test_a_wrong_token_is_asked_for_again(two_masters, tab):
    show(tab, two_masters, token="wrong%20one")
    reads(tab, "#alerts", "The token is wrong")
    assert tab.text("#main") == ""
    tab.type("#token", read_token(two_masters))
    tab.click("#login button")
    reads(tab, "#nodes table", "node1")
    assert tab.text("#login") == "" and tab.text("#alerts") == ""


@NO_BROWSER
def test_a_standby_leads_to_the_leader(two_masters, tab):
    leader, standby = apis(two_masters)
    show(tab, two_masters, standby)
    reads(tab, "#alerts", "This master does not lead")
    tab.click("#alerts a")
    reads(tab, "#nodes table", "node1")
    assert tab.url() == "http://%s/" % leader


@NO_BROWSER
def test_a_master_that_is_away_is_said_until_it_is_back(two_masters, tab):
    show(tab, two_masters)
    reads(tab, "#live", "live")
    name = next(m["name"] for m in two_masters.json("masters") if m["role"] == "leader")
    two_masters.kill(name)
    reads(tab, "#alerts", "does not answer")
    reads(tab, "#alerts", "Other masters: ")
    assert "node1" in tab.text("#nodes table"), "what was known last is still to be read"
    two_masters.ok("up")
    until(lambda: "does not answer" not in tab.text("#alerts"), 20, "it is back, leading or not")
