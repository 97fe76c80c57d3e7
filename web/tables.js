// SPDX-License-Identifier: Apache-2.0
// The tables of nodes, tasks, services and of who decides: what each column shows, and why it matters.
import { badge, bar, el, gradeOf, link, Table } from "./dom.js";
import { count, duration, percent } from "./format.js";

/** What a node's state is called: a cordoned one that is ready is "cordoned". */
export function nodeState(node) {
    return node.cordoned && node.state === "ready" ? "cordoned" : node.state;
}

function load(node) {
    const now = node.task_load_ppm;
    const next = node.prediction?.predicted_ppm ?? null;
    const text = next === null ? percent(now) : `${percent(now)} → ${percent(next)}`;
    const capacity = node.capacity_ppm || 1e6;
    return bar(now / capacity, text, {
        mark: next === null ? null : next / capacity,
        grade: Math.max(now, next ?? 0) > 0.85 * capacity ? "warn" : "",
        title: "measured now → upper bound predicted, as parts of the processor; the bar is what the node admits",
    });
}

function admitted(node) {
    return bar(
        node.density_ppm / node.capacity_ppm,
        `${percent(node.density_ppm)} of ${percent(node.capacity_ppm)}`,
        { title: "density admitted, of what this node admits at all" },
    );
}

function clock(node) {
    const c = node.clock ?? {};
    const state = c.state ?? "unknown";
    const grade = c.schedulable === false ? "bad" : gradeOf(state);
    return [badge(state, grade), el("span", { class: "muted" }, ` ±${duration(c.bound_ns)}`)];
}

function links(kind, names) {
    const shown = names
        .slice(0, 4)
        .flatMap((name, index) => (index === 0 ? [link(kind, name)] : [", ", link(kind, name)]));
    return names.length > 4 ? [...shown, ` +${names.length - 4}`] : shown;
}

export function nodeTable() {
    return new Table({
        caption: "nodes",
        key: (node) => node.id,
        href: (node) => `#node/${encodeURIComponent(node.name)}`,
        empty: "no node has joined yet",
        rowClass: (node) => (["dead", "disconnected"].includes(node.state) ? "away" : ""),
        columns: [
            {
                title: "Node",
                value: (n) => n.name,
                render: (name) => link("node", name),
                sort: (n) => n.name,
            },
            { title: "State", value: nodeState, render: (state) => badge(state), sort: nodeState },
            {
                title: "Platform",
                low: true,
                value: (n) => n.platforms?.join(", "),
                sort: (n) => n.platforms?.join(),
                hint: "what decides which binary fits",
            },
            { title: "Assurance", low: true, value: (n) => n.assurance, sort: (n) => n.assurance },
            {
                title: "Load, predicted",
                value: (n) => [n.task_load_ppm, n.prediction?.predicted_ppm, n.capacity_ppm],
                render: (_, node) => load(node),
                sort: (n) => n.task_load_ppm,
                number: true,
                hint: "processor time of the tasks: now → upper bound some seconds ahead",
            },
            {
                title: "Admitted",
                value: (n) => [n.density_ppm, n.capacity_ppm],
                render: (_, node) => admitted(node),
                sort: (n) => n.density_ppm / n.capacity_ppm,
                number: true,
                hint: "density of what runs there, of the node's capacity",
            },
            {
                title: "Clock",
                value: (n) => [n.clock?.state, n.clock?.bound_ns, n.clock?.schedulable],
                render: (_, node) => clock(node),
                sort: (n) => n.clock?.bound_ns ?? 0,
                hint: "state and error bound of its clock",
            },
            {
                title: "Lease",
                number: true,
                low: true,
                value: (n) => Math.round(n.lease_age_ns / 1e7),
                hint: "since its lease was renewed",
                render: (_, node) => duration(node.lease_age_ns),
                sort: (n) => n.lease_age_ns,
            },
            {
                title: "Slots",
                number: true,
                low: true,
                value: (n) => `${n.slots - n.free_slots}/${n.slots}`,
                sort: (n) => n.slots - n.free_slots,
                hint: "instances there, of how many at once",
            },
            {
                title: "Tasks",
                wide: true,
                value: (n) => n.tasks,
                render: (tasks) => links("task", tasks ?? []),
                sort: (n) => n.tasks?.length ?? 0,
            },
        ],
    });
}

