/* SPDX-License-Identifier: Apache-2.0 */
/* Images over the API: blobs by digest, then the image that names its ELF blobs. What an image says
 * of its task is read from the ELFs themselves, never believed from the request. */
#include "core/elf.h"
#include "core/meta.h"
#include "image/blobs.h"
#include "image/boards.h"
#include "image/oci.h"
#include "master/api.h"

#include <microhttpd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_MEMORY_BYTES_MAX (64u << 20)

int axi_api_put_blob(struct axi_api *api, struct axi_http_request *request, const char *digest)
{
    struct axi_digest expected;
    size_t bytes = 0;
    const uint8_t *body = axi_http_body(request, &bytes);
    int r = axi_digest_parse(digest, &expected);

    if (r == 0) {
        r = axi_blobs_put_expected(api->blob_dir, &expected, bytes > 0 ? (const void *)body : "",
                                   bytes);
    }
    if (r < 0) {
        axi_api_refuse(request, r, NULL);
    } else {
        axi_http_reply(request, MHD_HTTP_CREATED, json_pack("{s:s}", "digest", digest));
    }
    return 0;
}

int axi_api_get_blob(struct axi_api *api, struct axi_http_request *request, const char *digest)
{
    struct axi_digest wanted;
    uint8_t *blob = NULL;
    size_t bytes = 0;
    int r = axi_digest_parse(digest, &wanted);

    if (r == 0) {
        r = axi_blobs_get(api->blob_dir, &wanted, AXI_API_BLOB_BYTES_MAX, &blob, &bytes);
    }
    if (r < 0) {
        axi_api_refuse(request, r == -AXC_EIMAGE_BLOB ? -AXC_ENOENT : r, NULL);
    } else {
        axi_http_reply_bytes(request, MHD_HTTP_OK, blob, bytes);
    }
    return 0;
}

/* All of a spec but the padding at its end; there is none between its members. */
#define SPEC_BYTES                                                                                 \
    (offsetof(struct axi_task_spec, schema_hash) + sizeof(((struct axi_task_spec *)0)->schema_hash))

static void spec_from_meta(const struct axi_task_meta *meta, struct axi_task_spec *ret_spec)
{
    struct axi_task_spec spec = {
        .period_ns = (uint64_t)meta->period_us * 1000,
        .deadline_ns = (uint64_t)meta->deadline_us * 1000,
        .jobs = meta->jobs,
        .state_bytes = meta->state_bytes,
        .state_version = meta->state_version,
        .needs = meta->needs,
        .stack_bytes = meta->stack_bytes,
        .criticality = meta->criticality,
        .overrun_policy = meta->overrun_policy,
        .fault_policy = meta->fault_policy,
        .restart_limit = meta->restart_limit,
        .checkpoint_every = meta->checkpoint_every,
    };

    memcpy(spec.name, meta->name, sizeof(spec.name));
    memcpy(spec.schema_hash, meta->schema_hash, sizeof(spec.schema_hash));
    *ret_spec = spec;
}

static int check_elf(const uint8_t *elf, size_t bytes, struct axi_task_meta *ret_meta,
                     enum axi_isa *ret_isa)
{
    static const enum axi_isa isas[] = {AXI_ISA_X86_64, AXI_ISA_AARCH64};
    int r = -AXC_EELF_MACHINE;

    for (size_t i = 0; i < sizeof(isas) / sizeof(isas[0]) && r == -AXC_EELF_MACHINE; i++) {
        struct axi_elf_limits limits = {.image_bytes_max = IMAGE_MEMORY_BYTES_MAX, .isa = isas[i]};
        struct axi_elf_plan plan;

        r = axi_elf_check(elf, bytes, &limits, &plan);
        *ret_isa = isas[i];
    }
    return r < 0 ? r : axi_meta_from_elf(elf, bytes, ret_meta);
}

/* One entry per platform that runs this ELF. */
static int add_entries(const struct axi_digest *digest, size_t bytes, enum axi_isa isa,
                       const struct axi_task_meta *meta, struct axi_image_info *info)
{
    const struct axi_platform_facts *platform;

    for (size_t i = 0; (platform = axi_platform_at(i)) != NULL; i++) {
        struct axi_image_entry *entry = &info->entries[info->entry_count];

        if (platform->isa != isa) {
            continue;
        }
        if (info->entry_count == AXI_PLATFORMS_MAX) {
            return -AXC_EIMAGE_COUNT;
        }
        for (uint32_t k = 0; k < info->entry_count; k++) {
            if (strcmp(info->entries[k].platform, platform->name) == 0) {
                return -AXC_EIMAGE_COUNT; /* one instruction set twice */
            }
        }
        memcpy(entry->elf_digest, digest->bytes, sizeof(entry->elf_digest));
        entry->elf_bytes = bytes;
        (void)snprintf(entry->platform, sizeof(entry->platform), "%s", platform->name);
        if (axi_meta_wcet_ns(meta, platform->name, &entry->wcet_ns) < 0) {
            entry->wcet_ns = 0;
        }
        info->entry_count++;
    }
    return 0;
}

