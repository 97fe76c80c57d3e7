/* SPDX-License-Identifier: Apache-2.0 */
/* What a host reports (PUT /v1/hosts/NAME, docs/api.md): checked member by member, and answered
 * with what is wanted there. */
#include "master/service/hosts.h"

#include <stdio.h>
#include <string.h>

#define BYTES_MAX ((json_int_t)1 << 50)
#define NS_MAX ((json_int_t)3600 * 1000000000)

static const char *const assurances[] = {"shared", "realtime", "isolated", "partition"};

const char *axi_host_assurance_name(const struct axi_host *host)
{
    return assurances[host->record.facts.assurance & 3];
}

struct said {
    enum axi_said said;
    uint32_t run;
    char reason[AXI_REASON_BYTES];
};

struct report {
    struct axi_host_facts facts;
    struct said slots[AXI_HOST_PARTITIONS_MAX];
};

/* Lower case letters, digits and '-', which a node's name is made of; not so long that "-p16" does
 * not fit behind it. */
static bool is_host_name(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < AXI_HOST_NAME_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == length && name[0] != '-' &&
           name[length - 1] != '-';
}

static int read_text(const json_t *json, const char *key, char *ret_text, size_t size,
                     char *ret_reason)
{
    const char *text = json_string_value(json_object_get(json, key));
    size_t length = text != NULL ? strlen(text) : 0;

    for (size_t i = 0; i < length; i++) {
        length = text[i] <= ' ' || text[i] > '~' ? 0 : length;
    }
    if (length == 0 || length >= size) {
        return axi_refuse(ret_reason, AXC_EINVALID,
                          "\"%s\": expected 1 to %zu printable characters", key, size - 1);
    }
    axi_copy_text(ret_text, size, text);
    return 0;
}

static int read_number(const json_t *json, const char *key, json_int_t min, json_int_t max,
                       uint64_t *ret_number, char *ret_reason)
{
    const json_t *value = json_object_get(json, key);
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < min || number > max) {
        return axi_refuse(ret_reason, AXC_EINVALID,
                          "\"%s\": expected a whole number from %lld to %lld", key, (long long)min,
                          (long long)max);
    }
    *ret_number = (uint64_t)number;
    return 0;
}

static int read_assurance(const json_t *json, uint32_t *ret_assurance, char *ret_reason)
{
    const char *text = axi_json_get_text(json, "assurance");

    for (uint32_t i = 0; i < 4; i++) {
        if (strcmp(assurances[i], text) == 0) {
            *ret_assurance = i;
            return 0;
        }
    }
    return axi_refuse(ret_reason, AXC_EINVALID,
                      "\"assurance\": expected shared, realtime, isolated or partition");
}

/* What a node in one of its partitions will be like. */
static int read_node(const json_t *json, struct axi_host_facts *f, char *ret_reason)
{
    uint64_t services = 0;
    uint64_t slots = 0;
    uint64_t capacity = 0;
    int rc = json_is_object(json) && json_object_size(json) == 7
                 ? read_assurance(json, &f->assurance, ret_reason)
                 : axi_refuse(ret_reason, AXC_EINVALID,
                              "\"node\": expected assurance, services, slots, capacity_ppm, "
                              "memory_bytes, server_budget_ns and server_period_ns");

    rc = rc != 0 ? rc : read_number(json, "services", 0, UINT32_MAX, &services, ret_reason);
    rc = rc != 0 ? rc : read_number(json, "slots", 1, 1024, &slots, ret_reason);
    rc = rc != 0 ? rc : read_number(json, "capacity_ppm", 1, 1000000, &capacity, ret_reason);
    rc = rc != 0 ? rc
                 : read_number(json, "memory_bytes", 1, BYTES_MAX, &f->memory_bytes, ret_reason);
    rc = rc != 0
             ? rc
             : read_number(json, "server_budget_ns", 0, NS_MAX, &f->server_budget_ns, ret_reason);
    rc = rc != 0 ? rc
                 : read_number(json, "server_period_ns", (json_int_t)f->server_budget_ns, NS_MAX,
                               &f->server_period_ns, ret_reason);
    f->services = (uint32_t)services;
    f->slots = (uint32_t)slots;
    f->capacity_ppm = (uint32_t)capacity;
    return rc;
}

