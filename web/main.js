// SPDX-License-Identifier: Apache-2.0
// The page: asks the API again and again, keeps what it answered, lets each part draw itself.
import { ApiError, get, hasToken, pageOf, setToken, takeToken } from "./api.js";
import { Chart, redrawCharts } from "./charts.js";
import { Detail } from "./detail.js";
import { byId, el, patchChildren, setText } from "./dom.js";
import { EventStream } from "./events.js";
import { count, duration } from "./format.js";
import { OperationList } from "./operations.js";
import { largest, rate, Ring } from "./series.js";
import {
    hostTable,
    leases,
    managerTable,
    masterTable,
    nodeTable,
    serviceTable,
    taskTable,
    voterTable,
} from "./tables.js";

const PERIOD_MS = 1000;
const HIDDEN_MS = 5000; // nobody looks: collect, but slowly
const LATER_MS = 10000; // what changes with events only
const EVENTS_WAIT_MS = 20000;
const CHECKPOINTS_MS = 2000;
const DRIFT_MS = 0.05;
const STEP_MS = 5000;
const SAMPLES = 1800;
const LINES = 8;
const CHOICE_MS = 30000; // of many nodes or tasks the largest are drawn

const LOAD = [
    ["load", "measured"],
    ["predicted", "predicted bound"],
    ["admitted", "admitted density"],
    ["busy", "processor busy"],
];
const WORK = [
    ["response", "p99, of the deadline"],
    ["missed", "missed jobs per s"],
    ["jobs", "jobs per s"],
];
const WINDOWS = [
    [300, "5 min"],
    [60, "1 min"],
    [1800, "30 min"],
];

const app = {
    data: {
        status: {},
        nodes: [],
        tasks: [],
        services: [],
        managers: [],
        voters: [],
        hosts: [],
        operations: [],
    },
    rings: Object.fromEntries([...LOAD, ...WORK].map(([name]) => [name, new Ring(SAMPLES)])),
    skewMs: null, // local time less master time
    events: new EventStream(),
    durable: new Map(), // by task: its newest checkpoint that a manager holds
    isLive: false, // the last answer was the leader's
    isStale: true, // something happened that operations and declared objects may show
};

/* ---- what is drawn ---- */

const parts = {};

function heading(section, title, ...tools) {
    const note = el("span", { class: "muted" });
    byId(section).prepend(
        el(
            "div",
            { class: "title" },
            el("h2", {}, title),
            note,
            el("span", { class: "tools" }, ...tools),
        ),
    );
    byId("sections").append(
        el(
            "button",
            { type: "button", click: () => byId(section).scrollIntoView({ behavior: "smooth" }) },
            title,
        ),
    );
    return note;
}

function chooser(label, options, onChange) {
    return el(
        "select",
        { "aria-label": label, "change": (event) => onChange(event.target.value) },
        options.map(([value, text]) => el("option", { value }, text)),
    );
}

function makeChart(title, options, chart) {
    const box = { metric: options[0][0], chart };
    byId("charts").append(
        el(
            "section",
            {},
            el(
                "div",
                { class: "title" },
                el("h2", {}, title),
                el(
                    "span",
                    { class: "tools" },
                    chooser(`${title}: what`, options, (metric) => {
                        box.metric = metric;
                        chart.logarithmic = metric === "response";
                        chart.shape = "";
                        box.chosenAt = 0;
                        drawCharts();
                    }),
                    chooser(`${title}: how long`, WINDOWS, (seconds) => {
                        chart.windowS = Number(seconds);
                        chart.redraw();
                    }),
                ),
            ),
            chart.element,
        ),
    );
    return box;
}

function makeTable(section, title, table) {
    parts[section] = {
        table,
        note: heading(section, title, table.filterBox(`filter ${title.toLowerCase()}`)),
    };
    byId(section).append(table.element);
}

