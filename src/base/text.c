/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <string.h>

void axi_text_add(char *to, size_t capacity, const char *text)
{
    size_t at = 0;

    while (at < capacity && to[at] != 0) {
        at++;
    }
    while (at + 1 < capacity && *text != 0) {
        to[at++] = *text++;
    }
    if (at < capacity) {
        to[at] = 0;
    }
}

void axi_text_set(char *to, size_t capacity, const char *text)
{
    memset(to, 0, capacity);
    if (text != NULL) {
        axi_text_add(to, capacity, text);
    }
}

void axi_text_add_number(char *to, size_t capacity, uint64_t number)
{
    char digits[21];
    size_t at = sizeof(digits) - 1;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    axi_text_add(to, capacity, digits + at);
}
