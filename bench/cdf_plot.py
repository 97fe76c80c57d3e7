# SPDX-License-Identifier: Apache-2.0
"""Cumulative distribution functions of a few measured series as one SVG."""
import math

COLOURS = ["#1f5fa8", "#b3402a", "#2c7a3f", "#7a4fa3", "#b8860b", "#0f8b8d", "#c2185b", "#555555",
           "#8bc34a", "#795548"]
LEFT, TOP, WIDTH, HEIGHT, LEGEND = 60, 40, 560, 260, 200


def escape(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def ticks(low, high):
    """Powers of ten and their 2, 5 multiples between the two."""
    found = []
    exponent = math.floor(math.log10(low))
    while 10 ** exponent <= high:
        found += [m * 10 ** exponent for m in (1, 2, 5) if low <= m * 10 ** exponent <= high]
        exponent += 1
    return found


def line(series, low, high):
    """Steps up by 1/n at each value."""
    scale = WIDTH / math.log(high / low)
    points, y = ["M%d %d" % (LEFT, TOP + HEIGHT)], TOP + HEIGHT
    for i, value in enumerate(sorted(series)):
        x = LEFT + math.log(min(max(value, low), high) / low) * scale
        points.append("L%.1f %.1f" % (x, y))
        y = TOP + HEIGHT * (1 - (i + 1) / len(series))
        points.append("L%.1f %.1f" % (x, y))
    points.append("L%d %.1f" % (LEFT + WIDTH, y))
    return "".join(points)


def write(path, title, unit, named, note=""):
    """named: [(name, values)]; the value axis is logarithmic."""
    everything = [v for _, values in named for v in values]
    low, high = min(everything) * 0.9, max(everything) * 1.1
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" '
           'font-size="12">' % (LEFT + WIDTH + LEGEND, TOP + HEIGHT + 70),
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="%d" y="22" font-size="14">%s</text>' % (LEFT, escape(title))]
    for part in range(5):
        y = TOP + HEIGHT * part / 4
        out.append('<path stroke="#ddd" d="M%d %.1fh%d"/>' % (LEFT, y, WIDTH))
        out.append('<text x="%d" y="%.1f" text-anchor="end">%.2f</text>' % (LEFT - 6, y + 4,
                                                                         1 - part / 4))
    for tick in ticks(low, high):
        x = LEFT + math.log(tick / low) / math.log(high / low) * WIDTH
        out.append('<path stroke="#eee" d="M%.1f %dv%d"/>' % (x, TOP, HEIGHT))
        out.append('<text x="%.1f" y="%d" text-anchor="middle">%g</text>' % (x, TOP + HEIGHT + 16,
                                                                          tick))
    out.append('<text x="%d" y="%d" text-anchor="middle">%s</text>'
               % (LEFT + WIDTH // 2, TOP + HEIGHT + 34, escape(unit)))
    out.append('<text x="%d" y="%d" fill="#555">%s</text>' % (LEFT, TOP + HEIGHT + 54, escape(note)))
    for i, (name, values) in enumerate(named):
        colour = COLOURS[i % len(COLOURS)]
        out.append('<path fill="none" stroke="%s" stroke-width="1.5" d="%s"/>'
                   % (colour, line(values, low, high)))
        y = TOP + 10 + 18 * i
        out.append('<path stroke="%s" stroke-width="3" d="M%d %dh18"/>' % (colour,
                                                                      LEFT + WIDTH + 12, y))
        out.append('<text x="%d" y="%d">%s</text>' % (LEFT + WIDTH + 36, y + 4, escape(name)))
    out.append("</svg>")
    with open(path, "w", encoding="ascii") as file:
        file.write("\n".join(out) + "\n")
