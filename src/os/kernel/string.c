/* SPDX-License-Identifier: Apache-2.0 */
/* The string functions that the compiler and the layers below expect (cross/freestanding/string.h).
 * Aligned runs move by words: before the MMU is on, memory takes no unaligned access. */
#include <stdint.h>
#include <string.h>

typedef uint64_t __attribute__((may_alias)) word;

static int is_aligned(const void *a, const void *b)
{
    return (((uintptr_t)a | (uintptr_t)b) & 7u) == 0;
}

/* Both 16-aligned multiples are common (pages, states): two words at a time. */
static void *copy_forward(void *to, const void *from, size_t bytes)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (is_aligned(to, from)) {
        for (; bytes >= 32; bytes -= 32, t += 32, f += 32) {
            const word *source = (const word *)(const void *)f;
            word *target = (word *)(void *)t;
            uint64_t a = source[0], b = source[1], c = source[2], d = source[3];

            target[0] = a;
            target[1] = b;
            target[2] = c;
            target[3] = d;
        }
        for (; bytes >= 8; bytes -= 8, t += 8, f += 8) {
            *(word *)(void *)t = *(const word *)(const void *)f;
        }
    }
    for (; bytes > 0; bytes--) {
        *t++ = *f++;
    }
    return to;
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    return copy_forward(to, from, bytes);
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes) { /* not into what is still to be read */
        return copy_forward(to, from, bytes);
    }
    uint8_t *t = (uint8_t *)to + bytes;
    const uint8_t *f = (const uint8_t *)from + bytes;

    for (; bytes >= 8 && is_aligned(t, f); bytes -= 8) {
        t -= 8;
        f -= 8;
        *(word *)(void *)t = *(const word *)(const void *)f;
    }
    for (; bytes > 0; bytes--) {
        *--t = *--f;
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    uint8_t *t = to;
    uint64_t pattern = 0x0101010101010101u * (uint8_t)value;

    for (; bytes > 0 && ((uintptr_t)t & 7u) != 0; bytes--) {
        *t++ = (uint8_t)value;
    }
    for (; bytes >= 32; bytes -= 32, t += 32) {
        word *target = (word *)(void *)t;

        target[0] = pattern;
        target[1] = pattern;
        target[2] = pattern;
        target[3] = pattern;
    }
    for (; bytes >= 8; bytes -= 8, t += 8) {
        *(word *)(void *)t = pattern;
    }
    for (; bytes > 0; bytes--) {
        *t++ = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const uint8_t *x = a, *y = b;

    for (; bytes > 0; bytes--, x++, y++) {
        if (*x != *y) {
            return *x - *y;
        }
    }
    return 0;
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end != '\0') {
        end++;
    }
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t bytes)
{
    size_t length = 0;

    while (length < bytes && text[length] != '\0') {
        length++;
    }
    return length;
}

int strcmp(const char *a, const char *b)
{
    for (; *a == *b && *a != '\0'; a++, b++) {
    }
    return (uint8_t)*a - (uint8_t)*b;
}
