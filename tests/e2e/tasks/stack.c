/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

__attribute__((noinline)) static uint64_t dig(uint64_t depth)
{
    volatile uint64_t room[64];

    room[depth % 64] = depth;
    return depth == UINT64_MAX ? 0 : dig(depth + 1) + room[depth % 64];
}

#define NAME "stack"
#define MISBEHAVE zero = dig(zero)
#include "faulty.h"
