// SPDX-License-Identifier: Apache-2.0
// The page's pure functions: node --test
import assert from "node:assert/strict";
import test from "node:test";
import { bytes, count, digest, duration, percent, timeOfDay } from "../format.js";
import {
    eventMatches,
    histogramDifference,
    histogramJobs,
    histogramWhole,
    largest,
    percentile,
    phases,
    rate,
    Ring,
} from "../series.js";

test("durations have a unit and three digits", () => {
    const cases = [
        [0, "0 ns"],
        [856, "856 ns"],
        [1300, "1.30 µs"],
        [1303000, "1.30 ms"],
        [-25100000, "-25.1 ms"],
        [999600, "1.00 ms"],
        [2.5e9, "2.50 s"],
        [59e9, "59.0 s"],
        [200e9, "3 min 20 s"],
        [18120e9, "5 h 2 min"],
        [86400e9 * 3, "3 d"],
        [undefined, "-"],
        [null, "-"],
        [NaN, "-"],
    ];
    for (const [ns, text] of cases) {
        assert.equal(duration(ns), text);
    }
});

test("other numbers", () => {
    assert.deepEqual(
        [percent(0), percent(1862), percent(123456), percent(null)],
        ["0 %", "0.2 %", "12 %", "-"],
    );
    assert.deepEqual(
        [bytes(0), bytes(1023), bytes(4216), bytes(25276510208), bytes("x")],
        ["0 B", "1023 B", "4.12 KiB", "23.5 GiB", "-"],
    );
    assert.deepEqual(
        [count(0), count(1234567), count(-1234), count(undefined)],
        ["0", "1\u2009234\u2009567", "-1\u2009234", "-"],
    );
    assert.equal(digest("sha256:0cbb226f230fc364"), "0cbb226f230f");
    assert.equal(digest(""), "-");
    assert.equal(timeOfDay(0, 0), "-");
    assert.match(timeOfDay(1795244725930095655, -37000), /^\d\d:\d\d:48\.930$/);
});

test("a ring keeps the last samples, with gaps where a name was missing", () => {
    const ring = new Ring(3);
    ring.push(1, [["a", 1]]);
    ring.push(2, [
        ["a", 2],
        ["b", 20],
    ]);
    ring.push(3, [["b", 30]]);
    assert.deepEqual(ring.columns(["a", "b", "c"]), [
        [1, 2, 3],
        [1, 2, null],
        [null, 20, 30],
        [null, null, null],
    ]);
    assert.equal(ring.last("a"), null);
    assert.equal(ring.last("b"), 30);
    ring.push(4, [["b", NaN]]);
    ring.push(5, [["b", 50]]);
    assert.deepEqual(ring.columns(["b"]), [
        [3, 4, 5],
        [30, null, 50],
    ]);
    assert.deepEqual(ring.names(), ["b"], "a name without a value in the window is forgotten");
});

test("the largest are chosen, their order is kept", () => {
    const ring = new Ring(2);
    ring.push(1, [
        ["a", 5],
        ["b", 1],
        ["c", 9],
    ]);
    assert.deepEqual(largest(ring, ["a", "b", "c"], 2), ["a", "c"]);
    assert.deepEqual(largest(ring, ["a", "b"], 2), ["a", "b"]);
});

test("rates of counters", () => {
    assert.equal(rate(10, 30, 2), 10);
    assert.equal(rate(undefined, 30, 2), null);
    assert.equal(rate(30, 10, 2), null, "set back");
    assert.equal(rate(10, 30, 0), null);
});

test("percentiles of a histogram of powers of two", () => {
    const classes = [
        [0, 1],
        [1024, 98],
        [65536, 1],
    ];
    assert.equal(percentile(classes, 0), 0);
    assert.equal(percentile(classes, 0.01), 2);
    assert.equal(percentile(classes, 0.5), 1024 + (1024 * 49) / 98);
    assert.equal(percentile(classes, 0.99), 2048);
    assert.equal(percentile(classes, 1), 131072);
    assert.equal(percentile([], 0.5), null);
    assert.equal(histogramJobs(classes), 100);
});

test("what has come to a histogram", () => {
    assert.deepEqual(
        histogramDifference(
            [
                [4, 5],
                [8, 2],
            ],
            [[4, 5]],
        ),
        [[8, 2]],
    );
    assert.deepEqual(histogramDifference([[4, 5]], []), [[4, 5]]);
    assert.deepEqual(histogramDifference([[4, 5]], [[4, 5]]), []);
    assert.equal(histogramDifference([[4, 5]], [[4, 6]]), null, "another instance");
    assert.equal(
        histogramDifference(
            [[4, 5]],
            [
                [4, 5],
                [8, 1],
            ],
        ),
        null,
    );
});

test("a whole histogram has its empty classes", () => {
    assert.deepEqual(
        histogramWhole([
            [0, 1],
            [4, 2],
            [16, 1],
        ]),
        [
            [0, 1],
            [2, 0],
            [4, 2],
            [8, 0],
            [16, 1],
        ],
    );
    assert.deepEqual(histogramWhole([]), []);
});

test("a migration has five phases", () => {
    const steps = (names) => names.map((name, index) => ({ name, at_ns: 100 + index }));
    const states = (operation) => phases(operation).map((phase) => phase.state);
    const moving = {
        kind: "migrate",
        state: "running",
        started_ns: 100,
        steps: steps(["reserve", "prepare", "transfer"]),
    };
    assert.deepEqual(
        phases(moving).map((phase) => phase.name),
        ["prepare", "ready", "transfer", "validate", "switch"],
    );
    assert.deepEqual(states(moving), ["done", "done", "now", "open", "open"]);
    assert.equal(phases(moving)[1].afterNs, 2);
    assert.deepEqual(states({ ...moving, state: "failed" }), [
        "done",
        "done",
        "failed",
        "open",
        "open",
    ]);
    assert.deepEqual(states({ ...moving, state: "done" }), [
        "done",
        "done",
        "done",
        "done",
        "done",
    ]);
    assert.deepEqual(
        phases({ kind: "stop", state: "done", started_ns: 100, steps: steps(["freeze"]) }),
        [{ name: "freeze", state: "done", afterNs: 0 }],
    );
    assert.deepEqual(phases({ kind: "stop", state: "running" }), []);
});

test("events fit a filter", () => {
    const event = {
        level: "warning",
        type: "node-dead",
        task: "radar",
        node: "node1",
        text: "no renewal",
    };
    for (const filter of [
        {},
        { level: "warning" },
        { text: "DEAD renewal" },
        { text: "task:Radar node:node1" },
        { level: "warning", text: "renewal task:radar" },
    ]) {
        assert.ok(eventMatches(event, filter), JSON.stringify(filter));
    }
    for (const filter of [
        { level: "error" },
        { text: "task:rad" },
        { text: "renewal node:node2" },
        { text: "task:" },
        { text: "dead stopped" },
    ]) {
        assert.ok(!eventMatches(event, filter), JSON.stringify(filter));
    }
});
