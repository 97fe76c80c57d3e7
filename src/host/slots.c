/* SPDX-License-Identifier: Apache-2.0 */
#include "host/slots.h"

#include "base/log.h"
#include "host/bundle.h"
#include "host/os_node.h"
#include "net/host.h"
#include "net/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STOP_MS 4000u /* the bundle's grace is 3 s; then force */
#define STOP_POLL_MS 50u

static void name_of(const struct axi_slots *s, uint32_t i, char ret_name[32])
{
    (void)snprintf(ret_name, 32, "%s-p%u", s->config.host, i + 1);
}

static void path_of(const struct axi_slots *s, const char *name, const char *kind,
                    char ret_path[PATH_MAX])
{
    (void)snprintf(ret_path, PATH_MAX, "%s/%s.%s", s->config.dir, name, kind);
}

static void fail(struct axi_slots *s, uint32_t i, const char *reason)
{
    char name[32];

    name_of(s, i, name);
    s->slots[i].is = AXI_SLOT_IS_FAILED;
    (void)snprintf(s->slots[i].reason, sizeof(s->slots[i].reason), "%.159s", reason);
    for (char *at = s->slots[i].reason; *at != '\0'; at++) { /* JSON takes no halved characters */
        *at = *at < ' ' || *at > '~' ? '?' : *at;
    }
    axi_log(AXI_LOG_WARN, "partition-failed", "name=%s run=%u reason=\"%s\"", name, s->slots[i].run,
            s->slots[i].reason);
}

/* ---- start and end ---- */

static int write_run(const struct axi_slots *s, const char *name, uint32_t run)
{
    char path[PATH_MAX];
    char text[16];

    path_of(s, name, "run", path);
    (void)snprintf(text, sizeof(text), "%u\n", run);
    return axi_host_write_file(path, text);
}

static int make(const struct axi_slots *s, const char *name, const char *bundle_dir,
                char reason[AXI_OS_REASON_BYTES])
{
    static struct axi_boot_config boot; /* too much for the stack */
    char image[PATH_MAX];
    uint16_t port = 0;
    int r = axi_ports_find(&port, 1);

    path_of(s, name, "img", image);
    const struct axi_os_node node = {.name = name,
                                     .board = s->config.board,
                                     .image = image,
                                     .masters = s->masters,
                                     .token_file = s->config.token_file,
                                     .address = s->config.address,
                                     .port = port,
                                     .capacity_ppm = s->config.capacity_ppm,
                                     .host_channel = axi_bundle_channel(s->config.board)};
    const struct axi_bundle bundle = {.dir = bundle_dir,
                                      .board = s->config.board,
                                      .hypervisor = s->config.hypervisor,
                                      .image = image,
                                      .config = &boot,
                                      .address = s->config.address,
                                      .port = port};

    if (r < 0) {
        (void)snprintf(reason, AXI_OS_REASON_BYTES, "no free port: %s", axi_error_text(r));
        return r;
    }
    r = axi_os_node_make(&node, &boot, reason);
    return r == 0 ? axi_bundle_make(&bundle, reason) : r;
}

static void start(struct axi_slots *s, uint32_t i, uint32_t run)
{
    char name[32];
    char bundle[PATH_MAX];
    char reason[AXI_OS_REASON_BYTES] = "";
    int r;

    name_of(s, i, name);
    path_of(s, name, "bundle", bundle);
    s->slots[i].run = run;
    r = write_run(s, name, run);
    if (r < 0) {
        (void)snprintf(reason, sizeof(reason), "%.300s cannot be written: %s", s->config.dir,
                       axi_error_text(r));
    }
    if (r == 0) {
        r = make(s, name, bundle, reason);
    }
    if (r == 0) {
        r = axi_runax_start(&s->runax, name, bundle, reason);
    }
    if (r < 0) {
        fail(s, i, reason);
        return;
    }
    s->slots[i].is = AXI_SLOT_IS_RUNNING;
    axi_log(AXI_LOG_INFO, "partition-started", "name=%s run=%u hypervisor=%s", name, run,
            s->config.hypervisor);
}

static bool is_stopped(const struct axi_slots *s, const char *name)
{
    char reason[AXI_RUNAX_REASON_BYTES];

    return axi_runax_state(&s->runax, name, reason) != AXI_RUNAX_RUNNING;
}

/* Gives back what it had; a partition that cannot be removed stays as failed. */
static void clear(struct axi_slots *s, uint32_t i)
{
    char name[32];
    char path[PATH_MAX];

    name_of(s, i, name);
    if (axi_runax_delete(&s->runax, name) < 0) {
        fail(s, i, "runax cannot delete it; see its log");
        return;
    }
    path_of(s, name, "run", path);
    (void)unlink(path);
    axi_log(AXI_LOG_INFO, "partition-ended", "name=%s run=%u", name, s->slots[i].run);
    s->slots[i] = (struct axi_slot){.is = AXI_SLOT_IS_FREE};
}