/* Adds the ELF with this digest to the image. */
static int add_elf(struct axi_api *api, const char *text, struct axi_image_info *info)
{
    struct axi_task_spec spec;
    struct axi_task_meta meta;
    struct axi_digest digest;
    enum axi_isa isa = AXI_ISA_X86_64;
    uint8_t *elf = NULL;
    size_t bytes = 0;
    int r = text == NULL ? -AXC_EINVALID : axi_digest_parse(text, &digest);

    if (r == 0) {
        r = axi_blobs_get(api->blob_dir, &digest, AXI_API_BLOB_BYTES_MAX, &elf, &bytes);
    }
    if (r == 0) {
        r = check_elf(elf, bytes, &meta, &isa);
    }
    free(elf);
    if (r < 0) {
        return r;
    }
    spec_from_meta(&meta, &spec);
    if (info->entry_count > 0 && memcmp(&spec, &info->spec, SPEC_BYTES) != 0) {
        return -AXC_EIMAGE_ELF;
    }
    info->spec = spec;
    return add_entries(&digest, bytes, isa, &meta, info);
}

static int read_image(struct axi_api *api, const json_t *body, struct axi_image_info *info,
                      char *reason)
{
    const char *reference = json_string_value(json_object_get(body, "reference"));
    const char *digest = json_string_value(json_object_get(body, "digest"));
    const json_t *elfs = json_object_get(body, "elfs");
    struct axi_digest parsed;
    size_t count = json_array_size(elfs);

    if (digest == NULL || axi_digest_parse(digest, &parsed) < 0 || count == 0 ||
        count > AXI_PLATFORMS_MAX ||
        (reference != NULL && strlen(reference) >= sizeof(info->reference))) {
        (void)snprintf(reason, AXI_REASON_BYTES,
                       "wanted: \"digest\", \"elfs\": 1 to %u digests, \"reference\" (optional)",
                       AXI_PLATFORMS_MAX);
        return -AXC_EINVALID;
    }
    memcpy(info->digest, parsed.bytes, sizeof(info->digest));
    (void)snprintf(info->reference, sizeof(info->reference), "%s",
                   reference != NULL ? reference : "");
    for (size_t i = 0; i < count; i++) {
        int r = add_elf(api, json_string_value(json_array_get(elfs, i)), info);

        if (r < 0) {
            (void)snprintf(reason, AXI_REASON_BYTES, "elfs[%zu]: %s", i, axi_error_text(r));
            return r;
        }
    }
    return 0;
}

/* The text is kept by its hash, which the ELFs state: without it state cannot be mapped. */
static int add_schema(struct axi_api *api, const json_t *schema, const struct axi_image_info *info,
                      char *reason)
{
    const char *text = json_string_value(schema);

    if (text == NULL || strlen(text) > AXI_IMAGE_SCHEMA_BYTES_MAX) {
        (void)snprintf(reason, AXI_REASON_BYTES, "\"schema\" must be a text of at most %u bytes",
                       AXI_IMAGE_SCHEMA_BYTES_MAX);
        return -AXC_EINVALID;
    }
    return axi_master_schema_add(api->master, text, info->spec.schema_hash, reason);
}

int axi_api_add_image(struct axi_api *api, struct axi_http_request *request)
{
    struct axi_image_info info = {0};
    char reason[AXI_REASON_BYTES] = "";
    json_t *body = axi_api_body_object(request);

    if (body == NULL) {
        return 0;
    }
    int r = read_image(api, body, &info, reason);

    if (r == 0 && json_object_get(body, "schema") != NULL) {
        r = add_schema(api, json_object_get(body, "schema"), &info, reason);
    }
    if (r == 0) {
        r = axi_master_image_add(api->master, &info, reason);
    }
    if (r < 0) {
        axi_api_refuse(request, r, reason);
    } else {
        axi_http_reply(request, MHD_HTTP_CREATED,
                       json_pack("{s:O,s:s}", "digest", json_object_get(body, "digest"), "name",
                                 info.spec.name));
    }
    json_decref(body);
    return 0;
}
