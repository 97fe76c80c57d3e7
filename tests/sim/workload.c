/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks, and clients that deploy, migrate, stop, start and delete them and wait for the answers. */
#include "cluster.h"

#include <stdlib.h>
#include <string.h>

enum { POLL_NS = 10000000, OP_LIMIT_S = 45 };

struct sim_master *sim_listening(struct sim_cluster *cluster)
{
    struct sim_master *host = &cluster->masters[cluster->current];

    return host->master != NULL && !host->is_paused && !host->is_dying ? host : NULL;
}

void sim_image_make(struct sim_cluster *cluster, uint32_t index)
{
    struct sim_clock *clock = &cluster->clock;
    struct sim_image *image = &cluster->images[index];
    struct axi_image_info *info = &image->info;
    struct axi_task_spec *spec = &info->spec;
    uint64_t period_ms = sim_between(clock, 2, 10) * 10;

    memset(image, 0, sizeof *image);
    for (uint32_t i = 0; i < 32; i++) {
        image->digest[i] = (uint8_t)sim_random(clock);
        spec->schema_hash[i] = (uint8_t)sim_random(clock);
        info->digest[i] = image->digest[i] ^ 0x5a;
    }
    (void)snprintf(info->reference, sizeof info->reference, "image%u", index);
    (void)snprintf(spec->name, sizeof spec->name, "task%u", index);
    spec->period_ns = period_ms * SIM_MS;
    spec->deadline_ns = spec->period_ns;
    spec->jobs = sim_chance(clock, 250000) ? sim_between(clock, 20, 150) : 0;
    spec->state_bytes = SIM_STATE_BYTES;
    spec->state_version = 1;
    spec->stack_bytes = 16384;
    spec->checkpoint_every = sim_chance(clock, 300000) ? 3 : 1;
    spec->restart_limit = 3;
    spec->overrun_policy = sim_chance(clock, 200000) ? AXC_POLICY_RESTART : AXC_POLICY_KILL_JOB;
    spec->fault_policy = AXC_POLICY_KILL_JOB;
    info->entry_count = 1;
    (void)strcpy(info->entries[0].platform, "linux-x86_64");
    memcpy(info->entries[0].elf_digest, image->digest, 32);
    info->entries[0].elf_bytes = sim_between(clock, 300, SIM_IMAGE_BYTES_MAX);
    info->entries[0].wcet_ns = period_ms * SIM_MS * sim_between(clock, 2, 15) / 100;
    for (uint64_t i = 0; i < info->entries[0].elf_bytes; i += 8) {
        uint64_t word = sim_random(clock);

        memcpy(&image->bytes[i], &word, i + 8 <= SIM_IMAGE_BYTES_MAX ? 8 : 1);
    }
}

void sim_workload_prepare(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;

    cluster->task_count = (uint32_t)sim_between(clock, 3, SIM_PLAIN_TASKS_MAX);
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        sim_image_make(cluster, i);
        cluster->tasks[i].jobs = cluster->images[i].info.spec.jobs;
    }
    /* the last one needs more than any node has */
    cluster->tasks[cluster->task_count - 1].is_refused = true;
    cluster->images[cluster->task_count - 1].info.entries[0].wcet_ns =
        cluster->images[cluster->task_count - 1].info.spec.period_ns * 6 / 5;
}

int sim_image_blob(const struct sim_cluster *cluster, const uint8_t digest[32], uint8_t **ret_bytes,
                   size_t *ret_size)
{
    for (uint32_t i = 0; i < cluster->task_count; i++) {
        const struct sim_image *image = &cluster->images[i];
        size_t bytes = (size_t)image->info.entries[0].elf_bytes;

        if (memcmp(image->digest, digest, 32) == 0) {
            *ret_bytes = malloc(bytes);
            if (*ret_bytes == NULL) {
                abort();
            }
            memcpy(*ret_bytes, image->bytes, bytes);
            *ret_size = bytes;
            return 0;
        }
    }
    return -AXC_ENOENT;
}

void sim_workload_note_id(struct sim_cluster *cluster, uint32_t image, uint64_t task_id)
{
    struct sim_task *task = &cluster->tasks[image];

    for (uint32_t i = 0; i < task->id_count; i++) {
        if (task->ids[i] == task_id) {
            return;
        }
    }
    if (task->id_count < sizeof task->ids / sizeof task->ids[0]) {
        task->ids[task->id_count++] = task_id;
    }
}

uint64_t sim_image_salt(const struct sim_cluster *cluster, uint32_t image, uint64_t task_id)
{
    bool is_own = image >= cluster->task_count || cluster->images[image].salt == 0;

    return is_own ? task_id : cluster->images[image].salt;
}

