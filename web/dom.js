// SPDX-License-Identifier: Apache-2.0
// Elements. Texts come from tasks, nodes and files and may be hostile: they become text nodes, nothing
// is ever parsed as HTML.

/** el("td", {class: "n", title: "..."}, "text", child, null): null and false children are left out. */
export function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (typeof value === "function") {
            node.addEventListener(name, value);
        } else if (value !== null && value !== undefined && value !== false) {
            node.setAttribute(name, value === true ? "" : value);
        }
    }
    node.append(
        ...children
            .flat()
            .filter((child) => child !== null && child !== undefined && child !== false),
    );
    return node;
}

export function byId(id) {
    return document.getElementById(id);
}

export function setText(node, text) {
    if (node.textContent !== text) {
        node.textContent = text;
    }
}

/* Makes `old` like `fresh`, changing as little as possible: what has the focus or is selected stays. Not for
 * elements with listeners of their own, which are not compared. */
function patch(old, fresh) {
    if (old.isEqualNode(fresh)) {
        return;
    }
    if (old.nodeName !== fresh.nodeName || old.childNodes.length !== fresh.childNodes.length) {
        old.replaceWith(fresh);
    } else if (old.nodeType === Node.TEXT_NODE) {
        old.data = fresh.data;
    } else {
        for (const name of [...old.getAttributeNames()]) {
            if (!fresh.hasAttribute(name)) {
                old.removeAttribute(name);
            }
        }
        for (const name of fresh.getAttributeNames()) {
            if (name !== "style") {
                old.setAttribute(name, fresh.getAttribute(name));
            }
        }
        if (old.style.cssText !== fresh.style.cssText) {
            old.style.cssText = fresh.style.cssText;
        }
        patchChildren(old, [...fresh.childNodes]);
    }
}

/** The children of `place` become like these. */
export function patchChildren(place, fresh) {
    [...place.childNodes].slice(fresh.length).forEach((extra) => extra.remove());
    fresh.forEach((child, index) => {
        const old = place.childNodes[index];
        if (old) {
            patch(old, child);
        } else {
            place.append(child);
        }
    });
}

const GRADES = {
    ok: [
        "ready",
        "running",
        "present",
        "joined",
        "leader",
        "reachable",
        "done",
        "active",
        "standby",
        "locked",
        "heartbeats",
        "completed",
    ],
    warn: [
        "starting",
        "placing",
        "stopping",
        "restoring",
        "moving",
        "migrating",
        "joining",
        "progressing",
        "paused",
        "cordoned",
        "degraded",
        "draining",
        "holdover",
        "disconnected",
        "new",
        "old",
        "leaving",
        "waiting",
        "unlocked",
        "locking",
        "deleting",
        "reverting",
    ],
    bad: ["failed", "lost", "dead", "short", "unreachable", "reverted", "silent"],
};

export function gradeOf(state) {
    const word = String(state).toLowerCase();
    return Object.keys(GRADES).find((grade) => GRADES[grade].includes(word)) ?? "idle";
}

/** A state: a word with a mark whose form differs, too, so that colour is not needed. */
export function badge(state, grade = gradeOf(state)) {
    return el("span", { class: `badge ${grade}` }, String(state));
}

/** A link that opens the details of something on this page. */
export function link(kind, name, text = name) {
    return name ? el("a", { href: `#${kind}/${encodeURIComponent(name)}` }, String(text)) : "";
}

/** A bar from 0 to 1 with an optional mark, and its text. */
export function bar(share, text, { mark = null, title = null, grade = "" } = {}) {
    const clip = (value) => `${100 * Math.min(1, Math.max(0, value || 0))}%`;
    const fill = el("i", { class: grade });
    fill.style.width = clip(share);
    const track = el("span", { "class": "track", "aria-hidden": "true" }, fill);
    if (mark !== null) {
        const tick = el("b", {});
        tick.style.left = clip(mark);
        track.append(tick);
    }
    return el("span", { class: "bar", title }, track, el("span", { class: "bar-text" }, text));
}

/** Names and values in two columns: rows [[name, text or node], ...]; empty values are left out. */
export function facts(rows) {
    return el(
        "dl",
        { class: "facts" },
        rows
            .filter(
                ([, value]) =>
                    value !== null && value !== undefined && value !== "" && value !== "-",
            )
            .flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]),
    );
}

/**
 * A table whose rows stay the same elements while their values change, so that focus, selection and scroll
 * positions hold. columns: [{title, hint, low, number, value(item), render(value, item), sort(item)}]:
 * `value` is compared, `render` is called only when it has changed; without `render` it is the text.
 */
