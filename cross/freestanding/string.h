/* SPDX-License-Identifier: Apache-2.0 */
/* All that freestanding code may use of <string.h>; the kernel, or whoever links it, supplies
 * these. */
#ifndef AXI_FREESTANDING_STRING_H
#define AXI_FREESTANDING_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t bytes);
int strcmp(const char *a, const char *b);

#endif