static void end_silence(struct sim_cluster *cluster, struct sim_task *task)
{
    if (task->silence_count > 0 && task->silences[task->silence_count - 1].to_ns == 0) {
        task->silences[task->silence_count - 1].to_ns = cluster->clock.now_ns;
    }
}

static void begin_silence(struct sim_cluster *cluster, struct sim_task *task)
{
    end_silence(cluster, task);
    if (task->silence_count < 64) {
        task->silences[task->silence_count++] =
            (struct sim_silence){.from_ns = cluster->clock.now_ns};
    }
}

static bool is_asked(const struct sim_cluster *cluster, uint32_t task)
{
    for (uint32_t i = 0; i < cluster->request_count; i++) {
        if (cluster->requests[i].is_open && cluster->requests[i].task == task) {
            return true;
        }
    }
    return false;
}

static int call(struct sim_cluster *cluster, struct axi_master *master, char kind, uint32_t index,
                uint64_t *ret_op, char *reason)
{
    struct sim_clock *clock = &cluster->clock;
    const char *name = cluster->images[index].info.spec.name;
    char node[8];
    const char *target = NULL;
    json_t *request = NULL;
    int error = 0;

    (void)snprintf(node, sizeof node, "n%u", (uint32_t)sim_below(clock, cluster->node_count));
    target = sim_chance(clock, 800000) ? node : NULL;
    switch (kind) {
    case 'd':
        request = json_pack("{s:s, s:b}", "image", cluster->images[index].info.reference, "standby",
                            cluster->manager_count > 0 && sim_chance(clock, 400000));
        error = axi_master_deploy(master, request, ret_op, reason);
        json_decref(request);
        return error;
    case 'm':
        return target != NULL ? axi_master_migrate(master, name, target, ret_op, reason)
                              : axi_master_offload(master, name, ret_op, reason);
    case 's':
        return axi_master_stop(master, name, ret_op, reason);
    case 'r':
        return axi_master_start(master, name, target, ret_op, reason);
    default:
        return axi_master_delete(master, name, ret_op, reason);
    }
}

static void ask(struct sim_cluster *cluster, char kind, uint32_t index)
{
    struct sim_master *host = sim_listening(cluster);
    struct sim_task *task = &cluster->tasks[index];
    struct sim_request *request = &cluster->requests[cluster->request_count];
    char reason[AXI_REASON_BYTES] = "";
    uint64_t op = 0;
    int error = 0;

    if (host == NULL || cluster->request_count >= 1024) {
        return;
    }
    if (kind == 'd' || kind == 'r') {
        end_silence(cluster, task);
    }
    error = call(cluster, host->master, kind, index, &op, reason);
    sim_log(cluster, "client", "%c task%u: %d %s (op %llu)", kind, index, error, reason,
            (unsigned long long)op);
    if (error == 0) {
        *request = (struct sim_request){
            kind, index, cluster->current, op, host->life, cluster->clock.now_ns, true};
        cluster->request_count++;
        cluster->counts.requests++;
        task->intent = kind == 'm' ? task->intent : SIM_UNSURE;
    }
    if ((error == -AXC_EUNAVAILABLE || error == -AXC_ETIMEOUT || error == -AXC_ECONFLICT) &&
        kind != 'm') {
        task->intent = SIM_UNSURE; /* it may or may not have come into force */
    }
    sim_master_touch(host);
}

/* Back and forth: commands of the former epoch may still be under way when the task returns. */
static void bounce(void *context, uint64_t index)
{
    struct sim_cluster *cluster = context;

    if (cluster->clock.now_ns < cluster->faults_end_ns) {
        if (sim_chance(&cluster->clock, 300000)) {
            sim_network_cut_some(cluster->network);
        }
        ask(cluster, 'm', (uint32_t)index);
    }
}

static void answered(struct sim_cluster *cluster, struct sim_request *request, const char *state)
{
    struct sim_task *task = &cluster->tasks[request->task];
    bool is_done = strcmp(state, "done") == 0;

    request->is_open = false;
    sim_log(cluster, "client", "%c task%u: %s", request->kind, request->task, state);
    if (request->kind == 'm') {
        cluster->counts.migrations += is_done;
        cluster->counts.aborted += !is_done;
        if (sim_chance(&cluster->clock, 600000)) {
            sim_at(&cluster->clock, cluster->clock.now_ns + sim_below(&cluster->clock, 40 * SIM_MS),
                   bounce, cluster, request->task);
        }
        return;
    }
    if (!is_done) {
        return;
    }
    if (request->kind == 'd' && task->is_refused) {
        (void)axi_verdict_violate(cluster->verdict, AXI_I3, NULL,
                                  "task%u was accepted although no node admits it", request->task);
    }
    if (request->kind == 'd' || request->kind == 'r') {
        task->intent = SIM_RUNNING;
    } else {
        task->intent = request->kind == 's' ? SIM_STOPPED : SIM_ABSENT;
        begin_silence(cluster, task);
    }
}

