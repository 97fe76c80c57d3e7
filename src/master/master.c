/* SPDX-License-Identifier: Apache-2.0 */
/* The master's life: taking over from the store, links, the tick. */
#include "master/internal.h"
#include "master/leader.h"
#include "master/service/rebalance.h"
#include "master/service/service.h"
#include "master/service/telemetry.h"
#include "master/service/voters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS 1000000ull
#define OPS_KEPT 1000u
#define OPS_OF_TERM 1000000u /* an id is never another operation's at the next master */
#define STORE_LOST_NS (500 * MS)
#define STORE_TRIES 3

uint64_t axi_now(struct axi_master *m)
{
    return m->port.now_local_ns(m->port.context);
}

uint64_t axi_now_master(struct axi_master *m)
{
    return m->port.now_master_ns(m->port.context);
}

bool axi_crash(struct axi_master *m, uint32_t point)
{
    if (!m->is_crashed && m->port.crash_point != NULL &&
        m->port.crash_point(m->port.context, point)) {
        m->is_crashed = true;
    }
    return m->is_crashed;
}

bool axi_in_grace(struct axi_master *m)
{
    return axi_now(m) - m->started_local_ns < axi_lease_window_ns(m);
}

#define LEADER_KEY "master"

void axi_master_depose(struct axi_master *m, const char *reason)
{
    if (m->is_deposed) {
        return;
    }
    axi_event(m, AXI_WARNING, "master-deposed", NULL, NULL, "%s", reason);
    for (size_t i = 0; i < m->link_count; i++) {
        axi_link_close(m, m->links[i], -AXC_ENOT_LEADER, reason);
    }
    m->is_deposed = true;
    m->is_crashed = true;
}

bool axi_master_is_deposed(const struct axi_master *m)
{
    return m->is_deposed;
}

/* A comparison failed: the caller's, or is another master here? */
static int explain_conflict(struct axi_master *m)
{
    struct axi_store_value value = {0};
    int rc = axi_store_get(m->config.store, LEADER_KEY, &value);
    uint64_t revision = value.revision;

    axi_store_value_clear(&value);
    if (rc != 0) {
        return -AXC_EUNAVAILABLE;
    }
    if (revision == m->leader_revision) {
        return -AXC_ECONFLICT;
    }
    axi_master_depose(m, "another master took over the store");
    return -AXC_EUNAVAILABLE;
}

/* Every transaction compares the leader's key, so that a master that was thought dead changes
 * nothing once the next one has begun to read. */
int axi_commit(struct axi_master *m, const struct axi_store_op *ops, size_t count,
               uint64_t *ret_revision)
{
    struct axi_store_op checked[AXI_STORE_OPS_MAX];
    int rc;

    if (m->is_crashed || count >= AXI_STORE_OPS_MAX) {
        return -AXC_EUNAVAILABLE;
    }
    memcpy(checked, ops, count * sizeof(ops[0]));
    checked[count] = (struct axi_store_op){
        .kind = AXI_STORE_CHECK, .key = LEADER_KEY, .expected = m->leader_revision};
    rc = axi_store_commit(m->config.store, checked, count + 1, ret_revision);
    if (rc != -AXC_EUNAVAILABLE && rc != -AXC_ETIMEOUT) {
        m->store_lost_ns = 0;
    } else if (m->store_lost_ns == 0) {
        m->store_lost_ns = axi_now(m);
    }
    return rc == -AXC_ECONFLICT && !m->config.skip_commit_cas ? explain_conflict(m) : rc;
}

int axi_commit_again(struct axi_master *m, const struct axi_store_op *ops, size_t count,
                     uint64_t *ret_revision)
{
    int rc = axi_commit(m, ops, count, ret_revision);

    for (int i = 1; i < STORE_TRIES && rc == -AXC_ETIMEOUT; i++) {
        rc = axi_commit(m, ops, count, ret_revision);
    }
    return rc;
}