function makePage() {
    const perSecond = (value) => `${Number(value.toFixed(1))}/s`;
    const share = (value) => `${value.toFixed(value < 9.95 ? 1 : 0)} %`;
    parts.load = makeChart(
        "Load of nodes",
        LOAD,
        new Chart({ label: "load of nodes", format: share, step: 1 }),
    );
    parts.work = makeChart(
        "Tasks",
        WORK,
        new Chart({
            label: "tasks",
            format: (value) => (parts.work.metric === "response" ? share(value) : perSecond(value)),
            step: 1,
            logarithmic: true,
        }),
    );
    makeTable("nodes", "Nodes", nodeTable());
    makeTable("tasks", "Tasks", taskTable());
    makeTable("services", "Services", serviceTable());
    parts.operations = new OperationList();
    heading("operations", "Operations");
    byId("operations").append(parts.operations.element);
    heading("control", "Control");
    parts.leases = el("p", { class: "note" });
    parts.control = {
        masters: masterTable(pageOf),
        managers: managerTable(),
        voters: voterTable(),
        hosts: hostTable(),
    };
    byId("control").append(
        parts.leases,
        ...Object.values(parts.control).map((table) => table.element),
    );
    heading("events", "Events", ...app.events.controls());
    byId("events").append(app.events.element);
    app.detail = new Detail(app);
}

function figure(title, value, more, grade = "") {
    return el(
        "div",
        { class: `figure ${grade}` },
        el("span", {}, title),
        el("strong", {}, value),
        el("small", { title: more || null }, more || "\u00a0"),
    );
}

function drawFigures() {
    const { status, nodes, tasks, services, managers, operations } = app.data;
    const ready = services.filter((service) => service.state === "ready").length;
    const wrong = (status.failed ?? 0) + (status.lost ?? 0);
    const missed = app.rings.missed
        .names()
        .reduce((sum, name) => sum + (app.rings.missed.last(name) ?? 0), 0);
    const moving = tasks.filter((task) => task.migration).length;
    const present = managers.filter((manager) => manager.state === "present").length;
    const durable = Math.max(0, ...managers.map((manager) => manager.durable_age_p99_ns ?? 0));
    byId("figures").replaceChildren(
        figure(
            "Nodes ready",
            `${status.ready} of ${status.nodes}`,
            `${nodes.filter((node) => node.cordoned).length} cordoned`,
            status.ready < status.nodes ? "bad" : "",
        ),
        figure(
            "Tasks running",
            `${status.running} of ${status.tasks}`,
            wrong > 0 ? `${wrong} failed or lost` : `${moving} under way`,
            wrong > 0 ? "bad" : "",
        ),
        figure(
            "Services ready",
            services.length === 0 ? "none" : `${ready} of ${services.length}`,
            services.find((service) => service.condition)?.condition ?? "",
            ready < services.length ? "warn" : "",
        ),
        figure(
            "Missed deadlines",
            `${Number(missed.toFixed(1))}/s`,
            "of all tasks",
            missed > 0 ? "warn" : "",
        ),
        figure(
            "Checkpoints",
            managers.length === 0 ? "no manager" : `${present} of ${managers.length}`,
            managers.length === 0 ? "" : `managers; durable after ${duration(durable)} (p99)`,
            present < managers.length ? "warn" : "",
        ),
        figure(
            "Operations",
            count(operations.filter((one) => one.state === "running").length),
            `under way, ${operations.length} known`,
        ),
        figure("Leader", status.name, `term ${status.term}, version ${status.version}`),
    );
}

/* What was drawn before keeps its colour. */
function chooseLines(before, names) {
    const free = new Set(Array.from({ length: LINES }, (_, index) => index));
    names.forEach((name) => free.delete(before.get(name)));
    return new Map(
        names.map((name) => {
            const colour = before.get(name) ?? free.values().next().value;
            free.delete(colour);
            return [name, colour];
        }),
    );
}

function drawCharts() {
    for (const box of [parts.load, parts.work]) {
        const ring = app.rings[box.metric];
        const names = ring.names().sort();
        if (names.length <= LINES || !(Date.now() - box.chosenAt < CHOICE_MS)) {
            box.lines = chooseLines(box.lines ?? new Map(), largest(ring, names, LINES));
            box.chosenAt = Date.now();
        }
        const [times, ...values] = ring.columns([...box.lines.keys()]);
        box.chart.update(
            times,
            [...box.lines].map(([name, colour], index) => ({
                name,
                values: values[index],
                colour,
            })),
        );
    }
}

