/* SPDX-License-Identifier: Apache-2.0 */
/* Images the cluster knows: image/<digest> in the store; the bytes are the blob store's. */
#include "base/sha256.h"
#include "core/meta.h"
#include "master/internal.h"
#include "master/service/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void image_key(const uint8_t digest[32], char key[80])
{
    char text[65];

    axi_hex(digest, 32, text);
    (void)snprintf(key, 80, "image/%s", text);
}

static void schema_key(const uint8_t hash[32], char key[80])
{
    char text[65];

    axi_hex(hash, 32, text);
    (void)snprintf(key, 80, "schema/%s", text);
}

static json_t *image_json(const struct axi_image_info *info)
{
    char text[65];

    axi_hex(info->digest, 32, text);
    return json_pack("{s:s, s:s, s:o, s:o, s:I}", "reference", info->reference, "digest", text,
                     "spec", axi_spec_to_json(&info->spec), "entries",
                     axi_entries_to_json(info->entries, info->entry_count), "created_ns",
                     (json_int_t)info->created_ns);
}

static struct axi_image_info *add(struct axi_master *m, const struct axi_image_info *info)
{
    struct axi_image_info *grown;

    for (size_t i = 0; i < m->image_count; i++) {
        if (memcmp(m->images[i].digest, info->digest, 32) == 0) {
            m->images[i] = *info;
            return &m->images[i];
        }
    }
    grown = realloc(m->images, (m->image_count + 1) * sizeof(*grown));
    if (grown == NULL) {
        return NULL;
    }
    m->images = grown;
    m->images[m->image_count] = *info;
    return &m->images[m->image_count++];
}

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    json_t *json = json_loads(value->bytes, 0, NULL);
    struct axi_image_info info = {0};

    axi_copy_text(info.reference, sizeof(info.reference), axi_json_get_text(json, "reference"));
    info.created_ns = axi_json_get_u64(json, "created_ns");
    if (axi_unhex(axi_json_get_text(json, "digest"), info.digest, 32) != 0 ||
        axi_spec_from_json(json_object_get(json, "spec"), &info.spec) != 0 ||
        axi_entries_from_json(json_object_get(json, "entries"), info.entries, &info.entry_count) !=
            0) {
        axi_event(context, AXI_ERROR, "record-corrupt", NULL, NULL, "cannot read record %s", key);
    } else {
        (void)add(context, &info);
    }
    json_decref(json);
    return 0;
}

int axi_images_load(struct axi_master *m)
{
    return axi_store_list(m->config.store, "image/", visit, m);
}

int axi_image_store(struct axi_master *m, const struct axi_image_info *info)
{
    char key[80];
    json_t *json = image_json(info);
    int rc;

    if (json == NULL) {
        return -AXC_EINVALID;
    }
    image_key(info->digest, key);
    rc = axi_put_json(m, key, AXI_STORE_ANY, json, NULL);
    json_decref(json);
    if (rc == 0 && add(m, info) == NULL) {
        rc = -AXC_ENOMEM;
    }
    return rc;
}

static const struct axi_image_entry *find_entry(const struct axi_image_info *info,
                                                const char *platform)
{
    for (uint32_t i = 0; i < info->entry_count; i++) {
        if (strcmp(info->entries[i].platform, platform) == 0) {
            return &info->entries[i];
        }
    }
    return NULL;
}

/* WCETs that a profile measured stay unless the image declares its own. */
static void keep_known(struct axi_master *m, struct axi_image_info *info)
{
    const struct axi_image_info *known = NULL;

    for (size_t i = 0; i < m->image_count; i++) {
        known = memcmp(m->images[i].digest, info->digest, 32) == 0 ? &m->images[i] : known;
    }
    info->created_ns = known != NULL ? known->created_ns : axi_now_master(m);
    for (uint32_t i = 0; known != NULL && i < info->entry_count; i++) {
        const struct axi_image_entry *old = find_entry(known, info->entries[i].platform);

        if (info->entries[i].wcet_ns == 0 && old != NULL) {
            info->entries[i].wcet_ns = old->wcet_ns;
        }
    }
}

int axi_master_image_add(struct axi_master *m, const struct axi_image_info *info, char *ret_reason)
{
    struct axi_image_info copy = *info;
    int rc;

    if (!axi_meta_is_name(copy.spec.name)) {
        return axi_refuse(ret_reason, AXC_EMETA_NAME, "bad task name in the image");
    }
    if (copy.spec.period_ns == 0 || copy.spec.deadline_ns == 0 || copy.spec.state_bytes == 0 ||
        copy.spec.state_bytes > AXC_STATE_BYTES_MAX) {
        return axi_refuse(ret_reason, AXC_EMETA_PARAM, "period, deadline or state size is wrong");
    }
    if (copy.entry_count == 0 || copy.entry_count > AXI_PLATFORMS_MAX) {
        return axi_refuse(ret_reason, AXC_EIMAGE_COUNT, "an image has 1 to %u platforms",
                          AXI_PLATFORMS_MAX);
    }
    if (copy.reference[0] == '\0') {
        axi_copy_text(copy.reference, sizeof(copy.reference), copy.spec.name);
    }
    copy.spec.backlog_max =
        copy.spec.backlog_max != 0 ? copy.spec.backlog_max : AXI_BACKLOG_DEFAULT;
    keep_known(m, &copy);
    rc = axi_image_store(m, &copy);
    if (rc != 0) {
        return axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
    }
    axi_event(m, AXI_INFO, "image-added", NULL, NULL, "%s, %u platforms", copy.reference,
              copy.entry_count);
    return 0;
}