/* Reads who leads: 0, its term, and whether it is this one. */
static int read_leader(struct axi_master *m, uint64_t id, uint64_t *ret_revision,
                       uint64_t *ret_term, bool *ret_is_own)
{
    struct axi_store_value value = {0};
    int rc = axi_store_get(m->config.store, LEADER_KEY, &value);
    json_t *json = rc == 0 ? json_loadb(value.bytes, value.value_bytes, 0, NULL) : NULL;

    if (rc != 0 && rc != -AXC_ENOENT) {
        return -AXC_EUNAVAILABLE;
    }
    *ret_revision = value.revision;
    *ret_term = axi_json_get_u64(json, "term");
    *ret_is_own = json != NULL && axi_json_get_id(json, "master") == id;
    json_decref(json);
    axi_store_value_clear(&value);
    return 0;
}

/* With an election: only while the one that was won holds. */
static int put_leader(struct axi_master *m, uint64_t id, uint64_t expected)
{
    char text[80];
    struct axi_store_op ops[] = {
        {.kind = AXI_STORE_PUT, .key = LEADER_KEY, .expected = expected, .value = text},
        {.kind = AXI_STORE_CHECK, .key = AXI_LEADER_KEY, .expected = m->config.election}};

    (void)snprintf(text, sizeof(text), "{\"master\":\"%llx\",\"term\":%llu}",
                   (unsigned long long)id, (unsigned long long)m->term);
    ops[0].value_bytes = strlen(text);
    return axi_store_commit(m->config.store, ops, m->config.election != 0 ? 2 : 1,
                            &m->leader_revision);
}

/* Always compares: a commit of unknown outcome that comes late, also one of an earlier attempt,
 * must not depose whoever leads by then. */
static int take_over(struct axi_master *m)
{
    uint64_t id = m->port.random64(m->port.context);
    uint64_t revision = 0;
    uint64_t term = 0;
    bool is_own = false;

    for (int i = 0; i < 4; i++) {
        int rc = read_leader(m, id, &revision, &term, &is_own);

        if (rc == 0 && is_own) {
            m->leader_revision = revision;
            return 0;
        }
        if (rc == 0) {
            m->term = term + 1;
            rc = put_leader(m, id, revision);
        }
        if (rc != -AXC_ECONFLICT && rc != -AXC_ETIMEOUT) {
            return rc == 0 ? 0 : -AXC_EUNAVAILABLE;
        }
    }
    return -AXC_EUNAVAILABLE;
}

int axi_put_json(struct axi_master *m, const char *key, uint64_t expected, const json_t *value,
                 uint64_t *ret_revision)
{
    char *text = json_dumps(value, JSON_COMPACT);
    struct axi_store_op op = {.kind = AXI_STORE_PUT, .key = key, .expected = expected};
    int rc;

    if (text == NULL) {
        return -AXC_ENOMEM;
    }
    op.value = text;
    op.value_bytes = strlen(text);
    rc = expected == AXI_STORE_ANY ? axi_commit_again(m, &op, 1, ret_revision)
                                   : axi_commit(m, &op, 1, ret_revision);
    free(text);
    return rc;
}

static void set_default(uint64_t *value, uint64_t fallback)
{
    *value = *value != 0 ? *value : fallback;
}

static void set_defaults(struct axi_master_config *config)
{
    set_default(&config->lease_ns, 500 * MS);
    set_default(&config->heartbeat_ns, 100 * MS);
    set_default(&config->batch_ns, 20 * MS);
    set_default(&config->lease_margin_ns, 50 * MS);
    set_default(&config->retry_ns, 250 * MS);
    set_default(&config->step_timeout_ns, 5000 * MS);
    set_default(&config->start_delay_ns, 20 * MS);
    set_default(&config->lost_after_ns, 10000 * MS);
    config->drift_ppm = config->drift_ppm != 0 ? config->drift_ppm : 200;
    config->attempts_max = config->attempts_max != 0 ? config->attempts_max : 3;
    config->many_nodes = config->many_nodes != 0 ? config->many_nodes : 50;
    config->events_max = config->events_max != 0 ? config->events_max : 2000;
}

