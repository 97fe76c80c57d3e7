/* SPDX-License-Identifier: Apache-2.0 */
/* Declaring and undeclaring: every object is read, compared with what there is and judged; then
 * all of them are committed in one transaction, or none. */
#include "master/service/declare.h"

#include "manifest/manifest.h"
#include "master/service/rollout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORE_TRIES 3

static const char *const kind_names[] = {"Service", "Node", "Policy"};
static const char *const action_names[] = {"create", "change", "unchanged", "delete"};

static void refuse(struct axi_declare *d, int code, const char *reason)
{
    if (d->code == 0) {
        d->code = -code;
        axi_copy_text(d->reason, sizeof(d->reason), reason);
    }
}

/* ---- what a declaration means for a service ---- */

static int resolve(struct axi_master *m, const struct axi_service_spec *spec,
                   struct axi_service_images *ret_images, char *ret_reason)
{
    const struct axi_image_info *info;

    *ret_images = (struct axi_service_images){0};
    for (uint32_t i = 0; i < spec->image_count; i++) {
        info = axi_image_lookup(m, spec->images[i], ret_reason);
        if (info == NULL) {
            return -AXC_ENOENT;
        }
        memcpy(ret_images->digests[i], info->digest, 32);
    }
    if (spec->degraded.is_allowed && spec->degraded.image[0] != '\0') {
        info = axi_image_lookup(m, spec->degraded.image, ret_reason);
        if (info == NULL) {
            return -AXC_ENOENT;
        }
        memcpy(ret_images->digests[AXI_SERVICE_IMAGES_MAX], info->digest, 32);
    }
    return 0;
}

/* What replicas are started with. Where they may be is judged anew, and needs no new ones. */
static bool needs_replicas(const struct axi_service *s, const struct axi_service_spec *spec,
                           const struct axi_service_images *images)
{
    return memcmp(&s->images, images, sizeof(*images)) != 0 ||
           s->spec.image_count != spec->image_count || s->spec.jobs != spec->jobs ||
           s->spec.backlog_max != spec->backlog_max || s->spec.wcet_count != spec->wcet_count ||
           memcmp(s->spec.wcets, spec->wcets, sizeof(spec->wcets)) != 0 ||
           (s->spec.mode == AXI_MODE_SINGLE) != (spec->mode == AXI_MODE_SINGLE);
}

static bool is_unproved(const struct axi_service *s)
{
    for (uint32_t i = 0; i < s->member_count; i++) {
        if (s->members[i].generation != s->generation) {
            return true;
        }
    }
    return axi_rollout_is_open(s) || axi_rollout_is_unproved(s);
}

static bool is_rolling(const struct axi_service *s)
{
    return is_unproved(s) || s->rollout_record != NULL;
}

/* The record as it will be; `declared` is borrowed. */
static void make_next(const struct axi_service *s, json_t *declared,
                      const struct axi_service_spec *spec, const struct axi_service_images *images,
                      struct axi_service *ret_next)
{
    bool is_new = needs_replicas(s, spec, images);

    *ret_next = *s;
    ret_next->declared = declared;
    ret_next->spec = *spec;
    ret_next->images = *images;
    /* what is not proved yet is nothing to go back to */
    if (is_new ? s->previous == NULL || !is_unproved(s) : !is_rolling(s)) {
        ret_next->previous = s->declared;
        ret_next->previous_images = s->images;
    }
    if (is_new) {
        ret_next->generation++;
        ret_next->rollout_record = NULL;
    }
}

int axi_service_redeclare(struct axi_master *m, struct axi_service *service, json_t *declared,
                          const struct axi_service_spec *spec,
                          const struct axi_service_images *images, const char *why)
{
    struct axi_service next;
    int rc;

    make_next(service, declared, spec, images, &next);
    rc = axi_service_commit(m, service, &next);
    if (rc == 0) {
        axi_event(m, AXI_INFO, "service-changed", NULL, NULL, "%s: %s; generation %u", spec->name,
                  why, service->generation);
        axi_service_look_now(m, service);
    }
    return rc;
}

/* ---- reading a request ---- */

