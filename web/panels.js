// SPDX-License-Identifier: Apache-2.0
// What the details of a node, a task, a service and an operation show.
import { nodeActions, serviceActions, taskActions } from "./actions.js";
import { get, segment } from "./api.js";
import { Chart, histogram } from "./charts.js";
import { badge, el, facts, link, patchChildren, setText } from "./dom.js";
import { eventRow } from "./events.js";
import { bytes, count, digest, duration, percent, timeOfDay } from "./format.js";
import { operationDetail } from "./operations.js";
import { histogramDifference, percentile, Ring } from "./series.js";
import { nodeState, rollout, whereabouts } from "./tables.js";

const EVENTS = 12;
const LOG_LINES = 50;
const SAMPLES = 1800;

function part(title, ...children) {
    return el("section", {}, el("h3", {}, title), ...children);
}

/* A place whose content changes only with its value, and no more than it must, so that it can be read,
 * copied and walked through by keyboard. hasListeners: its elements are replaced as a whole. */
class Spot {
    constructor(render, { tag = "div", hasListeners = false } = {}) {
        this.element = el(tag, {});
        this.render = render;
        this.hasListeners = hasListeners;
    }

    replace(children) {
        if (this.hasListeners) {
            this.element.replaceChildren(...children);
        } else {
            patchChildren(this.element, children);
        }
    }

    show(value) {
        const memo = JSON.stringify(value ?? null);
        if (memo !== this.memo) {
            this.memo = memo;
            this.replace([this.render(value)].flat(2).filter((one) => one));
        }
    }
}

function eventsOf(app) {
    return new Spot((events) =>
        events.length === 0
            ? el("p", { class: "note" }, "none")
            : el(
                  "div",
                  { class: "scroll" },
                  el(
                      "table",
                      { class: "events" },
                      el(
                          "tbody",
                          {},
                          events.map((event) => eventRow(event, app.skewMs)),
                      ),
                  ),
              ),
    );
}

/** What all panels have: actions that change with the state, events of their own. */
class Panel {
    constructor(app, kind, name) {
        Object.assign(this, { app, kind, name });
        this.state = new Spot((state) => badge(state), { tag: "span" });
        this.actions = new Spot((item) => this.makeActions(item), { hasListeners: true });
        this.facts = new Spot((item) => this.makeFacts(item));
        this.events = eventsOf(app);
        this.actions.element.className = "buttons";
        this.charts = [];
        this.element = el(
            "div",
            {},
            this.actions.element,
            ...this.makeBody(),
            part("Events", this.events.element, this.moreEvents()),
        );
    }

    makeActions() {
        return [];
    }

    moreEvents() {
        const show = () => {
            const text = this.filter();
            location.hash = ""; // closes this
            setTimeout(() => this.app.events.show(text));
        };
        return el("button", { type: "button", click: show }, "in the list of all events");
    }

    stateOf(item) {
        return item.state;
    }

    update(item) {
        this.item = item;
        this.state.show(this.stateOf(item));
        this.actions.show(this.actionKey(item));
        this.facts.show(item);
        this.events.show(this.app.events.matching({ text: this.filter() }, EVENTS));
    }

    free() {
        this.charts.forEach((chart) => chart.free());
    }
}

class NodePanel extends Panel {
    makeBody() {
        this.chart = new Chart({
            label: `load of ${this.name}`,
            format: (v) => percent(v * 1e4),
            height: 170,
            step: 1,
        });
        this.charts.push(this.chart);
        return [
            part("Load of its tasks, of the processor", this.chart.element),
            this.facts.element,
        ];
    }

    stateOf(node) {
        return nodeState(node);
    }

    actionKey(node) {
        return { name: node.name, cordoned: node.cordoned, tasks: node.tasks };
    }

    makeActions(node) {
        return nodeActions(node);
    }

    filter() {
        return `node:${this.name}`;
    }

