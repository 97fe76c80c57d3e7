/* SPDX-License-Identifier: Apache-2.0 */
/* axcan analyze --plot: response-time exceedance curves on a logarithmic axis, as SVG. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/analyze.h"
#include "cli/command.h"
#include "cli/svg.h"

enum { PANEL_WIDTH = 760, PANEL_HEIGHT = 260, LEFT = 80, TOP = 40, WIDTH = 640, HEIGHT = 170 };
enum { POINT_LIMIT = 4000 };

int axi_analyze_curve(struct axi_analyze *run, const char *name, uint64_t deadline,
                      const struct axi_pmf *pmf)
{
    json_t *points = json_array();
    size_t stride = pmf->count / POINT_LIMIT + 1;

    for (size_t j = 0; j < pmf->count; j += stride) {
        size_t last = j + stride < pmf->count ? j + stride : pmf->count;

        (void)json_array_append_new(
            points, json_pack("[I,f]", (json_int_t)pmf->values[last - 1], pmf->tails[last]));
    }
    return json_array_append_new(run->curves, json_pack("{s:s,s:I,s:o,s:f}", "name", name,
                                                        "deadline", (json_int_t)deadline, "points",
                                                        points, "miss", pmf->inf)) == 0
               ? 0
               : -AXC_ENOMEM;
}

static double smallest(const json_t *curve)
{
    double least = 1;
    size_t i = 0;
    json_t *point = NULL;

    json_array_foreach (json_object_get(curve, "points"), i, point) {
        double p = json_real_value(json_array_get(point, 1));

        least = p > 0 && p < least ? p : least;
    }
    return least;
}

/* Steps: horizontal to the value, then down to what is left above it. */
static void draw_curve(FILE *to, const json_t *curve, double span, double decades, double bottom)
{
    double y = TOP;
    size_t i = 0;
    json_t *point = NULL;

    (void)fprintf(to, "<path fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"1.5\" d=\"M%d %d",
                  LEFT, TOP);
    json_array_foreach (json_object_get(curve, "points"), i, point) {
        double x = LEFT + WIDTH * (double)json_integer_value(json_array_get(point, 0)) / span;
        double p = json_real_value(json_array_get(point, 1));

        (void)fprintf(to, "L%.1f %.1f", x, y);
        y = p > 0 ? TOP + HEIGHT * -log10(p) / decades : bottom;
        y = y < bottom ? y : bottom;
        (void)fprintf(to, "L%.1f %.1f", x, y);
    }
    (void)fprintf(to, "L%d %.1f\"/>\n", LEFT + WIDTH, y);
}

static void draw_axes(FILE *to, double span, double decades)
{
    int step = (int)(decades / 6) + 1;

    for (int d = 0; d <= (int)decades; d += step) {
        double y = TOP + HEIGHT * d / decades;

        (void)fprintf(to,
                      "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#ddd\"/>"
                      "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">1e-%d</text>\n",
                      LEFT, y, LEFT + WIDTH, y, LEFT - 6, y + 4, d);
    }
    for (int i = 0; i <= 4; i++) {
        (void)fprintf(to, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">%.6g</text>\n",
                      LEFT + WIDTH * i / 4, TOP + HEIGHT + 16, span * i / 4);
    }
    (void)fprintf(to,
                  "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
                  "stroke=\"#444\"/>\n<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">response time "
                  "(ticks)</text>\n",
                  LEFT, TOP, WIDTH, HEIGHT, LEFT + WIDTH / 2, TOP + HEIGHT + 34);
}

static void draw_panel(FILE *to, const json_t *curve, size_t index)
{
    double deadline = (double)json_integer_value(json_object_get(curve, "deadline"));
    double span = deadline * 1.05;
    double decades = ceil(-log10(smallest(curve))) + 1;
    double x = LEFT + WIDTH * deadline / span;

    (void)fprintf(to,
                  "<g transform=\"translate(0,%zu)\">\n<text x=\"%d\" y=\"24\" "
                  "font-size=\"14\">P(response &gt; t), ",
                  index * PANEL_HEIGHT, LEFT);
    axi_svg_text(to, json_string_value(json_object_get(curve, "name")));
    (void)fprintf(to, "; P(late) = %.3g</text>\n", json_real_value(json_object_get(curve, "miss")));
    draw_axes(to, span, decades);
    draw_curve(to, curve, span, decades, TOP + HEIGHT);
    (void)fprintf(to,
                  "<line x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\" stroke=\"#c22\" "
                  "stroke-dasharray=\"5 3\"/><text x=\"%.1f\" y=\"%d\" fill=\"#c22\" "
                  "text-anchor=\"end\">deadline</text>\n</g>\n",
                  x, TOP, x, TOP + HEIGHT, x - 4, TOP + 14);
}

int axi_analyze_plot(const struct axi_analyze *run, const char *file)
{
    FILE *to = fopen(file, "w");
    size_t count = json_array_size(run->curves);

    if (to == NULL) {
        return axi_cli_fail("analyze", "%s: %s", file, strerror(errno));
    }
    (void)fprintf(to,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%zu\" "
                  "font-family=\"sans-serif\" font-size=\"11\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
                  PANEL_WIDTH, (count > 0 ? count : 1) * PANEL_HEIGHT);
    for (size_t i = 0; i < count; i++) {
        draw_panel(to, json_array_get(run->curves, i), i);
    }
    (void)fputs("</svg>\n", to);
    if (fclose(to) != 0) {
        return axi_cli_fail("analyze", "%s: %s", file, strerror(errno));
    }
    return 0;
}
