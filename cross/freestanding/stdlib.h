/* SPDX-License-Identifier: Apache-2.0 */
/* All that lwIP uses of <stdlib.h>; nothing of ours uses any. */
#ifndef AXI_FREESTANDING_STDLIB_H
#define AXI_FREESTANDING_STDLIB_H

static inline int atoi(const char *text)
{
    int value = 0;

    while (*text >= '0' && *text <= '9' && value < 100000000) {
        value = value * 10 + (*text++ - '0');
    }
    return value;
}

#endif