/** Where the task is, or from where to where it moves. */
export function whereabouts(task) {
    const m = task.migration;
    return m && m.target_node ? `${m.source_node} → ${m.target_node}` : task.node;
}

function taskState(task) {
    return task.migration ? "migrating" : task.state;
}

function response(task) {
    const figures = task.instance;
    const deadline = task.spec?.deadline_ns;
    if (!figures || !figures.completed) {
        return "-";
    }
    const share = figures.response_p99_ns / deadline;
    return bar(share, duration(figures.response_p99_ns), {
        grade: share > 1 ? "bad" : share > 0.8 ? "warn" : "",
        mark: figures.response_p50_ns / deadline,
        title:
            `p50 ${duration(figures.response_p50_ns)}, p99 ${duration(figures.response_p99_ns)}, ` +
            `largest ${duration(figures.response_max_ns)}, deadline ${duration(deadline)}`,
    });
}

function counter(title, name, hint, more = {}) {
    return {
        title,
        number: true,
        hint,
        value: (t) => t.instance?.[name],
        render: (value) => el("span", { class: value ? "hot" : "muted" }, count(value)),
        sort: (t) => t.instance?.[name] ?? -1,
        ...more,
    };
}

export function taskTable() {
    return new Table({
        caption: "tasks",
        key: (task) => task.id,
        href: (task) => `#task/${encodeURIComponent(task.name)}`,
        empty: "no task is deployed: axcan deploy IMAGE",
        columns: [
            {
                title: "Task",
                value: (t) => t.name,
                render: (name) => link("task", name),
                sort: (t) => t.name,
            },
            { title: "State", value: taskState, sort: taskState, render: (state) => badge(state) },
            {
                title: "Node",
                value: whereabouts,
                sort: (t) => t.node,
                render: (text, task) => (task.migration ? text : link("node", text)),
            },
            {
                title: "Period",
                number: true,
                low: true,
                value: (t) => duration(t.spec?.period_ns),
                sort: (t) => t.spec?.period_ns ?? 0,
            },
            {
                title: "Epoch",
                number: true,
                low: true,
                value: (t) => t.epoch,
                sort: (t) => t.epoch,
                hint: "fencing number: a new one at every change of node",
            },
            {
                title: "Next job",
                number: true,
                value: (t) => t.instance?.next_job ?? t.checkpoint_job,
                render: count,
                sort: (t) => t.instance?.next_job ?? 0,
            },
            {
                title: "Response p99",
                number: true,
                render: (_, task) => response(task),
                value: (t) => [
                    t.instance?.response_p50_ns,
                    t.instance?.response_p99_ns,
                    t.instance?.response_max_ns,
                ],
                sort: (t) => (t.instance?.response_p99_ns ?? 0) / (t.spec?.deadline_ns ?? 1),
                hint: "of the deadline (the bar's end); the mark is the median",
            },
            counter("Missed", "missed", "jobs that ended past their deadline D"),
            counter(
                "Late",
                "late",
                "jobs that ended past D', the deadline less what clock and network may err",
                { low: true },
            ),
            counter("Killed", "killed", "jobs ended by a fault or their budget"),
            {
                title: "Checkpoint",
                number: true,
                low: true,
                value: (t) => t.instance?.checkpoint_job ?? t.checkpoint_job,
                render: count,
                sort: (t) => t.instance?.checkpoint_job ?? 0,
                hint: "job of the newest checkpoint at its node",
            },
            {
                title: "Durable",
                number: true,
                value: (t) => [t.durable?.job, t.durable?.age_jobs],
                render: ([job, age]) =>
                    job === undefined
                        ? "-"
                        : el(
                              "span",
                              {},
                              count(job),
                              el("span", { class: "muted" }, age > 0 ? ` −${count(age)}` : ""),
                          ),
                sort: (t) => t.durable?.job ?? -1,
                hint: "job of the newest checkpoint that a manager holds, and jobs behind the newest announced",
            },
            { title: "Remark", wide: true, value: (t) => t.reason, sort: (t) => t.reason },
        ],
    });
}

