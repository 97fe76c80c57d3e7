// SPDX-License-Identifier: Apache-2.0
// What the page can ask the master for. Each asks first, says what will happen, and shows what came of it.
import { get, post, segment } from "./api.js";
import { byId, el, setText } from "./dom.js";
import { stepper } from "./operations.js";

const WAIT_MS = 10000;

function refusal(error) {
    return el(
        "div",
        { class: "refused", role: "alert" },
        el("p", {}, error.message),
        error.cure ? el("p", { class: "muted" }, error.cure) : null,
    );
}

/** Follows an operation until it has ended; draws its steps in `place`. */
async function follow(id, place) {
    let steps = -1;
    for (;;) {
        const wait = steps < 0 ? "" : `?steps=${steps}&wait_ms=${WAIT_MS}`;
        const operation = await get(`/v1/operations/${id}${wait}`, { waitMs: WAIT_MS });
        steps = operation.steps.length;
        place.replaceChildren(stepper(operation));
        if (operation.state !== "running") {
            return operation;
        }
    }
}

function verdict(operation) {
    return operation.state === "done" ? "done" : `${operation.error}: ${operation.reason}`;
}

/** What an answer leads to: operations that are followed, or an end at once. */
async function showResult(answer, place) {
    const many = (answer.operations ?? []).map((one) => [one.task, one.operation]);
    const all = answer.operation ? [["", answer.operation]] : many;
    for (const one of answer.refused ?? []) {
        place.append(el("p", { class: "hot" }, `${one.task}: ${one.error}, ${one.reason}`));
    }
    if (all.length === 0 && (answer.refused ?? []).length === 0) {
        place.append(el("p", {}, "done"));
    }
    await Promise.all(
        all.map(async ([name, id]) => {
            const steps = el("div", {});
            const line = el("p", {}, name ? `${name}: under way` : "under way");
            place.append(line, steps);
            const operation = await follow(id, steps);
            setText(line, name ? `${name}: ${verdict(operation)}` : verdict(operation));
            line.className = operation.state === "done" ? "good" : "hot";
        }),
    );
}

/** Asks in the dialog; fields: [{label, name, element}]; send(values) gives the answer's promise. */
function ask({ title, text, fields = [], verb, send }) {
    const dialog = byId("dialog");
    const result = el("div", { class: "result", role: "status" });
    const cancel = el("button", { type: "button", click: () => dialog.close() }, "Cancel");
    const go = el("button", { type: "submit", class: "primary" }, verb);
    const form = el(
        "form",
        { method: "dialog" },
        el("h2", {}, title),
        el("p", {}, text),
        fields.map((field) => el("label", {}, field.label, field.element)),
        result,
        el("div", { class: "buttons" }, cancel, go),
    );
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        if (go.hidden) {
            return;
        }
        const values = Object.fromEntries(fields.map((field) => [field.name, field.element.value]));
        go.disabled = true;
        result.replaceChildren();
        try {
            const answer = await send(values);
            go.hidden = true;
            setText(cancel, "Close");
            cancel.focus();
            await showResult(answer, result);
        } catch (error) {
            result.replaceChildren(refusal(error));
        } finally {
            go.disabled = false;
        }
    });
    dialog.replaceChildren(form);
    dialog.showModal();
    (fields[0]?.element ?? cancel).focus();
}

function choice(options) {
    return el(
        "select",
        {},
        options.map(([value, text]) => el("option", { value }, text)),
    );
}

function button(text, options) {
    return el("button", { type: "button", click: () => ask(options()) }, text);
}

/** nodes(): all nodes as they are now. */
export function taskActions(task, nodes) {
    const path = `/v1/tasks/${segment(task.name)}`;
    const isRunning = task.state === "running";
    const targets = () => [
        ["", "the best other node"],
        ...nodes()
            .filter((node) => node.name !== task.node && node.state === "ready")
            .map((node) => [node.name, node.name]),
    ];
    return [
        isRunning &&
            button("Migrate", () => ({
                title: `Migrate ${task.name}`,
                verb: "Migrate",
                text: `It goes from ${task.node} to another node with its state; no job is lost or run twice.`,
                fields: [{ label: "to", name: "node", element: choice(targets()) }],
                send: ({ node }) => post(`${path}/migrate`, node ? { node } : {}),
            })),
        isRunning &&
            button("Offload", () => ({
                title: `Offload ${task.name}`,
                verb: "Offload",
                text: `It goes from ${task.node} to the least loaded node that takes it.`,
                send: () => post(`${path}/offload`),
            })),
        isRunning &&
            !task.replica?.service &&
            button("Stop", () => ({
                title: `Stop ${task.name}`,
                verb: "Stop",
                text: "It ends after its present job. Its state is kept, and start goes on from it.",
                send: () => post(`${path}/stop`),
            })),
        task.state === "stopped" &&
            button("Start", () => ({
                title: `Start ${task.name}`,
                verb: "Start",
                text: "It goes on from the state that was kept.",
                send: () => post(`${path}/start`, {}),
            })),
    ];
}

export function nodeActions(node) {
    const path = `/v1/nodes/${segment(node.name)}`;
    const seconds = el("input", {
        type: "number",
        min: "1",
        max: "3600",
        value: "60",
        required: true,
    });
    return [
        node.cordoned
            ? button("Uncordon", () => ({
                  title: `Uncordon ${node.name}`,
                  verb: "Uncordon",
                  text: "It is used again.",
                  send: () => post(`${path}/uncordon`),
              }))
            : button("Cordon", () => ({
                  title: `Cordon ${node.name}`,
                  verb: "Cordon",
                  text: "Nothing new is placed there; what runs there stays.",
                  send: () => post(`${path}/cordon`),
              })),
        button("Drain", () => ({
            title: `Drain ${node.name}`,
            verb: "Drain",
            text: "It is cordoned, and what runs there goes elsewhere. Uncordon makes it usable again.",
            fields: [{ label: "within seconds", name: "seconds", element: seconds }],
            send: (values) => post(`${path}/drain`, { deadline_s: Number(values.seconds) }),
        })),
        node.tasks?.length > 0 &&
            button("Offload", () => ({
                title: `Offload ${node.name}`,
                verb: "Offload",
                text: `Each of its ${node.tasks.length} tasks goes to the least loaded other node that takes it.`,
                send: () => post(`${path}/offload`),
            })),
    ];
}

export function serviceActions(service) {
    const send = (action) => () =>
        post(`/v1/services/${segment(service.name)}/rollout`, { action });
    return [
        service.paused
            ? button("Resume updates", () => ({
                  title: `Resume updates of ${service.name}`,
                  verb: "Resume",
                  text: "Rounds of an update begin again.",
                  send: send("resume"),
              }))
            : button("Pause updates", () => ({
                  title: `Pause updates of ${service.name}`,
                  verb: "Pause",
                  text: "No round of an update begins.",
                  send: send("pause"),
              })),
        button("Undo update", () => ({
            title: `Undo the update of ${service.name}`,
            verb: "Undo",
            text: "Its former declaration holds again; its replicas go back one after the other.",
            send: send("undo"),
        })),
    ];
}