/* It goes into the store and into events, cut anywhere: no half characters. */
static void take_reason(const char *text, char ret_reason[AXI_REASON_BYTES])
{
    axi_copy_text(ret_reason, AXI_REASON_BYTES, text);
    for (char *at = ret_reason; *at != '\0'; at++) {
        *at = *at < ' ' || *at > '~' ? '?' : *at;
    }
}

static int read_partition(const json_t *json, const char *host, struct report *report,
                          char *ret_reason)
{
    const char *name = axi_json_get_text(json, "name");
    const char *state = axi_json_get_text(json, "state");
    size_t length = strlen(host);
    unsigned number = 0;
    uint64_t run = 0;
    int used = 0;
    struct said *said;

    if (strncmp(name, host, length) != 0 || sscanf(name + length, "-p%2u%n", &number, &used) != 1 ||
        name[length + (size_t)used] != '\0' || number == 0 || number > AXI_HOST_PARTITIONS_MAX ||
        name[length + 2] == '0') {
        return axi_refuse(ret_reason, AXC_EINVALID, "partition \"%.31s\" is none of %s-p1 to -p%u",
                          name, host, AXI_HOST_PARTITIONS_MAX);
    }
    said = &report->slots[number - 1];
    if (said->said != AXI_SAID_NOTHING) {
        return axi_refuse(ret_reason, AXC_EINVALID, "partition %s is reported twice", name);
    }
    if (strcmp(state, "running") != 0 && strcmp(state, "failed") != 0) {
        return axi_refuse(ret_reason, AXC_EINVALID, "\"state\": expected running or failed");
    }
    said->said = strcmp(state, "running") == 0 ? AXI_SAID_RUNNING : AXI_SAID_FAILED;
    take_reason(axi_json_get_text(json, "reason"), said->reason);
    if (read_number(json, "run", 1, UINT32_MAX - 1, &run, ret_reason) != 0) {
        return -AXC_EINVALID;
    }
    said->run = (uint32_t)run;
    return 0;
}

static int read_report(const char *name, const json_t *json, struct report *report,
                       char *ret_reason)
{
    const json_t *partitions = json_object_get(json, "partitions");
    struct axi_host_facts *f = &report->facts;
    uint64_t max = 0;
    int rc = 0;

    if (!is_host_name(name)) {
        return axi_refuse(ret_reason, AXC_EINVALID,
                          "'%.40s' is no name of a host: 1 to %u of a-z, 0-9 and inner '-'", name,
                          AXI_HOST_NAME_BYTES - 1);
    }
    axi_copy_text(f->name, sizeof(f->name), name);
    f->id = axi_json_get_id(json, "id");
    if (f->id == 0) {
        return axi_refuse(ret_reason, AXC_EINVALID, "\"id\": expected a hexadecimal number");
    }
    rc = read_text(json, "platform", f->platform, sizeof(f->platform), ret_reason);
    rc = rc != 0 ? rc
                 : read_text(json, "hypervisor", f->hypervisor, sizeof(f->hypervisor), ret_reason);
    rc = rc != 0 ? rc : read_text(json, "version", f->version, sizeof(f->version), ret_reason);
    rc = rc != 0 ? rc : read_number(json, "max", 0, AXI_HOST_PARTITIONS_MAX, &max, ret_reason);
    rc = rc != 0 ? rc : read_node(json_object_get(json, "node"), f, ret_reason);
    f->max = (uint32_t)max;
    if (rc == 0 && (!json_is_array(partitions) || json_object_size(json) != 7)) {
        rc = axi_refuse(ret_reason, AXC_EINVALID,
                        "expected id, platform, hypervisor, version, max, node and the array "
                        "partitions, nothing else");
    }
    for (size_t i = 0; rc == 0 && i < json_array_size(partitions); i++) {
        rc = read_partition(json_array_get(partitions, i), name, report, ret_reason);
    }
    return rc;
}

/* ---- what it means ---- */

static int find_or_add(struct axi_master *m, const struct axi_host_facts *facts,
                       struct axi_host **ret_host, char *ret_reason)
{
    struct axi_host *host = axi_host_find(m, facts->name);