/* All that are asked for at once: their guests end side by side. */
static void end(struct axi_slots *s, const bool which[AXI_SLOTS_MAX])
{
    char name[32];
    bool is_waiting = true;

    for (uint32_t i = 0; i < AXI_SLOTS_MAX; i++) {
        name_of(s, i, name);
        if (which[i] && s->slots[i].is == AXI_SLOT_IS_RUNNING) {
            axi_runax_stop(&s->runax, name);
        }
    }
    for (uint32_t ms = 0; is_waiting && ms < STOP_MS; ms += STOP_POLL_MS) {
        is_waiting = false;
        for (uint32_t i = 0; i < AXI_SLOTS_MAX && !is_waiting; i++) {
            name_of(s, i, name);
            is_waiting = which[i] && s->slots[i].is == AXI_SLOT_IS_RUNNING && !is_stopped(s, name);
        }
        if (is_waiting) {
            (void)usleep(STOP_POLL_MS * 1000);
        }
    }
    for (uint32_t i = 0; i < AXI_SLOTS_MAX; i++) {
        if (which[i] && s->slots[i].is != AXI_SLOT_IS_FREE) {
            clear(s, i);
        }
    }
}

/* ---- a daemon's life ---- */

static void find_left(struct axi_slots *s, uint32_t i)
{
    char name[32];
    char path[PATH_MAX];
    char text[16];
    unsigned long run;

    name_of(s, i, name);
    path_of(s, name, "run", path);
    if (axi_host_read_line(path, text, sizeof(text)) < 0) {
        return;
    }
    run = strtoul(text, NULL, 10);
    s->slots[i].run = run > 0 && run < UINT32_MAX ? (uint32_t)run : 1;
    s->slots[i].is = AXI_SLOT_IS_RUNNING; /* unless a look tells otherwise */
    axi_log(AXI_LOG_INFO, "partition-found", "name=%s run=%u", name, s->slots[i].run);
}

int axi_slots_init(struct axi_slots *s, const struct axi_slots_config *config)
{
    int r;

    memset(s, 0, sizeof(*s));
    s->config = *config;
    r = axi_runax_find(&s->runax, config->dir);
    for (uint32_t i = 0; i < AXI_SLOTS_MAX && r == 0; i++) {
        find_left(s, i);
    }
    if (r == 0) {
        (void)axi_slots_look(s);
    }
    return r;
}

bool axi_slots_look(struct axi_slots *s)
{
    bool is_changed = false;

    for (uint32_t i = 0; i < AXI_SLOTS_MAX; i++) {
        char reason[AXI_RUNAX_REASON_BYTES] = "it is gone: its machine was restarted, or somebody "
                                              "deleted it";
        char name[32];

        name_of(s, i, name);
        if (s->slots[i].is == AXI_SLOT_IS_RUNNING &&
            axi_runax_state(&s->runax, name, reason) != AXI_RUNAX_RUNNING) {
            fail(s, i, reason);
            is_changed = true;
        }
    }
    return is_changed;
}

json_t *axi_slots_report(const struct axi_slots *s)
{
    json_t *array = json_array();

    for (uint32_t i = 0; i < AXI_SLOTS_MAX; i++) {
        const struct axi_slot *slot = &s->slots[i];
        char name[32];

        name_of(s, i, name);
        if (slot->is != AXI_SLOT_IS_FREE) {
            (void)json_array_append_new(
                array, json_pack("{s:s, s:I, s:s, s:s}", "name", name, "run", (json_int_t)slot->run,
                                 "state", slot->is == AXI_SLOT_IS_RUNNING ? "running" : "failed",
                                 "reason", slot->reason));
        }
    }
    return array;
}

bool axi_slots_obey(struct axi_slots *s, const json_t *partitions)
{
    bool ends[AXI_SLOTS_MAX] = {false};
    uint32_t starts[AXI_SLOTS_MAX] = {0};
    bool is_done = false;

    for (uint32_t i = 0; i < AXI_SLOTS_MAX; i++) {
        const struct axi_slot *slot = &s->slots[i];
        char name[32];
        size_t index = 0;
        const json_t *item = NULL;

        name_of(s, i, name);
        json_array_foreach (partitions, index, item) {
            const char *whose = json_string_value(json_object_get(item, "name"));
            json_int_t run = json_integer_value(json_object_get(item, "run"));
            bool is_wanted = json_is_true(json_object_get(item, "wanted"));

            if (whose == NULL || strcmp(whose, name) != 0 || run < 0 || run >= UINT32_MAX) {
                continue;
            }
            starts[i] = is_wanted && (uint32_t)run > slot->run ? (uint32_t)run : 0;
            ends[i] = slot->is != AXI_SLOT_IS_FREE && (!is_wanted || starts[i] != 0);
        }
        is_done |= ends[i] || (starts[i] != 0 && s->masters[0] != '\0');
    }
    if (is_done) {
        end(s, ends);
    }
    for (uint32_t i = 0; i < AXI_SLOTS_MAX && s->masters[0] != '\0'; i++) {
        if (starts[i] != 0 && s->slots[i].is == AXI_SLOT_IS_FREE) {
            start(s, i, starts[i]);
        }
    }
    return is_done;
}

void axi_slots_end_all(struct axi_slots *s)
{
    bool all[AXI_SLOTS_MAX];

    for (uint32_t i = 0; i < AXI_SLOTS_MAX; i++) {
        all[i] = true;
    }
    end(s, all);
}