    makeFacts(n) {
        const c = n.clock ?? {};
        const p = n.prediction ?? {};
        return [
            facts([
                [
                    "tasks",
                    n.tasks?.length > 0
                        ? el(
                              "span",
                              {},
                              n.tasks.flatMap((task, i) => [i > 0 ? ", " : "", link("task", task)]),
                          )
                        : "none",
                ],
                ["tier", `${n.tier}${n.board ? `, ${n.board}` : ""}`],
                ["platforms", n.platforms?.join(", ")],
                ["assurance", n.assurance],
                ["processor", `${n.cores} × ${n.frequency_mhz} MHz`],
                ["processor busy", percent(n.cpu_load_ppm)],
                ["memory free", `${bytes(n.memory_free_bytes)} of ${bytes(n.memory_bytes)}`],
                ["admitted density", `${percent(n.density_ppm)} of ${percent(n.capacity_ppm)}`],
                ["slots free", `${n.free_slots} of ${n.slots}`],
                ["lease renewed", `${duration(n.lease_age_ns)} ago`],
                ["address", n.address],
                ["version", n.version],
                ["id", n.id],
            ]),
            part(
                "Clock",
                facts([
                    ["state", badge(c.state ?? "unknown")],
                    ["grandmaster", c.grandmaster],
                    ["bound", `±${duration(c.bound_ns)}`],
                    ["offset", duration(c.offset_ns)],
                    ["to the master", duration(c.master_offset_ns)],
                    ["deadlines shortened by", duration(c.delta_ns)],
                    ["latency allowed for", duration(c.latency_ns)],
                    ["steps, jumps", `${c.steps}, ${c.jumps}`],
                    ["tasks schedulable", c.schedulable === false ? "no" : "yes"],
                ]),
            ),
            p.model
                ? part(
                      "Prediction",
                      facts([
                          ["model", p.model],
                          ["horizon", duration(p.horizon_ns)],
                          ["mean", percent(p.mean_ppm)],
                          ["upper bound", percent(p.predicted_ppm)],
                          ["holds for", `${Math.round(100 * p.quantile)} % of the values`],
                          [
                              "held so far for",
                              `${Math.round(100 * p.coverage)} % of ${count(p.samples)}`,
                          ],
                          ["admission slack then", percent(p.slack_ppm)],
                      ]),
                  )
                : null,
        ];
    }

    update(node) {
        super.update(node);
        const rings = this.app.rings;
        const [times] = rings.load.columns([]);
        const one = (ring, name, colour, dash) => ({
            name,
            values: ring.columns([node.name])[1],
            colour,
            dash,
        });
        this.chart.update(times, [
            one(rings.load, "measured", 0),
            one(rings.predicted, "predicted bound", 1, [4, 4]),
            one(rings.admitted, "admitted", 2, [1, 3]),
        ]);
    }
}

class TaskPanel extends Panel {
    makeBody() {
        this.ring = new Ring(SAMPLES);
        this.chart = new Chart({
            label: `response times of ${this.name}`,
            format: duration,
            height: 170,
            logarithmic: true,
        });
        this.charts.push(this.chart);
        this.histogram = new Spot((v) => histogram(v.classes, v.deadlineNs));
        this.log = el("pre", { class: "log", tabindex: "0" });
        this.since = 0;
        return [
            part("Response of the jobs of each second", this.chart.element),
            this.histogram.element,
            this.facts.element,
            part("Log", this.log),
        ];
    }

    stateOf(task) {
        return task.migration ? "migrating" : task.state;
    }

    actionKey(task) {
        return { name: task.name, state: task.state, node: task.node, replica: task.replica };
    }

    makeActions(task) {
        return taskActions(task, () => this.app.data.nodes);
    }

    filter() {
        return `task:${this.name}`;
    }

