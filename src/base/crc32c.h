/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 B.4). Freestanding, any context.
 */
#ifndef AXI_BASE_CRC32C_H
#define AXI_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC of `bytes` at `data`, continuing from `crc`; start with 0. axi_crc32c("123456789") is
 * 0xe3069283. Uses the processor's instruction where there is one. */
uint32_t axi_crc32c(uint32_t crc, const void *data, size_t bytes);

/* Copies and checksums in one pass over memory; returns the CRC. The areas do not overlap. */
uint32_t axi_crc32c_copy(uint32_t crc, void *to, const void *from, size_t bytes);

/* The portable reference (slicing by 8), always compiled so that tests can compare. */
uint32_t axi_crc32c_portable(uint32_t crc, const void *data, size_t bytes);

#endif
