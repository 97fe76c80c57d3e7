/* SPDX-License-Identifier: Apache-2.0 */
/* Events: numbered, streamed at once, stored in batches a moment later so that no decision waits
 * for them. A crash may lose the last moment's events, never what a record says. */
#include "master/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_AFTER_NS 50000000ull
#define FLUSH_MAX 60u

void axi_event(struct axi_master *m, const char *level, const char *type,
               const struct axi_task *task, const struct axi_node *node, const char *format, ...)
{
    char text[400];
    va_list arguments;
    json_t *event;

    if (m->is_crashed) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    event =
        json_pack("{s:I, s:I, s:s, s:s, s:s}", "number", (json_int_t)++m->event_number, "time_ns",
                  (json_int_t)axi_now_master(m), "type", type, "level", level, "text", text);
    if (event == NULL) { /* text that is no UTF-8 */
        event = json_pack("{s:I, s:I, s:s, s:s, s:s}", "number", (json_int_t)m->event_number,
                          "time_ns", (json_int_t)axi_now_master(m), "type", type, "level", level,
                          "text", "(unprintable)");
    }
    if (task != NULL) {
        json_object_set_new(event, "task", json_string(task->record.name));
        json_object_set_new(event, "epoch", json_integer((json_int_t)task->record.epoch));
    }
    if (node != NULL) {
        json_object_set_new(event, "node", json_string(node->hello.name));
    }
    json_array_append(m->events, event);
    if (json_array_size(m->events) > m->config.events_max) {
        json_array_remove(m->events, 0);
    }
    if (json_array_size(m->events_pending) == 0) {
        m->events_due_ns = axi_now(m) + FLUSH_AFTER_NS;
    }
    json_array_append(m->events_pending, event);
    if (m->port.on_event != NULL) {
        m->port.on_event(m->port.context, event);
    }
    json_decref(event);
}

static void event_key(uint64_t number, char key[40])
{
    (void)snprintf(key, 40, "event/%016llx", (unsigned long long)number);
}

/* Stores up to FLUSH_MAX events and deletes as many that fell out of the window. */
static int flush_batch(struct axi_master *m, size_t *ret_count)
{
    struct axi_store_op ops[2 * FLUSH_MAX];
    char keys[2 * FLUSH_MAX][40];
    char *values[FLUSH_MAX];
    size_t count = json_array_size(m->events_pending);
    size_t used = 0;
    int rc;

    count = count > FLUSH_MAX ? FLUSH_MAX : count;
    for (size_t i = 0; i < count; i++) {
        const json_t *event = json_array_get(m->events_pending, i);
        uint64_t number = axi_json_get_u64(event, "number");

        values[i] = json_dumps(event, JSON_COMPACT);
        event_key(number, keys[used]);
        ops[used] = (struct axi_store_op){.kind = AXI_STORE_PUT,
                                          .key = keys[used],
                                          .expected = AXI_STORE_ANY,
                                          .value = values[i],
                                          .value_bytes = strlen(values[i])};
        used++;
        if (number > m->config.events_max) {
            event_key(number - m->config.events_max, keys[used]);
            ops[used] = (struct axi_store_op){
                .kind = AXI_STORE_DELETE, .key = keys[used], .expected = AXI_STORE_ANY};
            used++;
        }
    }
    rc = axi_commit(m, ops, used, NULL);
    for (size_t i = 0; i < count; i++) {
        free(values[i]);
    }
    *ret_count = count;
    return rc;
}

void axi_events_flush(struct axi_master *m)
{
    while (json_array_size(m->events_pending) > 0 && !m->is_crashed) {
        size_t count = 0;
        int rc = flush_batch(m, &count);

        if (rc != 0 && rc != -AXC_ETIMEOUT) {
            m->events_due_ns = axi_now(m) + FLUSH_AFTER_NS;
            return;
        }
        for (size_t i = 0; i < count; i++) {
            json_array_remove(m->events_pending, 0);
        }
    }
    m->events_due_ns = UINT64_MAX;
}

static int visit(void *context, const char *key, const struct axi_store_value *value)
{
    struct axi_master *m = context;
    json_t *event = json_loads(value->bytes, 0, NULL);

    (void)key;
    if (event != NULL) {
        uint64_t number = axi_json_get_u64(event, "number");

        m->event_number = number > m->event_number ? number : m->event_number;
        json_array_append_new(m->events, event);
    }
    return 0;
}

int axi_events_load(struct axi_master *m)
{
    return axi_store_list(m->config.store, "event/", visit, m);
}

json_t *axi_master_events(struct axi_master *m, uint64_t after, uint32_t limit)
{
    json_t *array = json_array();
    size_t index;
    json_t *event;

    json_array_foreach (m->events, index, event) {
        if (axi_json_get_u64(event, "number") > after && json_array_size(array) < limit) {
            json_array_append(array, event);
        }
    }
    return array;
}
