/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AXI_CLI_SVG_H
#define AXI_CLI_SVG_H

#include <stdio.h>

/* Text in XML. */
void axi_svg_text(FILE *to, const char *text);

#endif