export class Table {
    constructor({ caption, columns, key, href, empty, limit = 300, sortBy = 0, rowClass }) {
        Object.assign(this, { columns, key, href, empty, limit, sortBy, rowClass });
        this.isDescending = false;
        this.filter = "";
        this.items = [];
        this.rows = new Map();
        this.body = el("tbody", {});
        this.note = el("p", { class: "note", hidden: true });
        this.heads = columns.map((column, index) => this.head(column, index));
        this.element = el(
            "div",
            { "class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption },
            el(
                "table",
                {},
                el("caption", { class: "hidden" }, caption),
                el("thead", {}, el("tr", {}, this.heads)),
                this.body,
            ),
            this.note,
        );
        this.body.addEventListener("click", (event) => this.onClick(event));
        this.showOrder();
    }

    head(column, index) {
        const button = el(
            "button",
            { type: "button", title: column.hint ?? null, click: () => this.order(index) },
            column.title,
        );
        return el(
            "th",
            { scope: "col", class: this.cellClass(column) },
            column.sort ? button : el("span", { title: column.hint ?? null }, column.title),
        );
    }

    cellClass(column) {
        return [column.number && "n", column.low && "low", column.wide && "wide"]
            .filter(Boolean)
            .join(" ");
    }

    order(index) {
        this.isDescending =
            index === this.sortBy ? !this.isDescending : Boolean(this.columns[index].number);
        this.sortBy = index;
        this.showOrder();
        this.update(this.items);
    }

    showOrder() {
        this.heads.forEach((head, index) =>
            head.setAttribute(
                "aria-sort",
                index !== this.sortBy ? "none" : this.isDescending ? "descending" : "ascending",
            ),
        );
    }

    onClick(event) {
        const row = event.target.closest("tr");
        if (
            row?.dataset.href &&
            !event.target.closest("a, button") &&
            String(getSelection()) === ""
        ) {
            location.hash = row.dataset.href;
        }
    }

    sorted(items) {
        const sort = this.columns[this.sortBy].sort;
        const sign = this.isDescending ? -1 : 1;
        const compare = new Intl.Collator("en", { numeric: true }).compare;
        return [...items].sort((a, b) => {
            const x = sort(a);
            const y = sort(b);
            return (
                sign *
                (typeof x === "number" && typeof y === "number"
                    ? x - y
                    : compare(String(x ?? ""), String(y ?? "")))
            );
        });
    }

    update(items) {
        this.items = items;
        const wanted = this.filter.toLowerCase();
        const fitting = items.filter(
            (item) =>
                wanted === "" ||
                this.columns.some((column) =>
                    JSON.stringify(column.value(item) ?? "")
                        .toLowerCase()
                        .includes(wanted),
                ),
        );
        const shown = this.sorted(fitting).slice(0, this.limit);
        const keys = new Set(shown.map(this.key));
        for (const [key, row] of this.rows) {
            if (!keys.has(key)) {
                row.element.remove();
                this.rows.delete(key);
            }
        }
        shown.forEach((item, index) => this.place(this.row(item), index));
        this.say(items.length, fitting.length, shown.length);
    }

    place(element, index) {
        const there = this.body.children[index];
        if (there !== element) {
            this.body.insertBefore(element, there ?? null);
        }
    }

    row(item) {
        const key = this.key(item);
        let row = this.rows.get(key);
        if (!row) {
            const cells = this.columns.map((column, index) =>
                el(index === 0 ? "th" : "td", {
                    class: this.cellClass(column),
                    scope: index === 0 ? "row" : null,
                }),
            );
            row = { element: el("tr", {}, cells), cells, values: [] };
            if (this.href) {
                row.element.dataset.href = this.href(item);
            }
            this.rows.set(key, row);
        }
        if (this.rowClass) {
            row.element.className = this.rowClass(item);
        }
        this.columns.forEach((column, index) => {
            const value = column.value(item);
            const memo = JSON.stringify(value ?? null);
            if (row.values[index] !== memo) {
                row.values[index] = memo;
                const content = column.render ? column.render(value, item) : String(value ?? "");
                row.cells[index].replaceChildren(...[content].flat().filter((one) => one !== null));
            }
        });
        return row.element;
    }

    say(all, fitting, shown) {
        let text = "";
        if (all === 0) {
            text = this.empty;
        } else if (fitting === 0) {
            text = "nothing fits the filter";
        } else if (shown < fitting) {
            text = `${shown} of ${fitting} shown: the filter above narrows them`;
        }
        this.note.hidden = text === "";
        setText(this.note, text);
    }

    filterBox(label) {
        return el("input", {
            "type": "search",
            "placeholder": "filter",
            "aria-label": label,
            "input": (event) => {
                this.filter = event.target.value.trim();
                this.update(this.items);
            },
        });
    }
}