    if (host != NULL && host->record.facts.id != facts->id && axi_host_is_present(m, host)) {
        return axi_refuse(ret_reason, AXC_EEXIST, "another host is called %s", facts->name);
    }
    if (host == NULL) {
        host = axi_host_add(m, facts, ret_reason);
        if (host == NULL) {
            return -AXC_EUNAVAILABLE;
        }
    }
    *ret_host = host;
    return 0;
}

static bool is_same(const struct axi_host_facts *a, const struct axi_host_facts *b)
{
    return a->id == b->id && strcmp(a->platform, b->platform) == 0 &&
           strcmp(a->hypervisor, b->hypervisor) == 0 && strcmp(a->version, b->version) == 0 &&
           a->max == b->max && a->assurance == b->assurance && a->services == b->services &&
           a->slots == b->slots && a->capacity_ppm == b->capacity_ppm &&
           a->memory_bytes == b->memory_bytes && a->server_budget_ns == b->server_budget_ns &&
           a->server_period_ns == b->server_period_ns;
}

static void take_facts(struct axi_master *m, struct axi_host *host,
                       const struct axi_host_facts *facts)
{
    struct axi_host_record next = host->record;

    next.facts = *facts;
    if (!is_same(&next.facts, &host->record.facts)) {
        (void)!axi_host_commit(m, host, &next); /* else with the next report */
        axi_services_nodes_changed(m);
    }
}

static void take_slots(struct axi_master *m, struct axi_host *host, const struct report *report)
{
    for (uint32_t i = 0; i < AXI_HOST_PARTITIONS_MAX; i++) {
        const struct said *said = &report->slots[i];
        const struct axi_partition *p = &host->record.slots[i];
        bool is_unknown = p->state == AXI_PARTITION_ABSENT ||
                          (p->state == AXI_PARTITION_STARTING && said->run > p->run);

        host->reports[i].said = said->said;
        host->reports[i].run = said->run;
        axi_copy_text(host->reports[i].reason, sizeof(host->reports[i].reason), said->reason);
        if (said->said == AXI_SAID_RUNNING && is_unknown) {
            axi_partition_adopt(m, host, i, said->run);
        }
    }
}

static json_t *answer_of(const struct axi_host *host)
{
    json_t *partitions = json_array();

    for (uint32_t i = 0; i < AXI_HOST_PARTITIONS_MAX; i++) {
        const struct axi_partition *p = &host->record.slots[i];
        bool is_wanted = p->state >= AXI_PARTITION_STARTING && p->state <= AXI_PARTITION_LEAVING;
        char name[32];

        axi_partition_name(host, i, name);
        if (p->state != AXI_PARTITION_ABSENT || host->reports[i].said == AXI_SAID_FAILED) {
            json_array_append_new(partitions, json_pack("{s:s, s:I, s:b}", "name", name, "run",
                                                        (json_int_t)p->run, "wanted", is_wanted));
        }
    }
    return json_pack("{s:o, s:I}", "partitions", partitions, "revision",
                     (json_int_t)host->revision);
}

int axi_master_host_report(struct axi_master *m, const char *name, const json_t *json,
                           json_t **ret_answer, char *ret_reason)
{
    struct axi_host *host = NULL;
    struct report report = {.facts = {.name = ""}};
    bool is_news;
    int rc = read_report(name, json, &report, ret_reason);

    rc = rc != 0 ? rc : find_or_add(m, &report.facts, &host, ret_reason);
    if (rc == 0 && !axi_host_settle(m, host)) {
        rc = axi_refuse(ret_reason, AXC_EUNAVAILABLE, "the store does not answer");
    }
    if (rc != 0) {
        return rc;
    }
    is_news = !axi_host_is_present(m, host);
    host->seen_ns = axi_now(m);
    host->is_lost_said = false;
    take_facts(m, host, &report.facts);
    take_slots(m, host, &report);
    if (is_news) {
        axi_event(m, AXI_INFO, "host-joined", NULL, NULL, "%s runs up to %u partitions of %s by %s",
                  name, report.facts.max, report.facts.platform, report.facts.hypervisor);
        axi_services_nodes_changed(m);
    }
    axi_partitions_look_now(m);
    *ret_answer = answer_of(host);
    return *ret_answer != NULL ? 0 : axi_refuse(ret_reason, AXC_ENOMEM, "out of memory");
}
