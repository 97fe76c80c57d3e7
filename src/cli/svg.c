/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/svg.h"

void axi_svg_text(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<':
            (void)fputs("&lt;", to);
            break;
        case '&':
            (void)fputs("&amp;", to);
            break;
        default:
            (void)fputc(*text, to);
        }
    }
}