static int find_kind(const char *text)
{
    for (int i = 0; i < 3; i++) {
        if (strcmp(kind_names[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

/* What is in the store of it: JSON (borrowed, NULL = not declared) and revision. */
static const json_t *present(struct axi_master *m, struct axi_declare *d, uint64_t *ret_revision)
{
    *ret_revision = 0;
    if (d->kind == AXI_DECLARE_SERVICE) {
        d->service = axi_service_find(m, d->name);
        *ret_revision = d->service != NULL ? d->service->revision : 0;
        return d->service != NULL ? d->service->declared : NULL;
    }
    if (d->kind == AXI_DECLARE_NODE) {
        d->node = axi_declared_node_get(m, d->name);
        *ret_revision = d->node != NULL ? d->node->revision : 0;
        return d->node != NULL ? d->node->declared : NULL;
    }
    *ret_revision = m->declared->policy_revision;
    return m->declared->policy_declared;
}

static void check_revision(const json_t *request, uint64_t revision, struct axi_declare *d)
{
    const json_t *given = json_object_get(request, "revision");
    char reason[AXI_REASON_BYTES];

    if (given != NULL && (uint64_t)json_integer_value(given) != revision) {
        (void)snprintf(reason, sizeof(reason),
                       "%s %s is at revision %llu, not %lld: read it again, then change it",
                       kind_names[d->kind], d->name, (unsigned long long)revision,
                       (long long)json_integer_value(given));
        refuse(d, AXC_EREVISION, reason);
    }
}

static void compare(const json_t *is, struct axi_declare *d)
{
    d->fields = is != NULL ? axi_manifest_diff(is, d->object) : json_array();
    d->action = is == NULL                        ? AXI_DECLARE_CREATE
                : json_array_size(d->fields) == 0 ? AXI_DECLARE_UNCHANGED
                                                  : AXI_DECLARE_CHANGE;
}

static void read_service(struct axi_master *m, const json_t *is, struct axi_declare *d)
{
    char reason[AXI_REASON_BYTES] = "";
    int rc = axi_service_spec_from_json(d->object, &d->spec, reason);

    if (rc == 0) {
        rc = resolve(m, &d->spec, &d->images, reason);
    }
    if (rc != 0) {
        refuse(d, -rc, reason);
        return;
    }
    if (d->service != NULL && d->service->is_deleting) {
        refuse(d, AXC_EBUSY, "the service is being deleted: declare it again when it is gone");
        return;
    }
    if (is != NULL) {
        d->is_replacing = needs_replicas(d->service, &d->spec, &d->images);
        if (d->is_replacing && d->action == AXI_DECLARE_UNCHANGED) {
            d->action = AXI_DECLARE_CHANGE; /* the reference means another image by now */
            json_array_append_new(d->fields, json_pack("{s:s, s:s, s:s}", "path", "image", "from",
                                                       d->spec.images[0], "to",
                                                       "what the reference means now"));
        }
    }
}

static void read_other(struct axi_declare *d)
{
    char reason[AXI_REASON_BYTES] = "";
    int rc = d->kind == AXI_DECLARE_NODE ? axi_node_spec_from_json(d->object, &d->node_spec, reason)
                                         : axi_policy_spec_from_json(d->object, &d->policy, reason);

    if (rc == 0 && d->kind == AXI_DECLARE_NODE && d->node == NULL) {
        rc = axi_refuse(reason, AXC_ENOMEM, "%s", axi_error_text(AXC_ENOMEM));
    }
    if (rc != 0) {
        refuse(d, -rc, reason);
    }
}

static void read_object(struct axi_master *m, const json_t *request, bool is_deleting,
                        struct axi_declare *d)
{
    struct axi_manifest_error error = {0};
    int kind = find_kind(axi_json_get_text(request, "kind"));
    const json_t *is;
    uint64_t revision;

    axi_copy_text(d->name, sizeof(d->name), axi_json_get_text(request, "name"));
    if (kind < 0) {
        refuse(d, AXC_EMANIFEST, "kind must be Service, Node or Policy");
        return;
    }
    d->kind = (enum axi_declare_kind)kind;
    if (!is_deleting && axi_manifest_check(request, &d->object, &error) != 0) {
        refuse(d, AXC_EMANIFEST, error.text);
        return;
    }
    if (d->object != NULL) {
        json_object_del(d->object, "revision");
        json_object_del(d->object, "line");
        axi_copy_text(d->name, sizeof(d->name), axi_json_get_text(d->object, "name"));
    }
    is = present(m, d, &revision);
    check_revision(request, revision, d);
    if (is_deleting) {
        d->action = AXI_DECLARE_DELETE;
        if (is == NULL || (d->service != NULL && d->service->is_deleting)) {
            refuse(d, AXC_ENOENT, "nothing of this name is declared");
        }
        return;
    }
    compare(is, d);
    if (d->kind == AXI_DECLARE_SERVICE && d->code == 0) {
        read_service(m, is, d);
    } else if (d->kind != AXI_DECLARE_SERVICE) {
        read_other(d);
    }
}

static void refuse_doubles(struct axi_declare *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (list[i].kind == list[k].kind && strcmp(list[i].name, list[k].name) == 0) {
                refuse(&list[i], AXC_EEXIST, "it stands twice in the request");
            }
        }
    }
}

/* ---- the answer ---- */

static json_t *answer_of(const struct axi_declare *list, size_t count, json_t *plan)
{
    json_t *changes = json_array();
    json_t *refused = json_array();

    for (size_t i = 0; i < count; i++) {
        const struct axi_declare *d = &list[i];
        json_t *fields = d->fields != NULL ? json_incref(d->fields) : json_array();

        json_array_append_new(changes, json_pack("{s:s, s:s, s:s, s:o}", "kind",
                                                 kind_names[d->kind], "name", d->name, "action",
                                                 action_names[d->action], "fields", fields));
        if (d->code != 0) {
            json_t *nodes = d->nodes != NULL ? json_incref(d->nodes) : json_array();

            json_array_append_new(refused, json_pack("{s:s, s:s, s:i, s:s, s:s, s:o}", "kind",
                                                     kind_names[d->kind], "name", d->name, "code",
                                                     d->code, "error", axi_error_name(d->code),
                                                     "reason", d->reason, "nodes", nodes));
        }
    }
    return json_pack("{s:o, s:o, s:o}", "changes", changes, "plan", plan, "refused", refused);
}

/* ---- committing ---- */

struct batch {
    struct axi_store_op ops[AXI_DECLARE_MAX];
    char keys[AXI_DECLARE_MAX][80];
    struct axi_service next[AXI_DECLARE_MAX];
    struct axi_declare *of[AXI_DECLARE_MAX];
    size_t count;
};

static char *text_of(json_t *json) /* takes it */
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;

    json_decref(json);
    return text;
}

static char *service_text(struct axi_declare *d, struct axi_service *next)
{
    static const struct axi_service none;

    if (d->action == AXI_DECLARE_DELETE) {
        *next = *d->service;
        next->is_deleting = true;
    } else if (d->action == AXI_DECLARE_CHANGE) {
        make_next(d->service, d->object, &d->spec, &d->images, next);
    } else {
        *next = none;
        next->declared = d->object;
        next->spec = d->spec;
        next->images = d->images;
        next->generation = 1;
    }
    return text_of(axi_service_to_json(next));
}

static char *node_text(const struct axi_declare *d)
{
    struct axi_declared_node next = *d->node;

    next.declared = d->object;
    return text_of(axi_declared_node_to_json(&next));
}

static int add_to_batch(struct batch *b, struct axi_declare *d)
{
    struct axi_store_op *op = &b->ops[b->count];
    char *text = NULL;

    *op = (struct axi_store_op){
        .kind = AXI_STORE_PUT, .key = b->keys[b->count], .expected = AXI_STORE_ANY};
    b->of[b->count] = d;
    if (d->kind == AXI_DECLARE_SERVICE) {
        axi_service_key(d->name, b->keys[b->count]);
        op->expected = d->service != NULL ? d->service->revision : 0;
        text = service_text(d, &b->next[b->count]);
    } else if (d->kind == AXI_DECLARE_NODE) {
        (void)snprintf(b->keys[b->count], sizeof(b->keys[0]), "declared-node/%s", d->name);
        text = node_text(d);
    } else {
        (void)snprintf(b->keys[b->count], sizeof(b->keys[0]), "policy");
        op->kind = d->action == AXI_DECLARE_DELETE ? AXI_STORE_DELETE : AXI_STORE_PUT;
        text = d->object != NULL ? json_dumps(d->object, JSON_COMPACT) : NULL;
    }
    if (text == NULL && op->kind == AXI_STORE_PUT) {
        return -AXC_ENOMEM;
    }
    op->value = text;
    op->value_bytes = text != NULL ? strlen(text) : 0;
    b->count++;
    return 0;
}

static void take_node(struct axi_declare *d, uint64_t revision)
{
    json_decref(d->node->declared);
    d->node->declared = json_incref(d->object);
    d->node->revision = revision;
    if (d->object == NULL || axi_node_spec_from_json(d->object, &d->node->spec, NULL) != 0) {
        axi_node_spec_default(d->name, &d->node->spec);
    }
}

static void take_policy(struct axi_master *m, const struct axi_declare *d, uint64_t revision)
{
    json_decref(m->declared->policy_declared);
    m->declared->policy_declared = json_incref(d->object);
    m->declared->policy_revision = d->object != NULL ? revision : 0;
    if (d->object == NULL ||
        axi_policy_spec_from_json(d->object, &m->declared->policy, NULL) != 0) {
        axi_policy_spec_default(&m->declared->policy);
    }
}

static void take_service(struct axi_master *m, struct axi_declare *d, struct axi_service *next,
                         uint64_t revision)
{
    next->revision = revision;
    if (d->action == AXI_DECLARE_CREATE) {
        json_incref(d->object);
        if (axi_service_insert(m, next) == NULL) { /* the next master finds it */
            json_decref(d->object);
        }
        return;
    }
    if (d->action == AXI_DECLARE_CHANGE) {
        json_incref(d->object);
    }
    axi_service_adopt(m, d->service, next, revision);
    axi_service_look_now(m, d->service);
}

static void take_all(struct axi_master *m, struct batch *b, uint64_t revision)
{
    static const char *const types[] = {"service-declared", "node-declared", "policy-declared"};

    for (size_t i = 0; i < b->count; i++) {
        struct axi_declare *d = b->of[i];

        if (d->kind == AXI_DECLARE_SERVICE) {
            take_service(m, d, &b->next[i], revision);
        } else if (d->kind == AXI_DECLARE_NODE) {
            take_node(d, revision);
        } else {
            take_policy(m, d, revision);
        }
        axi_event(m, AXI_INFO, types[d->kind], NULL, NULL, "%s %s: %s", kind_names[d->kind],
                  d->name, action_names[d->action]);
    }
    axi_services_nodes_changed(m);
}

/* An outcome that is unknown is looked up: the values are nobody else's. It stays unknown until
 * that was seen: what a second try conflicts with may be the first. */
static int commit_surely(struct axi_master *m, const struct batch *b, uint64_t *ret_revision)
{
    int rc = axi_commit(m, b->ops, b->count, ret_revision);
    bool is_unknown = rc == -AXC_ETIMEOUT;

    for (int i = 0; i < STORE_TRIES && is_unknown && rc != 0; i++) {
        struct axi_store_value value = {0};
        bool is_there = axi_store_get(m->config.store, b->ops[0].key, &value) == 0 &&
                        b->ops[0].value != NULL && value.value_bytes == b->ops[0].value_bytes &&
                        memcmp(value.bytes, b->ops[0].value, value.value_bytes) == 0;

        *ret_revision = value.revision;
        axi_store_value_clear(&value);
        if (is_there) {
            return 0;
        }
        rc = axi_commit(m, b->ops, b->count, ret_revision);
    }
    return is_unknown && rc != 0 ? -AXC_ETIMEOUT : rc;
}

/* It is settled before anything else is done for it; one that may be there now is kept, too. */
static void keep_uncertain(struct axi_master *m, struct axi_declare *d, struct axi_service *next)
{
    if (d->kind == AXI_DECLARE_SERVICE && d->action == AXI_DECLARE_CREATE) {
        take_service(m, d, next, 0);
        d->service = axi_service_find(m, d->name);
    }
    if (d->service != NULL) {
        d->service->is_uncertain = true;
        axi_service_look_now(m, d->service);
    }
}

static int commit_all(struct axi_master *m, struct axi_declare *list, size_t count,
                      char *ret_reason)
{
    struct batch *b = calloc(1, sizeof(*b));
    uint64_t revision = 0;
    int rc = b == NULL ? -AXC_ENOMEM : 0;

    for (size_t i = 0; i < count && rc == 0; i++) {
        if (list[i].action != AXI_DECLARE_UNCHANGED) {
            rc = add_to_batch(b, &list[i]);
        }
    }
    if (rc == 0 && b->count > 0) {
        rc = commit_surely(m, b, &revision);
        if (rc == 0) {
            take_all(m, b, revision);
        }
    }
    for (size_t i = 0; b != NULL && i < b->count; i++) {
        if (rc == -AXC_ETIMEOUT) {
            keep_uncertain(m, b->of[i], &b->next[i]);
        }
        free((void *)(uintptr_t)b->ops[i].value);
    }
    free(b);
    return rc == 0 ? 0
                   : axi_refuse(ret_reason, -rc, "%s%s", axi_error_text(rc),
                                rc == -AXC_ETIMEOUT ? ": it may have been declared; look" : "");
}

/* ---- requests ---- */

static int first_refusal(const struct axi_declare *list, size_t count, char *ret_reason)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i].code != 0) {
            return axi_refuse(ret_reason, -list[i].code, "%s %.31s: %.110s",
                              kind_names[list[i].kind], list[i].name, list[i].reason);
        }
    }
    return 0;
}

