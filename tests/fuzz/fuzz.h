/* SPDX-License-Identifier: Apache-2.0 */
/* A fuzz target is one function; libFuzzer drives it (option fuzz), or replay.c with a corpus. */
#ifndef AXI_TEST_FUZZ_H
#define AXI_TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The property must hold for every input; kept in release builds too. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)

#endif