function replicas(service) {
    const whole = service.ready >= service.replicas;
    return el(
        "span",
        { title: `${service.running} run, at least ${service.minimum} must` },
        el("span", { class: whole ? "" : "hot" }, `${service.ready} of ${service.replicas}`),
        el("span", { class: "muted" }, ` min ${service.minimum}`),
    );
}

function member(one) {
    const bad = (one.votes?.wrong ?? 0) + (one.votes?.silent ?? 0);
    const words = [
        one.role !== "active" && one.role,
        one.state !== "running" && one.state,
        one.degraded && "degraded",
    ].filter(Boolean);
    const grade = words.length > 0 ? "warn" : "ok";
    const votes = one.votes
        ? [
              ` ${count(one.votes.good)}`,
              bad > 0
                  ? el(
                        "span",
                        { class: "hot" },
                        ` / ${count(one.votes.wrong)} wrong, ${count(one.votes.silent)} silent`,
                    )
                  : "",
          ]
        : [];
    return el(
        "span",
        { class: `member ${grade}`, title: `${one.platform}, ${one.state}, votes good` },
        link("task", one.task),
        el("span", { class: "muted" }, ` ${one.node || "nowhere"}`, ...votes),
        words.length > 0 ? el("em", {}, ` ${words.join(", ")}`) : null,
    );
}

/** A rollout in a line: its state, how far it is, and why it stands or went back. */
export function rollout(service) {
    const r = service.rollout;
    if (!r) {
        return "";
    }
    const proof = r.task ? ` · ${r.task}: ${r.good} of ${r.good_needed} good jobs` : "";
    return [
        badge(r.state),
        ` generation ${r.generation}, ${r.updated} of ${r.replicas} replicas${proof}`,
        r.reason ? el("em", {}, ` · ${r.reason}`) : null,
    ];
}

export function serviceTable() {
    return new Table({
        caption: "services",
        key: (service) => service.name,
        href: (service) => `#service/${encodeURIComponent(service.name)}`,
        empty: "no service is declared: axcan apply -f FILE",
        columns: [
            {
                title: "Service",
                value: (s) => s.name,
                render: (name) => link("service", name),
                sort: (s) => s.name,
            },
            { title: "Mode", value: (s) => s.mode, sort: (s) => s.mode },
            {
                title: "State",
                value: (s) => s.state,
                render: (state) => badge(state),
                sort: (s) => s.state,
            },
            {
                title: "Ready",
                value: (s) => [s.ready, s.replicas, s.running, s.minimum],
                render: (_, service) => replicas(service),
                sort: (s) => s.ready - s.replicas,
            },
            {
                title: "Agreed",
                number: true,
                value: (s) => s.votes?.agreed,
                render: count,
                sort: (s) => s.votes?.agreed ?? 0,
                hint: "outputs that enough replicas agreed on",
            },
            {
                title: "Failed",
                number: true,
                value: (s) => s.votes?.failed,
                render: (value) => el("span", { class: value ? "hot" : "muted" }, count(value)),
                sort: (s) => s.votes?.failed ?? 0,
                hint: "jobs without enough replicas that agreed",
            },
            {
                title: "Replicas: node, good votes",
                wide: true,
                value: (s) =>
                    s.members.map((m) => [m.task, m.node, m.role, m.state, m.votes, m.degraded]),
                render: (_, service) =>
                    el("span", { class: "members" }, service.members.map(member)),
            },
            {
                title: "Update and condition",
                wide: true,
                value: (s) => [s.rollout, s.condition],
                render: (_, service) => [
                    ...[rollout(service)].flat(),
                    service.condition ? el("em", { class: "line" }, service.condition) : null,
                ],
            },
        ],
    });
}

const NAME = { title: "Name", value: (x) => x.name, sort: (x) => x.name };

