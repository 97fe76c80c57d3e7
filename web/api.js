// SPDX-License-Identifier: Apache-2.0
// The master's API (docs/api.md). The token comes in the address's fragment, which no server and no
// log sees; it is kept for this tab and taken out of the address bar at once.

const KEY = "axcan-token";
const TIMEOUT_MS = 10000;

export class ApiError extends Error {
    /** status 0: nobody answered. */
    constructor(status, error) {
        super(error?.reason || `HTTP status ${status}`);
        this.status = status;
        this.name = error?.name ?? "";
        this.cure = error?.cure ?? "";
        this.leader = error?.leader ?? null;
    }
}

/** Takes a token out of the address; true when there was one. */
export function takeToken() {
    const match = /^#token=([^&]*)/.exec(location.hash);
    if (!match) {
        return false;
    }
    try {
        setToken(decodeURIComponent(match[1]));
    } catch {
        // no token, then: what is no percent encoding was not written by axcan
    }
    history.replaceState(null, "", location.pathname);
    return true;
}

export function setToken(token) {
    sessionStorage.setItem(KEY, token.trim());
}

export function hasToken() {
    return Boolean(sessionStorage.getItem(KEY));
}

/** Where the same page of another master is ("host:port"), or null when that is no address. */
export function pageOf(api) {
    if (typeof api !== "string" || !/^[A-Za-z0-9.\-[\]:]+:\d{1,5}$/.test(api)) {
        return null;
    }
    return `${location.protocol}//${api}/#token=${encodeURIComponent(sessionStorage.getItem(KEY) ?? "")}`;
}

async function call(method, path, { body, waitMs = 0, signal } = {}) {
    const signals = [AbortSignal.timeout(TIMEOUT_MS + waitMs)];
    if (signal) {
        signals.push(signal);
    }
    let answer;
    let json;
    try {
        answer = await fetch(path, {
            method,
            body: body === undefined ? undefined : JSON.stringify(body),
            headers: { Authorization: `Bearer ${sessionStorage.getItem(KEY) ?? ""}` },
            cache: "no-store",
            credentials: "omit",
            redirect: "error",
            signal: AbortSignal.any(signals),
        });
        json = await answer.json();
    } catch (error) {
        if (signal?.aborted) {
            throw error;
        }
        throw new ApiError(answer?.ok === false ? answer.status : 0, {
            reason: "the master does not answer",
        });
    }
    if (!answer.ok) {
        throw new ApiError(answer.status, json.error);
    }
    return json;
}

export function get(path, options) {
    return call("GET", path, options);
}

export function post(path, body) {
    return call("POST", path, { body });
}

/** A name within a path. */
export function segment(name) {
    return encodeURIComponent(name);
}
