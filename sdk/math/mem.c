/* SPDX-License-Identifier: Apache-2.0 */
/* The four functions a freestanding compiler may call. Eight bytes at a time where both sides
 * allow; built with -fno-tree-loop-distribute-patterns, or the loops would become calls to
 * themselves. */
#include <axcan/math.h>

typedef uint64_t word __attribute__((may_alias));

static int is_aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 7u) == 0;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if (is_aligned(to, from)) {
        for (; bytes >= 8; bytes -= 8, t += 8, f += 8) {
            *(word *)(void *)t = *(const word *)(const void *)f;
        }
    }
    while (bytes-- > 0) {
        *t++ = *f++;
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    unsigned char *t = to;
    const unsigned char *f = from;

    if ((uintptr_t)t <= (uintptr_t)f) {
        while (bytes-- > 0) {
            *t++ = *f++;
        }
        return to;
    }
    while (bytes-- > 0) {
        t[bytes] = f[bytes];
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    unsigned char *t = to;
    uint64_t pattern = (uint64_t)(unsigned char)value * 0x0101010101010101ull;

    for (; bytes > 0 && ((uintptr_t)t & 7u) != 0; bytes--) {
        *t++ = (unsigned char)value;
    }
    for (; bytes >= 8; bytes -= 8, t += 8) {
        *(word *)(void *)t = pattern;
    }
    while (bytes-- > 0) {
        *t++ = (unsigned char)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *x = a;
    const unsigned char *y = b;

    for (size_t i = 0; i < bytes; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}
