// SPDX-License-Identifier: Apache-2.0
// Time series by uPlot, of what this page has collected since it was opened; and the histogram.
import { el, setText } from "./dom.js";
import { count, duration } from "./format.js";
import { classEnd, histogramJobs, histogramWhole } from "./series.js";

const COLOURS = 8; // --c0 to --c7 in style.css
const charts = new Set();

/* A colour of style.css as the canvas needs it, for light or dark. */
function colour(name) {
    const probe = el("i", { hidden: true });
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
}

/* Of a logarithmic axis: only powers of ten. */
function decades(_, splits) {
    return splits.map((value) => (value > 0 && Number.isInteger(Math.log10(value)) ? value : null));
}

function clockText(seconds) {
    return new Date(seconds * 1000).toTimeString().slice(0, 8);
}

/**
 * One chart. format(value): text of a value; logarithmic: for times over decades; series of update():
 * [{name, values, dash, colour}].
 */
export class Chart {
    constructor({ label, format, height = 150, windowS = 300, logarithmic = false, step = 0.1 }) {
        Object.assign(this, { label, format, height, windowS, logarithmic, step });
        this.hidden = new Set();
        this.place = el("div", { "class": "plot", "role": "img", "aria-label": label });
        this.legend = el("div", { class: "legend" });
        this.element = el("div", { class: "chart" }, this.place, this.legend);
        this.plot = null;
        this.shape = "";
        this.observer = new ResizeObserver(() => this.resize());
        this.observer.observe(this.place);
        charts.add(this);
    }

    free() {
        charts.delete(this);
        this.observer.disconnect();
        this.plot?.destroy();
    }

    resize() {
        const width = this.place.clientWidth;
        if (this.plot && width > 0 && width !== this.plot.width) {
            this.plot.setSize({ width, height: this.height });
        }
    }

    update(times, series) {
        const width = this.place.clientWidth;
        this.series = series;
        this.data = [times, ...series.map((one) => one.values)];
        if (typeof uPlot === "undefined") {
            setText(this.place, "This master was built without uPlot: no charts (docs/web.md).");
            return;
        }
        const shape = JSON.stringify(series.map((one) => [one.name, one.colour]));
        if (width === 0 || times.length === 0) {
            return;
        }
        if (!this.plot || shape !== this.shape) {
            this.shape = shape;
            this.build(width);
        } else {
            this.plot.setData(this.data);
        }
        this.tell(this.plot.cursor.idx);
    }

    build(width) {
        this.plot?.destroy();
        const grid = { stroke: colour("--line"), width: 1 };
        const axis = {
            stroke: colour("--muted"),
            grid,
            ticks: { show: false },
            font: "11px system-ui",
        };
        const marks = this.logarithmic
            ? { filter: decades, grid: { ...grid, filter: decades } }
            : {};
        this.plot = new uPlot(
            {
                width,
                height: this.height,
                legend: { show: false },
                padding: [8, 26, 0, 0],
                cursor: {
                    sync: { key: "axcan" },
                    points: { size: 6 },
                    drag: { x: false, y: false },
                },
                scales: {
                    x: { range: () => this.span() },
                    y: {
                        distr: this.logarithmic ? 3 : 1,
                        range: this.logarithmic
                            ? undefined
                            : (_, __, most) => [0, Math.max(most * 1.1, this.step)],
                    },
                },
                axes: [
                    { ...axis, size: 24, space: 90, values: (_, splits) => splits.map(clockText) },
                    {
                        ...axis,
                        size: 62,
                        space: 28,
                        ...marks,
                        values: (_, splits) =>
                            splits.map((v) => (v === null ? "" : this.format(v))),
                    },
                ],
                series: [
                    {},
                    ...this.series.map((one, index) => ({
                        label: "",
                        stroke: colour(`--c${one.colour ?? index % COLOURS}`),
                        width: 1.5,
                        dash: one.dash,
                        points: { show: false },
                        spanGaps: false,
                        show: !this.hidden.has(one.name),
                    })),
                ],
                hooks: { setCursor: [(plot) => this.tell(plot.cursor.idx)] },
            },
            this.data,
            this.place,
        );
        this.chips = this.series.map((one, index) => this.chip(one, index));
        this.legend.replaceChildren(...this.chips.map((chip) => chip.button));
    }

    /* From the first sample on, until the window is full; never less than half a minute. */
    span() {
        const [times] = this.data;
        const last = times.at(-1);
        return [last - Math.min(this.windowS, Math.max(30, last - times[0])), last];
    }

    chip(one, index) {
        const value = el("span", { class: "value" });
        const swatch = el("i", { class: one.dash ? "dashed" : "" });
        swatch.style.setProperty("--swatch", `var(--c${one.colour ?? index % COLOURS})`);
        const button = el(
            "button",
            {
                "type": "button",
                "class": "chip",
                "title": "show or hide",
                "aria-pressed": String(!this.hidden.has(one.name)),
                "click": () => this.toggle(one.name, index),
            },
            swatch,
            one.name,
            value,
        );
        return { button, value };
    }

    toggle(name, index) {
        const isShown = this.hidden.delete(name);
        if (!isShown) {
            this.hidden.add(name);
        }
        this.plot.setSeries(index + 1, { show: isShown });
        this.chips[index].button.setAttribute("aria-pressed", String(isShown));
    }

    /** The values under the cursor, else the last ones. */
    tell(at) {
        const index = at ?? this.data[0].length - 1;
        this.chips?.forEach((chip, i) => {
            const value = this.data[i + 1]?.[index];
            setText(chip.value, value === null || value === undefined ? "" : this.format(value));
        });
    }

    redraw() {
        this.shape = "";
        if (this.series) {
            this.update(this.data[0], this.series);
        }
    }
}

/** Other colours: all plots are made anew. */
export function redrawCharts() {
    charts.forEach((chart) => chart.redraw());
}

/** Jobs by response time, one row for each power of two; where the deadline is, is marked. */
export function histogram(classes, deadlineNs) {
    const all = histogramJobs(classes);
    const most = Math.max(1, ...classes.map(([, jobs]) => jobs));
    if (all === 0) {
        return el("p", { class: "note" }, "no job has ended there yet");
    }
    return el(
        "table",
        { class: "histogram" },
        el("caption", {}, `response times of ${count(all)} jobs`),
        el(
            "tbody",
            {},
            histogramWhole(classes).map(([begin, jobs]) => {
                const end = classEnd(begin);
                const isDue = deadlineNs >= begin && deadlineNs < end;
                const fill = el("i", { class: begin >= deadlineNs ? "bad" : isDue ? "warn" : "" });
                fill.style.width = `${jobs === 0 ? 0 : Math.max(0.6, (100 * jobs) / most)}%`;
                return el(
                    "tr",
                    { class: isDue ? "due" : "" },
                    el("th", { scope: "row", class: "n" }, `${duration(begin)} –`),
                    el(
                        "td",
                        { class: "fill" },
                        fill,
                        isDue
                            ? el("span", { class: "deadline" }, `deadline ${duration(deadlineNs)}`)
                            : null,
                    ),
                    el("td", { class: "n" }, count(jobs)),
                );
            }),
        ),
    );
}