    makeFacts(t) {
        const i = t.instance ?? {};
        const s = t.spec ?? {};
        const f = t.failover ?? {};
        const m = t.migration;
        return [
            facts([
                ["node", m ? whereabouts(t) : link("node", t.node)],
                ["service", link("service", t.replica?.service)],
                ["migration", m ? `${m.phase}, step ${t.step}` : ""],
                ["remark", t.reason],
                ["epoch", count(t.epoch)],
                ["next job", count(i.next_job)],
                ["period, deadline", `${duration(s.period_ns)}, ${duration(s.deadline_ns)}`],
                ["criticality", s.criticality],
                ["completed", `${count(i.completed)} of ${count(i.released)} released`],
                ["missed, late", `${count(i.missed)}, ${count(i.late)}`],
                [
                    "killed, skipped, overruns",
                    `${count(i.killed)}, ${count(i.skipped)}, ${count(i.overruns)}`,
                ],
                [
                    "response p50 / p99 / max",
                    `${duration(i.response_p50_ns)} / ${duration(i.response_p99_ns)} / ` +
                        duration(i.response_max_ns),
                ],
                ["execution p99 / max", `${duration(i.exec_p99_ns)} / ${duration(i.exec_max_ns)}`],
                [
                    "start after release",
                    `${duration(i.start_min_ns)} to ${duration(i.start_max_ns)}`,
                ],
                ["last cause", i.last_cause === "none" ? "" : i.last_cause],
                [
                    "checkpoint at the node",
                    i.checkpoint_job === undefined ? "" : `job ${count(i.checkpoint_job)}`,
                ],
                [
                    "durable checkpoint",
                    t.durable
                        ? `job ${count(t.durable.job)} of epoch ${t.durable.epoch}, at ` +
                          `${t.durable.manager}; ${t.durable.age_jobs} jobs behind, ${t.durable.kept} kept`
                        : "",
                ],
                ["state", `${bytes(s.state_bytes)}, version ${s.state_version}`],
                ["restored by", f.by],
                ["after a death, at most", duration(f.bound_ns)],
                ["image", digest(t.image)],
                ["id", t.id],
            ]),
            t.entries
                ? el(
                      "table",
                      { class: "plain" },
                      el(
                          "thead",
                          {},
                          el(
                              "tr",
                              {},
                              el("th", {}, "platform"),
                              el("th", { class: "n" }, "WCET"),
                              el("th", { class: "n" }, "size"),
                              el("th", {}, "digest"),
                          ),
                      ),
                      el(
                          "tbody",
                          {},
                          t.entries.map((e) =>
                              el(
                                  "tr",
                                  {},
                                  el("td", {}, e.platform),
                                  el(
                                      "td",
                                      { class: "n" },
                                      e.wcet_ns ? duration(e.wcet_ns) : "none",
                                  ),
                                  el("td", { class: "n" }, bytes(e.bytes)),
                                  el("td", { class: "muted" }, digest(e.digest)),
                              ),
                          ),
                      ),
                  )
                : null,
        ];
    }

    /** The histogram is only in the answer for one task. */
    async more() {
        const [task, log] = await Promise.all([
            get(`/v1/tasks/${segment(this.name)}`),
            get(`/v1/tasks/${segment(this.name)}/logs?since=${this.since}`),
        ]);
        this.sample(task);
        this.since = log.next;
        this.write(log.items);
    }

    sample(task) {
        const classes = task.response_histogram ?? [];
        const rest = this.before ? histogramDifference(classes, this.before) : null;
        const of = (q) => (rest && rest.length > 0 ? percentile(rest, q) : null);
        this.before = classes;
        this.ring.push(Date.now() / 1000, [
            ["p50", of(0.5)],
            ["p99", of(0.99)],
            ["deadline", task.spec?.deadline_ns],
        ]);
        this.histogram.show({ classes, deadlineNs: task.spec?.deadline_ns });
        const [times, p50, p99, deadline] = this.ring.columns(["p50", "p99", "deadline"]);
        if (this.ring.values.get("p99").some((value) => value !== null)) {
            this.chart.update(times, [
                { name: "p50", values: p50, colour: 0 },
                { name: "p99", values: p99, colour: 1 },
                { name: "deadline", values: deadline, colour: 3, dash: [4, 4] },
            ]);
        }
    }

