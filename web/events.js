// SPDX-License-Identifier: Apache-2.0
// The events as they come, newest first, with a filter.
import { badge, el, link, setText } from "./dom.js";
import { timeOfDay } from "./format.js";
import { eventMatches } from "./series.js";

const KEPT = 2000; // as many as the master keeps
const SHOWN = 300;
const GRADES = { info: "idle", warning: "warn", error: "bad" };

export function eventRow(event, skewMs) {
    return el(
        "tr",
        { class: event.level },
        el("td", { class: "time" }, timeOfDay(event.time_ns, skewMs)),
        el("td", {}, badge(event.level, GRADES[event.level] ?? "idle")),
        el("td", { class: "type" }, event.type),
        el("td", {}, link("task", event.task)),
        el("td", {}, link("node", event.node)),
        el("td", { class: "text" }, event.text),
    );
}

export class EventStream {
    constructor() {
        this.events = [];
        this.filter = { level: "info", text: "" };
        this.skewMs = 0;
        this.isHeld = false;
        this.body = el("tbody", {});
        this.note = el("p", { class: "note" });
        this.element = el(
            "div",
            {},
            el(
                "div",
                {
                    "class": "scroll tall",
                    "tabindex": "0",
                    "role": "region",
                    "aria-label": "events",
                },
                el(
                    "table",
                    { class: "events" },
                    el(
                        "thead",
                        {},
                        el(
                            "tr",
                            {},
                            ["Time", "Level", "Event", "Task", "Node", "What"].map((title) =>
                                el("th", { scope: "col" }, title),
                            ),
                        ),
                    ),
                    this.body,
                ),
            ),
            this.note,
        );
    }

    controls() {
        const choose = (event) => this.setFilter({ level: event.target.value });
        const hold = el(
            "button",
            {
                "type": "button",
                "aria-pressed": "false",
                "click": () => {
                    this.isHeld = !this.isHeld;
                    hold.setAttribute("aria-pressed", String(this.isHeld));
                    setText(hold, this.isHeld ? "go on" : "hold");
                    this.draw();
                },
            },
            "hold",
        );
        this.text = el("input", {
            "type": "search",
            "class": "long",
            "placeholder": "words, task:NAME, node:NAME",
            "aria-label": "filter events: words, task:NAME, node:NAME",
            "input": (event) => this.setFilter({ text: event.target.value }),
        });
        return [
            el(
                "select",
                { "aria-label": "level", "change": choose },
                [
                    ["info", "all levels"],
                    ["warning", "warnings, errors"],
                    ["error", "errors"],
                ].map(([value, text]) => el("option", { value }, text)),
            ),
            this.text,
            hold,
        ];
    }

    setFilter(change) {
        Object.assign(this.filter, change);
        this.draw(true);
    }

    /** Filters by these words, and goes there. */
    show(text) {
        this.text.value = text;
        this.setFilter({ text });
        this.text.scrollIntoView();
        this.text.focus();
    }

    add(events, skewMs) {
        this.skewMs = skewMs;
        this.events.push(...events);
        this.events.splice(0, Math.max(0, this.events.length - KEPT));
        if (this.isHeld) {
            this.held = (this.held ?? 0) + events.length;
            this.say();
            return;
        }
        const rows = events
            .filter((event) => eventMatches(event, this.filter))
            .reverse()
            .map((event) => eventRow(event, skewMs));
        this.body.prepend(...rows.slice(0, SHOWN));
        while (this.body.children.length > SHOWN) {
            this.body.lastElementChild.remove();
        }
        this.say();
    }

    /** Of the newest, those that fit. */
    matching(filter, limit) {
        const found = [];
        for (let i = this.events.length - 1; i >= 0 && found.length < limit; i--) {
            if (eventMatches(this.events[i], filter)) {
                found.push(this.events[i]);
            }
        }
        return found;
    }

    draw(isForced = false) {
        if (!this.isHeld || isForced) {
            this.held = 0;
            this.body.replaceChildren(
                ...this.matching(this.filter, SHOWN).map((event) => eventRow(event, this.skewMs)),
            );
        }
        this.say();
    }

    say() {
        const held = this.isHeld ? `held, ${this.held ?? 0} newer · ` : "";
        const none = this.body.children.length === 0 ? "none fits · " : "";
        setText(this.note, `${held}${none}${this.events.length} in memory, at most ${SHOWN} shown`);
    }
}