function draw() {
    const { data } = app;
    document.title = `${(data.status.failed ?? 0) + (data.status.lost ?? 0) > 0 ? "! " : ""}Axcan`;
    drawFigures();
    drawCharts();
    for (const name of ["nodes", "tasks", "services"]) {
        parts[name].table.update(data[name]);
        setText(parts[name].note, data[name].length > 0 ? count(data[name].length) : "");
    }
    parts.operations.update(data.operations, app.skewMs);
    setText(parts.leases, leases(data.status));
    parts.control.masters.update(data.status.masters ?? []);
    parts.control.managers.update(data.managers);
    parts.control.voters.update(data.voters);
    parts.control.hosts.update(data.hosts);
    parts.control.hosts.element.hidden = data.hosts.length === 0;
    app.detail.update();
}

/* ---- what is asked ---- */

function remember(nodes, tasks) {
    const now = Date.now() / 1000;
    const before = app.counters ?? new Map();
    const seconds = now - (app.countedAt ?? now);
    const of = (items, value) => items.map((item) => [item.name, value(item)]);
    const grown = (field) =>
        of(tasks, (task) => rate(before.get(task.id)?.[field], task.instance?.[field], seconds));
    const alive = nodes.filter((node) => node.state === "ready");
    const running = tasks.filter((task) => task.instance?.completed > 0);

    app.rings.load.push(
        now,
        of(alive, (node) => node.task_load_ppm / 1e4),
    );
    app.rings.predicted.push(
        now,
        of(alive, (node) => (node.prediction?.predicted_ppm ?? NaN) / 1e4),
    );
    app.rings.admitted.push(
        now,
        of(alive, (node) => node.density_ppm / 1e4),
    );
    app.rings.busy.push(
        now,
        of(alive, (node) => node.cpu_load_ppm / 1e4),
    );
    app.rings.response.push(
        now,
        of(running, (task) => (100 * task.instance.response_p99_ns) / task.spec.deadline_ns),
    );
    app.rings.missed.push(now, grown("missed"));
    app.rings.jobs.push(now, grown("completed"));
    app.counters = new Map(tasks.map((task) => [task.id, task.instance ?? {}]));
    app.countedAt = now;
}

/* The answer that took least says most; times of day must not tremble with the others. The clocks may
 * drift by DRIFT_MS from one answer to the next, or one is set. */
function setSkew(nowNs) {
    const skewMs = Date.now() - nowNs / 1e6;
    const isSet = app.skewMs === null || skewMs - app.skewMs > STEP_MS;
    app.skewMs = isSet ? skewMs : Math.min(skewMs, app.skewMs + DRIFT_MS);
}

function isTimeForRest() {
    const isMoving =
        app.data.tasks.some((task) => task.migration || task.op) ||
        app.data.operations.some((operation) => operation.state === "running");
    return app.isStale || isMoving || Date.now() - (app.restAt ?? 0) > LATER_MS;
}

async function ask() {
    const status = await get("/v1/status");
    setSkew(status.now_ns);
    app.data.status = status;
    if (status.role !== "leader") {
        throw new ApiError(503, {
            name: "NOT_LEADER",
            reason: `${status.name} stands by`,
            leader: status.leader,
        });
    }
    const names = ["nodes", "tasks", "services"];
    const isWhole = isTimeForRest();
    if (isWhole) {
        app.isStale = false;
        app.restAt = Date.now();
        names.push("operations");
    }
    names.push("managers", "voters", "hosts");
    const answers = await Promise.all(names.map((name) => get(`/v1/${name}`)));
    names.forEach((name, index) => {
        app.data[name] = answers[index].items;
    });
    for (const task of app.data.tasks) {
        task.durable = app.durable.get(task.id);
    }
    remember(app.data.nodes, app.data.tasks);
    await app.detail.more();
}

/* ---- how it stands ---- */

function alertOf(error) {
    if (error.status === 401) {
        byId("login").hidden = false;
        return hasToken()
            ? [el("strong", {}, "The token is wrong."), " Give that of this cluster."]
            : [];
    }
    if (error.name === "NOT_LEADER") {
        const page = pageOf(error.leader?.api);
        return [
            el("strong", {}, "This master does not lead."),
            " ",
            page
                ? [
                      "The leader's page: ",
                      el(
                          "a",
                          { href: page, rel: "noreferrer" },
                          `${error.leader.name} at ${error.leader.api}`,
                      ),
                  ]
                : "A leader is being elected.",
        ].flat();
    }
    const others = (app.data.status.masters ?? []).filter(
        (master) => master.name !== app.data.status.name && pageOf(master.api),
    );
    return [
        el("strong", {}, error.message),
        error.cure ? ` ${error.cure}` : "",
        others.length > 0 ? " Other masters: " : "",
        ...others.flatMap((master) => [
            el("a", { href: pageOf(master.api), rel: "noreferrer" }, master.name),
            " ",
        ]),
    ];
}

