// SPDX-License-Identifier: Apache-2.0
// The panel beside the tables that shows the details of one thing. Which one is in the address
// (#task/NAME), so that back, forward and links work.
import { byId, el, setText } from "./dom.js";
import { PANELS } from "./panels.js";

/** The panel itself: opened by the address, updated with the rest of the page. */
export class Detail {
    constructor(app) {
        this.app = app;
        this.place = byId("detail");
        addEventListener("hashchange", () => this.open());
        addEventListener("keydown", (event) => {
            if (event.key === "Escape" && this.panel && !byId("dialog").open) {
                this.close();
            }
        });
    }

    find(kind, name) {
        const list = this.app.data[`${kind}s`] ?? [];
        return list.find((item) => (kind === "operation" ? String(item.id) : item.name) === name);
    }

    close() {
        location.hash = "";
    }

    open() {
        const match = /^#(node|task|service|operation)\/(.+)$/.exec(location.hash);
        let name = "";
        try {
            name = match ? decodeURIComponent(match[2]) : "";
        } catch {
            name = ""; // not one of this page's links
        }
        const isNew = !this.panel;
        this.panel?.free();
        this.panel = null;
        this.place.hidden = name === "";
        document.body.classList.toggle("split", name !== "");
        if (name === "") {
            this.place.replaceChildren();
            this.opener?.focus();
            return;
        }
        if (isNew) {
            this.opener = document.activeElement;
        }
        const [, kind] = match;
        this.panel = new PANELS[kind](this.app, kind, name);
        this.note = el("p", { class: "note", hidden: true });
        this.place.replaceChildren(
            el(
                "div",
                { class: "title" },
                el("h2", {}, el("small", {}, kind), name),
                " ",
                this.panel.state.element,
                el(
                    "button",
                    {
                        "type": "button",
                        "class": "close",
                        "aria-label": "close the details",
                        "click": () => this.close(),
                    },
                    "✕",
                ),
            ),
            this.note,
            this.panel.element,
        );
        this.place.scrollTop = 0;
        this.place.focus();
        this.update();
    }

    update() {
        const panel = this.panel;
        const item = panel && this.find(panel.kind, panel.name);
        if (!panel) {
            return;
        }
        panel.element.hidden = !item && !panel.item;
        this.note.hidden = Boolean(item);
        setText(
            this.note,
            item ? "" : `there is no ${panel.kind} of this name` + (panel.item ? " any more" : ""),
        );
        if (item) {
            panel.update(item);
        }
    }

    /** What only the answer for this one object has. */
    async more() {
        const panel = this.panel;
        if (panel?.more && panel.item) {
            try {
                await panel.more();
            } catch (error) {
                if (error.status !== 404) {
                    // deleted meanwhile: the next list says so
                    throw error;
                }
            }
        }
    }
}