/* Services are judged with the nodes and the policy as the same request declares them: called once
 * before, and once after to undo it. */
static void exchange(struct axi_master *m, struct axi_declare *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct axi_declare *d = &list[i];

        if (d->kind == AXI_DECLARE_NODE) {
            struct axi_node_spec spec = d->node->spec;

            d->node->spec = d->node_spec;
            d->node_spec = spec;
        } else if (d->kind == AXI_DECLARE_POLICY) {
            struct axi_policy_spec policy = m->declared->policy;

            m->declared->policy = d->policy;
            d->policy = policy;
        }
    }
}

static int run(struct axi_master *m, const json_t *request, bool is_deleting,
               struct axi_declare *list, size_t count, json_t *plan, char *ret_reason)
{
    const json_t *objects = json_object_get(request, "objects");
    int rc = 0;

    for (size_t i = 0; i < count; i++) {
        read_object(m, json_array_get(objects, i), is_deleting, &list[i]);
    }
    refuse_doubles(list, count);
    rc = first_refusal(list, count, ret_reason);
    if (rc == 0 && !is_deleting && !json_is_true(json_object_get(request, "force"))) {
        exchange(m, list, count);
        rc = axi_declare_judge(m, list, count, plan);
        exchange(m, list, count);
        rc = rc != 0 ? rc : first_refusal(list, count, ret_reason);
    }
    if (rc == 0 && !json_is_true(json_object_get(request, "dry_run"))) {
        rc = commit_all(m, list, count, ret_reason);
    }
    return rc;
}