int axi_master_schema_add(struct axi_master *m, const char *text, const uint8_t hash[32],
                          char *ret_reason)
{
    uint8_t digest[AXI_SHA256_BYTES];
    struct axi_sha256 sha;
    size_t bytes = strlen(text);
    char key[80];
    int rc;

    axi_sha256_init(&sha);
    axi_sha256_update(&sha, text, bytes);
    axi_sha256_final(&sha, digest);
    if (memcmp(digest, hash, sizeof(digest)) != 0) {
        return axi_refuse(ret_reason, AXC_ECKPT_SCHEMA,
                          "the schema text is not the one that the image was built with");
    }
    schema_key(hash, key);
    rc = axi_commit_again(m,
                          &(struct axi_store_op){.kind = AXI_STORE_PUT,
                                                 .key = key,
                                                 .expected = AXI_STORE_ANY,
                                                 .value = text,
                                                 .value_bytes = bytes},
                          1, NULL);
    return rc == 0 ? 0 : axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
}

char *axi_schema_text(struct axi_master *m, const uint8_t hash[32])
{
    struct axi_store_value value = {0};
    char *text = NULL;
    char key[80];

    schema_key(hash, key);
    if (!m->is_crashed && axi_store_get(m->config.store, key, &value) == 0) {
        text = strndup(value.bytes, value.value_bytes);
        axi_store_value_clear(&value);
    }
    return text;
}

/* Another image has the same schema, so its text stays. */
static bool is_schema_shared(const struct axi_master *m, const struct axi_image_info *info)
{
    for (size_t i = 0; i < m->image_count; i++) {
        if (&m->images[i] != info &&
            memcmp(m->images[i].spec.schema_hash, info->spec.schema_hash, 32) == 0) {
            return true;
        }
    }
    return false;
}

/* By digest, with or without "sha256:", a unique prefix of it, or by reference (the newest wins).
 */
struct axi_image_info *axi_image_lookup(struct axi_master *m, const char *name, char *ret_reason)
{
    const char *digest = strncmp(name, "sha256:", 7) == 0 ? name + 7 : name;
    struct axi_image_info *found = NULL;
    size_t length = strlen(digest);
    char text[65];

    for (size_t i = m->image_count; i > 0 && name[0] != '\0'; i--) {
        if (strcmp(m->images[i - 1].reference, name) == 0) {
            return &m->images[i - 1];
        }
    }
    for (size_t i = 0; i < m->image_count && length >= 6; i++) {
        axi_hex(m->images[i].digest, 32, text);
        if (strncmp(text, digest, length) == 0) {
            if (found != NULL) {
                (void)axi_refuse(ret_reason, AXC_EINVALID, "digest prefix %.64s is not unique",
                                 name);
                return NULL;
            }
            found = &m->images[i];
        }
    }
    if (found == NULL) {
        (void)axi_refuse(ret_reason, AXC_ENOENT, "no image %.90s; see: axcan get images", name);
    }
    return found;
}

int axi_master_image_delete(struct axi_master *m, const char *name, char *ret_reason)
{
    struct axi_image_info *info = axi_image_lookup(m, name, ret_reason);
    char schema[80];
    char key[80];
    int rc;

    if (info == NULL) {
        return -AXC_ENOENT;
    }
    for (size_t i = 0; i < m->task_count; i++) {
        if (!m->tasks[i]->is_gone && memcmp(m->tasks[i]->record.image, info->digest, 32) == 0) {
            return axi_refuse(ret_reason, AXC_EBUSY, "task %s uses this image",
                              m->tasks[i]->record.name);
        }
    }
    if (axi_service_using(m, info->digest) != NULL) {
        return axi_refuse(ret_reason, AXC_EBUSY, "service %s declares this image",
                          axi_service_using(m, info->digest));
    }
    image_key(info->digest, key);
    schema_key(info->spec.schema_hash, schema);
    const struct axi_store_op ops[] = {
        {.kind = AXI_STORE_DELETE, .key = key, .expected = AXI_STORE_ANY},
        {.kind = AXI_STORE_DELETE, .key = schema, .expected = AXI_STORE_ANY}};
    rc = axi_commit_again(m, ops, is_schema_shared(m, info) ? 1 : 2, NULL);
    if (rc != 0) {
        return axi_refuse(ret_reason, -rc, "%s", axi_error_text(rc));
    }
    *info = m->images[--m->image_count];
    return 0;
}

json_t *axi_master_images(struct axi_master *m)
{
    json_t *array = json_array();

    for (size_t i = 0; i < m->image_count; i++) {
        json_array_append_new(array, image_json(&m->images[i]));
    }
    return array;
}

json_t *axi_master_image(struct axi_master *m, const char *name)
{
    const struct axi_image_info *info = axi_image_lookup(m, name, NULL);

    return info != NULL ? image_json(info) : NULL;
}