static int load(struct axi_master *m)
{
    int rc = take_over(m);

    if (rc == 0) {
        rc = axi_events_load(m);
    }
    if (rc == 0) {
        rc = axi_images_load(m);
    }
    if (rc == 0) {
        rc = axi_nodes_load(m);
    }
    if (rc == 0) {
        rc = axi_watch_load(m);
    }
    if (rc == 0) {
        rc = axi_tasks_load(m);
    }
    if (rc == 0) {
        rc = axi_services_load(m);
    }
    return rc;
}

int axi_master_new(const struct axi_master_config *config, const struct axi_master_port *port,
                   struct axi_master **ret_master)
{
    struct axi_master *m = calloc(1, sizeof(*m));
    int rc;

    if (m == NULL) {
        return -AXC_ENOMEM;
    }
    m->config = *config;
    m->port = *port;
    set_defaults(&m->config);
    m->started_local_ns = axi_now(m);
    m->events_due_ns = UINT64_MAX;
    m->next_batch_ns = m->started_local_ns;
    m->events = json_array();
    m->events_pending = json_array();
    m->ops = calloc(OPS_KEPT, sizeof(struct axi_op *));
    rc = m->ops == NULL ? -AXC_ENOMEM : load(m);
    if (rc != 0) {
        axi_master_free(m);
        return rc;
    }
    m->next_op = m->term * OPS_OF_TERM + 1;
    axi_event(m, AXI_INFO, "master-started", NULL, NULL,
              "took over %zu tasks and %zu nodes, term %llu", m->task_count, m->node_count,
              (unsigned long long)m->term);
    for (size_t i = 0; i < m->task_count; i++) {
        axi_flow_resume(m, m->tasks[i]);
    }
    axi_tasks_sweep(m);
    *ret_master = m;
    return 0;
}

static void link_free(struct axi_link *link)
{
    free(link->buffer);
    free(link);
}

void axi_master_free(struct axi_master *m)
{
    if (m == NULL) {
        return;
    }
    axi_services_free(m);
    axi_telemetry_free(m);
    axi_voters_free(m);
    for (size_t i = 0; i < m->task_count; i++) {
        axi_task_free(m->tasks[i]);
    }
    for (size_t i = 0; i < m->node_count; i++) {
        free(m->nodes[i]);
    }
    for (size_t i = 0; i < m->link_count; i++) {
        link_free(m->links[i]);
    }
    for (size_t i = 0; i < m->op_count; i++) {
        axi_op_free(m->ops[i]);
    }
    json_decref(m->events);
    json_decref(m->events_pending);
    free(m->tasks);
    free(m->nodes);
    free(m->links);
    free(m->ops);
    free(m->images);
    free(m);
}

static struct axi_link *search_link(struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; i < m->link_count; i++) {
        if (m->links[i]->id == id) {
            return m->links[i];
        }
    }
    return NULL;
}

/* Ids are consecutive: nearly always it is the one that was last found in its place. */
static struct axi_link *find_link(struct axi_master *m, uint64_t id)
{
    struct axi_link **found = &m->found_links[id % AXI_LINKS_FOUND];

    if (*found == NULL || (*found)->id != id) {
        *found = search_link(m, id);
    }
    return *found;
}

void axi_master_link_up(struct axi_master *m, uint64_t id, const char *peer)
{
    struct axi_link **grown = realloc(m->links, (m->link_count + 1) * sizeof(struct axi_link *));
    struct axi_link *link = calloc(1, sizeof(*link));

    if (grown != NULL) {
        m->links = grown;
    }
    if (link != NULL) {
        link->buffer = malloc(AXI_WIRE_FRAME_BYTES_MAX);
    }
    if (grown == NULL || link == NULL || link->buffer == NULL) {
        free(link);
        m->port.close(m->port.context, id);
        return;
    }
    link->id = id;
    axi_copy_text(link->peer, sizeof(link->peer), peer != NULL ? peer : "");
    axi_wire_parser_init(&link->parser, link->buffer, AXI_WIRE_FRAME_BYTES_MAX);
    m->links[m->link_count++] = link;
}