static int declare(struct axi_master *m, const json_t *request, bool is_deleting,
                   json_t **ret_answer, char *ret_reason)
{
    const json_t *objects = json_object_get(request, "objects");
    size_t count = json_array_size(objects);
    struct axi_declare *list;
    json_t *plan = json_array();
    int rc;

    if (count == 0 || count > AXI_DECLARE_MAX) {
        *ret_answer = answer_of(NULL, 0, plan);
        return axi_refuse(ret_reason, AXC_EINVALID, "objects must be an array of 1 to %u",
                          AXI_DECLARE_MAX);
    }
    list = calloc(count, sizeof(*list));
    if (list == NULL) {
        *ret_answer = answer_of(NULL, 0, plan);
        return -AXC_ENOMEM;
    }
    rc = run(m, request, is_deleting, list, count, plan, ret_reason);
    *ret_answer = answer_of(list, count, plan);
    for (size_t i = 0; i < count; i++) {
        json_decref(list[i].object);
        json_decref(list[i].fields);
        json_decref(list[i].nodes);
    }
    free(list);
    return rc;
}

int axi_master_apply(struct axi_master *m, const json_t *request, json_t **ret_answer,
                     char *ret_reason)
{
    return declare(m, request, false, ret_answer, ret_reason);
}

int axi_master_undeclare(struct axi_master *m, const json_t *request, json_t **ret_answer,
                         char *ret_reason)
{
    return declare(m, request, true, ret_answer, ret_reason);
}