    write(items) {
        const isAtEnd = this.log.scrollTop + this.log.clientHeight >= this.log.scrollHeight - 4;
        this.lines = [
            ...(this.lines ?? []),
            ...items.map((item) => `${item.node} ${item.line}`),
        ].slice(-LOG_LINES);
        setText(this.log, this.lines.join("\n") || "nothing was logged");
        if (isAtEnd && items.length > 0) {
            this.log.scrollTop = this.log.scrollHeight;
        }
    }
}

class ServicePanel extends Panel {
    makeBody() {
        return [this.facts.element];
    }

    actionKey(service) {
        return { name: service.name, paused: service.paused };
    }

    makeActions(service) {
        return serviceActions(service);
    }

    filter() {
        return this.name;
    }

    makeFacts(s) {
        const v = s.votes;
        const r = s.rollout;
        return [
            facts([
                ["condition", s.condition],
                [
                    "has yielded",
                    s.yielded ? `${s.yielded.replicas} replicas to ${s.yielded.to}` : "",
                ],
                ["mode", s.mode],
                [
                    "replicas",
                    `${s.ready} of ${s.replicas} ready, ${s.running} run, at least ${s.minimum}`,
                ],
                ["generation, revision", `${s.generation}, ${s.revision}`],
                ["image", digest(s.image)],
                [
                    "votes",
                    v ? `${count(v.agreed)} agreed, ${count(v.failed)} failed, at ${v.voter}` : "",
                ],
                ["last agreed job", v ? count(v.last_agreed_job) : ""],
            ]),
            r
                ? part(
                      "Update",
                      el("p", {}, rollout(s)),
                      facts([
                          ["round", r.round],
                          ["platform", r.platform],
                          ["began", timeOfDay(r.started_ns, this.app.skewMs)],
                          ["reason", r.reason],
                      ]),
                  )
                : null,
            part(
                "Replicas",
                el(
                    "div",
                    { class: "scroll" },
                    el(
                        "table",
                        { class: "plain" },
                        el(
                            "thead",
                            {},
                            el(
                                "tr",
                                {},
                                [
                                    "replica",
                                    "node",
                                    "state",
                                    "role",
                                    "good",
                                    "wrong",
                                    "silent",
                                    "missed",
                                ].map((title) => el("th", {}, title)),
                            ),
                        ),
                        el(
                            "tbody",
                            {},
                            s.members.map((m) =>
                                el(
                                    "tr",
                                    {},
                                    el("td", {}, link("task", m.task)),
                                    el("td", {}, link("node", m.node)),
                                    el("td", {}, badge(m.state)),
                                    el("td", {}, m.degraded ? `${m.role}, degraded` : m.role),
                                    [m.votes?.good, m.votes?.wrong, m.votes?.silent, m.missed].map(
                                        (n) => el("td", { class: "n" }, count(n)),
                                    ),
                                ),
                            ),
                        ),
                    ),
                ),
            ),
            part("Declared", el("pre", {}, JSON.stringify(s.declared, null, 2))),
        ];
    }
}

class OperationPanel extends Panel {
    makeBody() {
        return [this.facts.element];
    }

    actionKey() {
        return {};
    }

    makeFacts(operation) {
        return operationDetail(operation, this.app.skewMs);
    }

    filter() {
        return this.item.task ? `task:${this.item.task}` : `node:${this.item.node}`;
    }
}

/** By the kind that the address names. */
export const PANELS = {
    node: NodePanel,
    task: TaskPanel,
    service: ServicePanel,
    operation: OperationPanel,
};
