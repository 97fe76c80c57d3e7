// SPDX-License-Identifier: Apache-2.0
// Numbers as engineers read them. Pure functions; what is missing becomes "-".

const NONE = "-";

function isNumber(value) {
    return typeof value === "number" && Number.isFinite(value);
}

/** Three significant digits without an exponent: 1.23, 12.3, 123. */
export function short(value) {
    const size = Math.abs(value);
    if (size >= 100 || size === 0) {
        return value.toFixed(0);
    }
    return value.toFixed(size >= 10 ? 1 : 2);
}

/** ns as a text with its unit: 856 ns, 1.30 ms, 2.50 s, 3 min 20 s, 5 h 2 min. */
export function duration(ns) {
    if (!isNumber(ns)) {
        return NONE;
    }
    const size = Math.abs(ns);
    if (size < 999.5) {
        return `${Math.round(ns)} ns`;
    }
    if (size < 999.5e3) {
        return `${short(ns / 1e3)} µs`;
    }
    if (size < 999.5e6) {
        return `${short(ns / 1e6)} ms`;
    }
    if (size < 99.5e9) {
        return `${short(ns / 1e9)} s`;
    }
    const seconds = Math.round(ns / 1e9);
    if (Math.abs(seconds) < 3600) {
        return `${Math.trunc(seconds / 60)} min ${Math.abs(seconds % 60)} s`;
    }
    const minutes = Math.round(seconds / 60);
    if (Math.abs(minutes) < 48 * 60) {
        return `${Math.trunc(minutes / 60)} h ${Math.abs(minutes % 60)} min`;
    }
    return `${Math.round(minutes / 1440)} d`;
}

/** Millionths as per cent. */
export function percent(ppm) {
    if (!isNumber(ppm)) {
        return NONE;
    }
    const value = ppm / 1e4;
    return `${Math.abs(value) >= 9.95 || value === 0 ? value.toFixed(0) : value.toFixed(1)} %`;
}

export function bytes(count) {
    if (!isNumber(count)) {
        return NONE;
    }
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    let value = count;
    while (value >= 1024 && unit < units.length - 1) {
        value /= 1024;
        unit++;
    }
    return `${unit === 0 ? value : short(value)} ${units[unit]}`;
}

/** Whole numbers with thin spaces between thousands. */
export function count(value) {
    if (!isNumber(value)) {
        return NONE;
    }
    return String(Math.round(value)).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
}

/** Time of day, to the millisecond, of a master time; skewMs = local ms - master ms. */
export function timeOfDay(ns, skewMs) {
    if (!isNumber(ns) || ns <= 0) {
        return NONE;
    }
    const date = new Date(ns / 1e6 + skewMs);
    const two = (n) => String(n).padStart(2, "0");
    return (
        `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.` +
        String(date.getMilliseconds()).padStart(3, "0")
    );
}

/** The first digits of a digest. */
export function digest(text) {
    return typeof text === "string" && text !== ""
        ? text.replace(/^sha256:/, "").slice(0, 12)
        : NONE;
}