function showState(error) {
    const isLive = !error;
    app.isLive = isLive;
    patchChildren(
        byId("alerts"),
        isLive
            ? []
            : alertOf(error).map((part) =>
                  typeof part === "string" ? document.createTextNode(part) : part,
              ),
    );
    byId("live").className = isLive ? "badge ok" : "badge bad";
    setText(byId("live"), isLive ? "live" : "not live");
    document.body.classList.toggle("stale", !isLive && !byId("main").hidden);
    if (isLive) {
        byId("login").hidden = true;
        byId("main").hidden = false;
    } else if (error.status === 401) {
        byId("main").hidden = true;
    }
}

function sleep(ms) {
    return new Promise((done) => {
        const end = () => {
            clearTimeout(timer);
            removeEventListener("axcan-now", end);
            done();
        };
        const timer = setTimeout(end, ms);
        addEventListener("axcan-now", end);
    });
}

async function pollData() {
    for (;;) {
        const begun = Date.now();
        if (hasToken()) {
            try {
                await ask();
                showState(null);
                if (!document.hidden) {
                    draw();
                }
            } catch (error) {
                if (!(error instanceof ApiError)) {
                    console.error(error); // a fault of this page, not of the cluster
                }
                showState(error);
            }
        } else {
            showState(new ApiError(401, null));
        }
        // A slow answer means a large cluster or a busy master: it is asked at most a tenth of the time.
        const wanted = Math.max(document.hidden ? HIDDEN_MS : PERIOD_MS, 10 * (Date.now() - begun));
        await sleep(Math.min(wanted, 30000) - (Date.now() - begun));
    }
}

async function pollEvents() {
    let next = 0;
    for (;;) {
        try {
            if (!app.isLive) {
                await sleep(PERIOD_MS);
                continue;
            }
            const answer = await get(`/v1/events?since=${next}&wait_ms=${EVENTS_WAIT_MS}`, {
                waitMs: EVENTS_WAIT_MS,
            });
            app.isStale ||= answer.items.length > 0;
            next = answer.next;
            setSkew(answer.now_ns);
            app.events.add(answer.items, app.skewMs);
        } catch (error) {
            if (!(error instanceof ApiError)) {
                throw error;
            }
            await sleep(PERIOD_MS);
        }
    }
}

/* By itself: a manager that does not answer must not hold up the rest. */
async function pollCheckpoints() {
    for (;;) {
        const begun = Date.now();
        if (hasToken() && !document.hidden && app.data.managers.length > 0) {
            try {
                const answer = await get(`/v1/checkpoints?wait_ms=${CHECKPOINTS_MS}`, {
                    waitMs: CHECKPOINTS_MS,
                });
                app.durable = new Map(answer.items.map((item) => [item.task, item]));
            } catch (error) {
                if (!(error instanceof ApiError)) {
                    throw error;
                }
                app.durable = new Map(); // nothing is known any more
            }
        }
        await sleep(Math.max(PERIOD_MS, 10 * (Date.now() - begun)));
    }
}

/* ---- the page itself ---- */

function setTheme(theme) {
    const isDark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    if (theme) {
        document.documentElement.dataset.theme = theme;
        localStorage.setItem("axcan-theme", theme);
    }
    setText(byId("theme"), isDark ? "light" : "dark");
    byId("theme").setAttribute("aria-label", `${isDark ? "light" : "dark"} colours`);
    byId("theme").onclick = () => setTheme(isDark ? "light" : "dark");
    redrawCharts();
}

function start() {
    takeToken();
    addEventListener("hashchange", () => {
        if (takeToken()) {
            dispatchEvent(new Event("axcan-now"));
        }
    });
    byId("login").addEventListener("submit", (event) => {
        event.preventDefault();
        setToken(byId("token").value);
        byId("token").value = "";
        dispatchEvent(new Event("axcan-now"));
    });
    document.addEventListener("visibilitychange", () => dispatchEvent(new Event("axcan-now")));
    makePage();
    setTheme(localStorage.getItem("axcan-theme"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
        setTheme(localStorage.getItem("axcan-theme")),
    );
    app.detail.open();
    pollData();
    pollEvents();
    pollCheckpoints();
}

start();