export function masterTable(pageOf) {
    return new Table({
        caption: "masters",
        key: (m) => m.id,
        empty: "no master",
        columns: [
            NAME,
            {
                title: "Role",
                value: (m) => m.role,
                render: (role) => badge(role, role === "leader" ? "ok" : "idle"),
                sort: (m) => m.role,
            },
            {
                title: "API",
                value: (m) => m.api,
                sort: (m) => m.api,
                render: (api) =>
                    pageOf(api)
                        ? el("a", { href: pageOf(api), rel: "noreferrer" }, api)
                        : String(api),
            },
            {
                title: "Images",
                number: true,
                value: (m) => m.images,
                render: count,
                sort: (m) => m.images,
                hint: "store revision up to which it has all images",
            },
        ],
    });
}

export function managerTable() {
    return new Table({
        caption: "checkpoint managers",
        key: (m) => m.id,
        empty: "no checkpoint manager: a dead node takes the newest state along",
        columns: [
            { ...NAME, title: "Manager" },
            {
                title: "State",
                value: (m) => m.state,
                render: (state) => badge(state),
                sort: (m) => m.state,
            },
            {
                title: "Store",
                value: (m) => (m.store_reachable ? "reachable" : "unreachable"),
                render: (state) => badge(state),
                sort: (m) => m.store_reachable,
            },
            {
                title: "Durable after",
                number: true,
                value: (m) => [m.durable_age_p50_ns, m.durable_age_p99_ns],
                render: ([p50, p99]) => `${duration(p50)} / ${duration(p99)}`,
                sort: (m) => m.durable_age_p99_ns,
                hint: "from the notice of a checkpoint until it is durable: median / p99",
            },
            {
                title: "Stored",
                number: true,
                value: (m) => m.stored,
                render: count,
                sort: (m) => m.stored,
            },
            {
                title: "Restores",
                number: true,
                value: (m) => m.restores,
                render: count,
                sort: (m) => m.restores,
            },
        ],
    });
}

export function voterTable() {
    return new Table({
        caption: "voters",
        key: (v) => v.id,
        empty: "no voter",
        columns: [
            { ...NAME, title: "Voter" },
            {
                title: "State",
                value: (v) => v.state,
                render: (state) => badge(state),
                sort: (v) => v.state,
            },
            {
                title: "Services",
                value: (v) => (v.services ?? []).map((s) => s.name ?? s),
                render: (names) => links("service", names),
                sort: (v) => v.services?.length ?? 0,
            },
            {
                title: "Agreed",
                number: true,
                value: (v) => v.agreed,
                render: count,
                sort: (v) => v.agreed,
            },
            {
                title: "Failed",
                number: true,
                value: (v) => v.failed,
                render: (value) => el("span", { class: value ? "hot" : "muted" }, count(value)),
                sort: (v) => v.failed,
            },
        ],
    });
}

function partition(one) {
    const words = [one.state !== "running" && one.state, one.reason].filter(Boolean);
    return el(
        "span",
        { class: "member", title: one.why || null },
        link("node", one.name),
        words.length > 0 ? el("em", {}, ` ${words.join(": ")}`) : null,
    );
}

/** Who starts partitions when something finds no node. */
export function hostTable() {
    return new Table({
        caption: "hosts of partitions",
        key: (h) => h.name,
        empty: "no host of partitions",
        columns: [
            { ...NAME, title: "Host" },
            {
                title: "State",
                value: (h) => h.state,
                render: (state) => badge(state),
                sort: (h) => h.state,
            },
            { title: "Platform", value: (h) => h.platform, sort: (h) => h.platform },
            {
                title: "Used",
                number: true,
                value: (h) => `${h.used} of ${h.max}`,
                sort: (h) => h.used,
            },
            {
                title: "Partitions",
                wide: true,
                value: (h) => h.partitions ?? [],
                render: (all) => el("span", { class: "members" }, all.map(partition)),
            },
        ],
    });
}

/** The line above them: the term, and how long things take to be noticed. */
export function leases(status) {
    const members = (status.store_members ?? []).map((m) => `${m.name} ${m.state ?? ""}`.trim());
    return [
        `term ${status.term}`,
        `lease of a node ${duration(status.lease_ns)}`,
        `heartbeat ${duration(status.heartbeat_ns)}`,
        `a dead node is noticed within ${duration(status.detection_bound_ns)}`,
        members.length > 0 ? `store: ${members.join(", ")}` : null,
    ]
        .filter(Boolean)
        .join(" · ");
}
