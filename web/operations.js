// SPDX-License-Identifier: Apache-2.0
// Operations: the five steps of a migration, and the steps of all others, as they happen.
import { badge, el, facts, link, setText } from "./dom.js";
import { duration, timeOfDay } from "./format.js";
import { phases } from "./series.js";

const SHOWN = 8;

/** The phases in a row; what is done says when. */
export function stepper(operation) {
    return el(
        "ol",
        { class: "steps" },
        phases(operation).map((phase) =>
            el(
                "li",
                {
                    class: phase.state,
                    title:
                        phase.afterNs === null
                            ? phase.state
                            : `${phase.state}, ${duration(phase.afterNs)} after the beginning`,
                },
                phase.name,
                phase.afterNs === null ? null : el("small", {}, duration(phase.afterNs)),
            ),
        ),
    );
}

function outcome(operation) {
    const result = operation.result ?? {};
    if (operation.state === "failed") {
        return `${operation.error || "failed"}: ${operation.reason}`;
    }
    if (result.blackout_ns !== undefined) {
        const attempts = result.attempts > 1 ? `, ${result.attempts} attempts` : "";
        return `${result.from} → ${result.to}, blackout ${duration(result.blackout_ns)}${attempts}`;
    }
    return operation.node ? `at ${operation.node}` : "";
}

function entry(operation, skewMs) {
    const id = String(operation.id);
    return el(
        "li",
        { class: "operation" },
        el(
            "div",
            { class: "head" },
            badge(operation.state),
            " ",
            el("a", { href: `#operation/${id}` }, operation.kind),
            " ",
            operation.task ? link("task", operation.task) : link("node", operation.node),
            el("span", { class: "muted" }, ` ${outcome(operation)}`),
            el("time", { class: "muted" }, timeOfDay(operation.started_ns, skewMs)),
        ),
        stepper(operation),
    );
}

/** Under way first, then the newest. */
export class OperationList {
    constructor() {
        this.list = el("ul", { class: "operations" });
        this.note = el("p", { class: "note" });
        this.element = el("div", {}, this.list, this.note);
        this.memo = "";
    }

    update(operations, skewMs) {
        const order = (op) => (op.state === "running" ? 0 : 1);
        const shown = [...operations]
            .sort((a, b) => order(a) - order(b) || b.id - a.id)
            .slice(0, SHOWN);
        const memo = JSON.stringify(shown);
        if (memo !== this.memo) {
            this.memo = memo;
            this.list.replaceChildren(...shown.map((operation) => entry(operation, skewMs)));
        }
        setText(
            this.note,
            operations.length === 0
                ? "nothing was asked for since this master leads"
                : operations.length > SHOWN
                  ? `the newest ${SHOWN} of ${operations.length}`
                  : "",
        );
    }
}

/** All that is known of one, for the details. */
export function operationDetail(operation, skewMs) {
    const steps = (operation.steps ?? []).map((step) =>
        el(
            "tr",
            {},
            el("td", { class: "n" }, duration(step.at_ns - operation.started_ns)),
            el("td", {}, step.name),
            el("td", { class: "muted" }, step.detail),
        ),
    );
    const result = operation.result
        ? Object.entries(operation.result).map(([name, value]) => [
              name.replace(/_ns$/, "").replaceAll("_", " "),
              name.endsWith("_ns")
                  ? duration(value)
                  : Array.isArray(value)
                    ? `${value.length} classes`
                    : String(value),
          ])
        : [];
    return [
        stepper(operation),
        facts([
            ["state", badge(operation.state)],
            ["task", link("task", operation.task)],
            ["node", link("node", operation.node)],
            ["began", timeOfDay(operation.started_ns, skewMs)],
            ["took", duration(operation.ended_ns - operation.started_ns)],
            ["error", operation.error],
            ["reason", operation.reason],
            ...result,
        ]),
        el(
            "table",
            { class: "plain" },
            el(
                "thead",
                {},
                el(
                    "tr",
                    {},
                    el("th", { class: "n" }, "after"),
                    el("th", {}, "step"),
                    el("th", {}, "detail"),
                ),
            ),
            el("tbody", {}, steps),
        ),
    ];
}
