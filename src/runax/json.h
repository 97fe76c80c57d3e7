/* SPDX-License-Identifier: Apache-2.0 */
/* Reading foreign JSON objects member by member: each call checks one member and reports what is
 * wrong with it ("memory[1].bytes: not a number"). A struct axi_json stands for an object and where
 * it is. Nothing here keeps a reference. */
#ifndef AXI_RUNAX_JSON_H
#define AXI_RUNAX_JSON_H

#include "runax/report.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct axi_json {
    const json_t *object;
    char where[96]; /* "" for the document, "memory[1]." for a member of it */
    int error;      /* what a refusal returns: -AXC_EBRI, ... */
    struct axi_report *report;
};

/* Parses at most `bytes_max` bytes into an object (*ret_root: the caller json_decrefs).
 * Duplicate members are refused. */
AXC_MUST_USE int axi_json_parse(const char *text, size_t bytes, size_t bytes_max, int error,
                                struct axi_report *report, json_t **ret_root);

/* Absent members leave the target as it is; `is_needed`: then they are an error. */
AXC_MUST_USE int axi_json_text(const struct axi_json *json, const char *key, bool is_needed,
                               char *ret_text, size_t size);
/* A whole number, or a text "0x1f"; within [min, max]. */
AXC_MUST_USE int axi_json_u64(const struct axi_json *json, const char *key, bool is_needed,
                              uint64_t min, uint64_t max, uint64_t *ret_value);
AXC_MUST_USE int axi_json_u32(const struct axi_json *json, const char *key, bool is_needed,
                              uint32_t min, uint32_t max, uint32_t *ret_value);
AXC_MUST_USE int axi_json_bool(const struct axi_json *json, const char *key, bool *ret_value);
/* An array of at most `max` items; absent: *ret_array NULL, *ret_count 0. */
AXC_MUST_USE int axi_json_array(const struct axi_json *json, const char *key, size_t max,
                                const json_t **ret_array, size_t *ret_count);
/* The member object, or the item `index` of the array `key`. Absent: object NULL. */
AXC_MUST_USE int axi_json_object(const struct axi_json *json, const char *key,
                                 struct axi_json *ret_object);
AXC_MUST_USE int axi_json_item(const struct axi_json *json, const char *key, const json_t *array,
                               size_t index, struct axi_json *ret_object);
/* Refuses members that are not in the NULL-terminated list. */
AXC_MUST_USE int axi_json_only(const struct axi_json *json, const char *const *keys);

/* The value of a text such as "4096" or "0x1000": the whole text, no sign. */
AXC_MUST_USE int axi_parse_u64(const char *text, uint64_t *ret_value);

#endif