/* A client asks its master for the operation's state; a dead master never answers. */
static void poll_request(struct sim_cluster *cluster, struct sim_request *request)
{
    struct sim_master *host = &cluster->masters[request->master];
    json_t *op = NULL;
    const char *state = NULL;

    if (host->master == NULL || host->life != request->life) {
        request->is_open = false;
        sim_log(cluster, "client", "%c task%u: its master died", request->kind, request->task);
        return;
    }
    if (host->is_paused || host->is_dying) {
        return;
    }
    op = axi_master_op(host->master, request->op);
    state = json_string_value(json_object_get(op, "state"));
    if (state == NULL) {
        (void)axi_verdict_violate(cluster->verdict, AXI_I5, NULL,
                                  "operation %c of task%u was forgotten", request->kind,
                                  request->task);
        request->is_open = false;
    } else if (strcmp(state, "running") != 0) {
        answered(cluster, request, state);
    } else if (cluster->clock.now_ns - request->since_ns > OP_LIMIT_S * SIM_S) {
        (void)axi_verdict_violate(cluster->verdict, AXI_I5, NULL,
                                  "operation %c of task%u has not ended after %d s", request->kind,
                                  request->task, OP_LIMIT_S);
        request->is_open = false;
    }
    json_decref(op);
}

static void poll_all(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;

    (void)argument;
    for (uint32_t i = 0; i < cluster->request_count; i++) {
        if (cluster->requests[i].is_open) {
            poll_request(cluster, &cluster->requests[i]);
        }
    }
    sim_at(&cluster->clock, cluster->clock.now_ns + POLL_NS, poll_all, cluster, 0);
}

/* A client looks before it asks: what has ended is deleted and deployed anew. */
static bool has_ended(struct sim_cluster *cluster, uint32_t index)
{
    struct sim_master *host = sim_listening(cluster);
    json_t *task =
        host == NULL ? NULL : axi_master_task(host->master, cluster->images[index].info.spec.name);
    const char *state = json_string_value(json_object_get(task, "state"));
    bool is_ended = state != NULL && (strcmp(state, "lost") == 0 || strcmp(state, "failed") == 0 ||
                                      strcmp(state, "completed") == 0);

    json_decref(task);
    return is_ended;
}

static char choose(struct sim_cluster *cluster, uint32_t index)
{
    const struct sim_task *task = &cluster->tasks[index];
    uint64_t dice = sim_below(&cluster->clock, 100);

    if (has_ended(cluster, index)) {
        return 'x';
    }
    if (task->intent == SIM_ABSENT) {
        return 'd';
    }
    if (task->intent == SIM_STOPPED) {
        return dice < 80 ? 'r' : 'x';
    }
    if (task->intent == SIM_UNSURE && dice < 40) {
        return dice < 20 ? 'd' : 'r';
    }
    return dice < 85 ? 'm' : dice < 94 ? 's' : 'x';
}

static void act(void *context, uint64_t argument)
{
    struct sim_cluster *cluster = context;
    struct sim_clock *clock = &cluster->clock;
    uint32_t index = (uint32_t)sim_below(clock, cluster->task_count);

    (void)argument;
    if (clock->now_ns > cluster->faults_end_ns) {
        return;
    }
    if (!is_asked(cluster, index) || sim_chance(clock, 50000)) {
        ask(cluster, choose(cluster, index), index);
    }
    sim_at(clock, clock->now_ns + sim_between(clock, 20 * SIM_MS, 300 * SIM_MS), act, cluster, 0);
}

static void deploy(void *context, uint64_t index)
{
    ask(context, 'd', (uint32_t)index);
}

void sim_workload_start(struct sim_cluster *cluster)
{
    struct sim_clock *clock = &cluster->clock;

    for (uint32_t i = 0; i < cluster->task_count; i++) {
        sim_at(clock, clock->now_ns + sim_between(clock, 200 * SIM_MS, 900 * SIM_MS), deploy,
               cluster, i);
    }
    sim_at(clock, clock->now_ns + SIM_S, act, cluster, 0);
    sim_at(clock, clock->now_ns + POLL_NS, poll_all, cluster, 0);
}
