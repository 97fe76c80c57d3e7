// SPDX-License-Identifier: Apache-2.0
// What the page remembers while it is open, and what it computes of it. Pure, but for the memory.

/** The last `capacity` samples of many named values, all taken at the same times. */
export class Ring {
    constructor(capacity) {
        this.capacity = capacity;
        this.times = [];
        this.values = new Map();
    }

    /** sample: Map or [[name, value], ...]; a name that is missing has a gap there. */
    push(time, sample) {
        const given = new Map(sample);
        for (const name of given.keys()) {
            if (!this.values.has(name)) {
                this.values.set(name, new Array(this.times.length).fill(null));
            }
        }
        this.times.push(time);
        for (const [name, values] of this.values) {
            const value = given.get(name);
            values.push(Number.isFinite(value) ? value : null);
        }
        if (this.times.length > this.capacity) {
            this.dropOldest();
        }
    }

    dropOldest() {
        this.times.shift();
        for (const [name, values] of this.values) {
            values.shift();
            if (values.every((value) => value === null)) {
                this.values.delete(name); // it has been gone for the whole window
            }
        }
    }

    names() {
        return [...this.values.keys()];
    }

    last(name) {
        return this.values.get(name)?.at(-1) ?? null;
    }

    /** [times, values of the first name, ...]: uPlot's form, borrowed until the next push. */
    columns(names) {
        const gap = new Array(this.times.length).fill(null);
        return [this.times, ...names.map((name) => this.values.get(name) ?? gap)];
    }
}

/** The names with the largest sums, at most `limit`, in the order in which they were given. */
export function largest(ring, names, limit) {
    const sum = (name) =>
        (ring.values.get(name) ?? []).reduce((all, value) => all + (value ?? 0), 0);
    if (names.length <= limit) {
        return names;
    }
    const sums = new Map(names.map((name) => [name, sum(name)]));
    const kept = new Set([...names].sort((a, b) => sums.get(b) - sums.get(a)).slice(0, limit));
    return names.filter((name) => kept.has(name));
}

/** Of a counter: what it grew by in a second; null at first and when it was set back. */
export function rate(before, after, seconds) {
    if (!Number.isFinite(before) || !Number.isFinite(after) || !(seconds > 0) || after < before) {
        return null;
    }
    return (after - before) / seconds;
}

/* A histogram is [[at least ns, jobs], ...], ascending; a class ends where twice its beginning is,
 * the first one (0) at 2. */
export function classEnd(begin) {
    return begin === 0 ? 2 : 2 * begin;
}

/** Jobs of `after` that are not in `before`; null when it is of another instance (a job is gone). */
export function histogramDifference(after, before) {
    const earlier = new Map(before);
    const rest = [];
    for (const [begin, jobs] of after) {
        const left = jobs - (earlier.get(begin) ?? 0);
        earlier.delete(begin);
        if (left < 0) {
            return null;
        }
        if (left > 0) {
            rest.push([begin, left]);
        }
    }
    return earlier.size === 0 ? rest : null;
}

export function histogramJobs(histogram) {
    return histogram.reduce((sum, [, jobs]) => sum + jobs, 0);
}

/** The share q (0 to 1) of the jobs took at most this long, ns: linear within a class. null of none. */
export function percentile(histogram, q) {
    const wanted = q * histogramJobs(histogram);
    let below = 0;
    if (histogramJobs(histogram) === 0) {
        return null;
    }
    for (const [begin, jobs] of histogram) {
        if (below + jobs >= wanted) {
            return begin + (classEnd(begin) - begin) * ((wanted - below) / jobs);
        }
        below += jobs;
    }
    return classEnd(histogram.at(-1)[0]);
}

/** All classes between the first and the last, empty ones, too. */
export function histogramWhole(histogram) {
    const jobs = new Map(histogram);
    const whole = [];
    if (histogram.length === 0) {
        return whole;
    }
    for (let begin = histogram[0][0]; begin <= histogram.at(-1)[0]; begin = classEnd(begin)) {
        whole.push([begin, jobs.get(begin) ?? 0]);
    }
    return whole;
}

/* The five steps of a migration (docs/architecture.md) in the master's words: the step is over when one
 * of these was recorded. */
const MIGRATION = [
    ["prepare", ["prepare"]],
    ["ready", ["transfer"]],
    ["transfer", ["standby"]],
    ["validate", ["switch"]],
    ["switch", ["confirmed"]],
];

/** [{name, state: "done"|"now"|"open"|"failed", afterNs}] of an operation; five for a migration, else its own. */
export function phases(operation) {
    const steps = operation.steps ?? [];
    const at = (names) => steps.findLast((step) => names.includes(step.name))?.at_ns;
    const isMoving = ["migrate", "offload"].includes(operation.kind) || at(["transfer"]);
    const rows = isMoving
        ? MIGRATION.map(([name, ends]) => [name, at(ends)])
        : steps.map((step) => [step.name, step.at_ns]);
    let isOpen = false;
    return rows.map(([name, ns]) => {
        const isDone = ns !== undefined || operation.state === "done";
        let state = isDone ? "done" : "open";
        if (!isDone && !isOpen) {
            isOpen = true;
            state = operation.state === "failed" ? "failed" : "now";
        }
        return { name, state, afterNs: ns === undefined ? null : ns - operation.started_ns };
    });
}

/* task:NAME and node:NAME are exact, any other word is to be found somewhere. */
function hasWord(event, word, text) {
    const field = /^(task|node):(.+)$/.exec(word);
    return field ? event[field[1]]?.toLowerCase() === field[2] : text.includes(word);
}

/** Is the event about what the filter asks for? {level, text: all of these words} */
export function eventMatches(event, filter) {
    const rank = { info: 0, warning: 1, error: 2 };
    if ((rank[event.level] ?? 0) < (rank[filter.level] ?? 0)) {
        return false;
    }
    const words = (filter.text ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const text = [event.type, event.task, event.node, event.text].join(" ").toLowerCase();
    return words.every((word) => hasWord(event, word, text));
}
