# SPDX-License-Identifier: Apache-2.0
"""A real browser, driven by W3C WebDriver over HTTP: Debian's chromium and chromium-driver, nothing else."""
import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
IS_THERE = bool(CHROMIUM and DRIVER)
# No request leaves the machine: neither updates nor checks of whatever kind.
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


class Browser:
    def __init__(self, profile, width=1280, height=900):
        self.driver = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True, start_new_session=True,
                                       env=dict(os.environ, HOME=str(profile)))
        self.session = None
        for line in self.driver.stdout:
            found = re.search(r"successfully on port (\d+)", line)
            if found:
                self.root = "http://127.0.0.1:" + found.group(1)
                break
        options = {"binary": CHROMIUM, "args": ARGUMENTS + ["--user-data-dir=%s/profile" % profile,
                                                            "--window-size=%d,%d" % (width, height)]}
        asked = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}
        try:
            self.session = self.call("POST", "/session", {"capabilities": asked})["sessionId"]
        except Exception:
            self.close()
            raise

    def call(self, method, path, body=None):
        url = self.root + ("/session/" + self.session if self.session else "") + path
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.load(answer)["value"]

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def url(self):
        return self.call("GET", "/url")

    def run(self, script, *arguments):
        """The value of a function's body in the page."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def text(self, css):
        """What is to be read there; "" when there is nothing or it is hidden."""
        return self.run("const e = document.querySelector(arguments[0]); return e?.checkVisibility() ? e.innerText : '';", css)

    def click(self, css):
        element = self.call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]
        self.call("POST", "/element/%s/click" % element)

    def type(self, css, text):
        element = self.call("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]
        self.call("POST", "/element/%s/value" % element, {"text": text})

    def keys(self, *keys):
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def resize(self, width, height):
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def complaints(self):
        """What the console has said since the last call: errors of scripts, refused by the policy, ..."""
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"})
                if entry["level"] in ("SEVERE", "WARNING")]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        try:
            if self.session:
                self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(10)
