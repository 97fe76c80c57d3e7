/* SPDX-License-Identifier: Apache-2.0 */
/* Text and JSON helpers of whatever keeps its state in the cluster store. Host library; any thread.
 */
#ifndef AXI_CLUSTER_TEXT_H
#define AXI_CLUSTER_TEXT_H

#include "base/error.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define AXI_REASON_BYTES 160u
#define AXI_ID_TEXT 20u

void axi_hex(const uint8_t *bytes, size_t count, char *ret_text); /* 2 * count + 1 bytes */
int axi_unhex(const char *text, uint8_t *ret_bytes, size_t count);
/* Formats into ret_reason (may be NULL); returns -code. */
int axi_refuse(char *ret_reason, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void axi_copy_text(char *to, size_t size, const char *from);
json_t *axi_json_id(uint64_t id);
uint64_t axi_json_get_id(const json_t *object, const char *key);
uint64_t axi_json_get_u64(const json_t *object, const char *key);
const char *axi_json_get_text(const json_t *object, const char *key); /* "" when absent */

#endif