bool axi_master_link_bytes(struct axi_master *m, uint64_t id, const uint8_t *bytes, size_t count)
{
    struct axi_link *link = find_link(m, id);
    uint64_t events = m->event_number;
    struct axi_wire_frame frame;
    bool is_quiet = true;
    int rc = 0;

    while (link != NULL && !link->is_closing && !m->is_crashed &&
           (rc = axi_wire_feed(&link->parser, &bytes, &count, &frame)) == 1) {
        axi_dispatch(m, link, &frame);
        is_quiet &= frame.type == AXI_WIRE_HEARTBEAT && link->node != NULL &&
                    link->node->heartbeat.victim == 0;
    }
    if (link != NULL && rc < 0 && !link->is_closing) {
        axi_event(m, AXI_WARNING, "link-protocol", NULL, link->node, "%s from %s",
                  axi_error_text(rc), link->peer);
        axi_link_close(m, link, rc, axi_error_text(rc));
    }
    return !is_quiet || m->event_number != events || m->has_closing_links || m->is_crashed ||
           axi_leases_next(m) < m->due_ns;
}

/* A link that is gone, by either side: its node is told and its memory freed. */
static void drop_link(struct axi_master *m, size_t index)
{
    struct axi_link *link = m->links[index];
    struct axi_node *node = link->node;

    m->links[index] = m->links[--m->link_count];
    m->found_links[link->id % AXI_LINKS_FOUND] = NULL;
    if (link->manager != 0) {
        axi_manager_link_down(m, link);
    }
    if (link->voter != 0) {
        axi_voter_link_down(m, link);
    }
    if (node != NULL && node->link == link->id) {
        node->link = 0;
        axi_node_link_down(m, node);
    }
    link_free(link);
}

void axi_master_link_down(struct axi_master *m, uint64_t id)
{
    for (size_t i = 0; i < m->link_count; i++) {
        if (m->links[i]->id == id) {
            drop_link(m, i);
            return;
        }
    }
}

static void sweep_links(struct axi_master *m)
{
    bool has_any = m->has_closing_links;

    m->has_closing_links = false;
    for (size_t i = 0; i < m->link_count && has_any;) {
        if (m->links[i]->is_closing) {
            drop_link(m, i);
        } else {
            i++;
        }
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* An election or one lost answer is no news. */
static void report_store(struct axi_master *m)
{
    uint64_t now = axi_now(m);

    if (m->store_lost_ns != 0 && !m->is_store_lost_said && now - m->store_lost_ns > STORE_LOST_NS) {
        m->is_store_lost_said = true;
        axi_event(m, AXI_ERROR, "store-unreachable", NULL, NULL,
                  "nothing is decided and no lease renewed until it is back");
    } else if (m->store_lost_ns == 0 && m->is_store_lost_said) {
        m->is_store_lost_said = false;
        axi_event(m, AXI_INFO, "store-back", NULL, NULL, "commits get through again");
    }
}

uint64_t axi_master_tick(struct axi_master *m)
{
    uint64_t next = UINT64_MAX;

    if (m->is_crashed) {
        return UINT64_MAX;
    }
    m->tick_ns = axi_now(m);
    sweep_links(m);
    axi_watch_tick(m);
    axi_leases_excuse(m);
    axi_leases_renew(m);
    axi_leases_expire(m);
    report_store(m);
    for (size_t i = 0; i < m->task_count; i++) {
        axi_flow_tick(m, m->tasks[i]);
    }
    next = earlier(axi_services_tick(m), axi_telemetry_tick(m));
    axi_rebalance_tick(m);
    axi_tasks_sweep(m);
    if (axi_now(m) >= m->events_due_ns) {
        axi_events_flush(m);
    }
    for (size_t i = 0; i < m->task_count; i++) {
        next = earlier(next, axi_flow_next(m->tasks[i]));
    }
    m->due_ns = earlier(earlier(next, axi_leases_next(m)), earlier(m->events_due_ns, m->watch_ns));
    return m->due_ns;
}

void axi_master_shutdown(struct axi_master *m)
{
    axi_event(m, AXI_INFO, "master-stopped", NULL, NULL, "orderly");
    axi_events_flush(m);
    for (size_t i = 0; i < m->link_count; i++) {
        axi_link_close(m, m->links[i], 0, "master stops");
    }
}
