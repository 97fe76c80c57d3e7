/* SPDX-License-Identifier: Apache-2.0 */
#include "replay/replay.h"

#include "core/elf.h"
#include "core/output.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define IMAGE_BYTES_MAX (64ull * 1024u * 1024u)

typedef int (*job_function)(const struct axc_job *job, void *state);

/* One job being run; the services find it by their job argument. */
struct run {
    struct axc_job job; /* first: services cast */
    struct axi_replay *replay;
    struct axi_replay_result result;
    uint32_t stop_step; /* 0: run to the end */
    jmp_buf stop;
};

struct axi_replay {
    struct axi_task_meta meta;
    uint8_t *image;
    size_t image_bytes;
    job_function entry;
    uint8_t *state;
};

static struct run *run_of(const struct axc_job *job)
{
    return (struct run *)(uintptr_t)job;
}

static void stub_log(const struct axc_job *job, uint32_t level, const char *text)
{
    (void)job;
    (void)level;
    (void)text;
}

static uint64_t stub_now(const struct axc_job *job)
{
    run_of(job)->result.is_comparable = false;
    return job->release_ns;
}

static void stub_checkpoint(const struct axc_job *job, uint32_t step)
{
    struct run *run = run_of(job);

    if (run->stop_step != 0 && step == run->stop_step) {
        longjmp(run->stop, 1);
    }
}

static int32_t put(const struct axc_job *job, const char *name, const void *value,
                   uint32_t value_bytes)
{
    struct run *run = run_of(job);
    int32_t refusal = axi_output_check(name, value_bytes, run->result.output_bytes);

    if (refusal != 0) {
        return refusal;
    }
    run->result.output_bytes += axi_output_name_bytes(name) + 4 + value_bytes;
    run->result.output_crc = axi_output_crc(run->result.output_crc, name, value, value_bytes);
    return 0;
}

static int32_t get(const struct axc_job *job, const char *name, void *buffer, uint32_t buffer_bytes,
                   uint64_t *ret_sequence)
{
    (void)name;
    (void)buffer;
    (void)buffer_bytes;
    (void)ret_sequence;
    run_of(job)->result.is_comparable = false;
    return AXC_SERVICE_ENOENT;
}

static const struct axc_services services = {
    .size = sizeof(services),
    .abi = AXC_ABI,
    .log = stub_log,
    .now = stub_now,
    .checkpoint = stub_checkpoint,
    .publish = put,
    .read_topic = get,
    .input = get,
    .output = put,
};

static int map_image(struct axi_replay *replay, const uint8_t *elf, size_t bytes)
{
    const struct axi_elf_limits limits = {.image_bytes_max = IMAGE_BYTES_MAX, .isa = AXI_ISA_HOST};
    struct axi_elf_plan plan;
    void *image = NULL;
    int error = axi_elf_check(elf, bytes, &limits, &plan);

    if (error != 0) {
        return error;
    }
    image =
        mmap(NULL, plan.image_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (image == MAP_FAILED) {
        return -AXC_ENOMEM;
    }
    replay->image = image;
    replay->image_bytes = plan.image_bytes;
    error = axi_elf_load(elf, bytes, &plan, image, (uint64_t)(uintptr_t)image);
    if (error != 0) {
        return error;
    }
    if (mprotect(image, plan.text_bytes, PROT_READ | PROT_EXEC) != 0) {
        return -AXC_EPERM;
    }
    __builtin___clear_cache(image, (char *)image + plan.text_bytes);
    replay->entry = (job_function)((uintptr_t)image + plan.entry);
    return 0;
}

static int init(struct axi_replay *replay, const uint8_t *elf, size_t bytes)
{
    size_t room = 0;
    int error = axi_meta_from_elf(elf, bytes, &replay->meta);

    if (error == 0) {
        error = map_image(replay, elf, bytes);
    }
    if (error != 0) {
        return error;
    }
    room = ((size_t)replay->meta.state_bytes + 63) / 64 * 64;
    replay->state = aligned_alloc(64, room);
    if (replay->state == NULL) {
        return -AXC_ENOMEM;
    }
    memset(replay->state, 0, room);
    return 0;
}

int axi_replay_new(const uint8_t *elf, size_t bytes, struct axi_replay **ret_replay)
{
    struct axi_replay *replay = calloc(1, sizeof(*replay));
    int error = replay == NULL ? -AXC_ENOMEM : init(replay, elf, bytes);

    if (error != 0) {
        axi_replay_free(replay);
        return error;
    }
    *ret_replay = replay;
    return 0;
}

void axi_replay_free(struct axi_replay *replay)
{
    if (replay == NULL) {
        return;
    }
    if (replay->image != NULL) {
        (void)munmap(replay->image, replay->image_bytes);
    }
    free(replay->state);
    free(replay);
}

const struct axi_task_meta *axi_replay_meta(const struct axi_replay *replay)
{
    return &replay->meta;
}

uint8_t *axi_replay_state(struct axi_replay *replay)
{
    return replay->state;
}

void axi_replay_step(struct axi_replay *replay, uint64_t job, uint32_t resume_step, uint32_t step,
                     struct axi_replay_result *ret_result)
{
    uint64_t period_ns = (uint64_t)replay->meta.period_us * 1000;
    struct run run = {
        .job = {.number = job,
                .release_ns = job * period_ns,
                .deadline_ns = job * period_ns + (uint64_t)replay->meta.deadline_us * 1000,
                .resume_step = resume_step,
                .services = &services},
        .replay = replay,
        .result = {.is_comparable = true},
        .stop_step = step,
    };

    if (setjmp(run.stop) == 0) {
        run.result.result = replay->entry(&run.job, replay->state);
    } else {
        run.result.is_step_reached = true;
    }
    run.result.state_crc = axi_crc32c(0, replay->state, replay->meta.state_bytes);
    *ret_result = run.result;
}

void axi_replay_job(struct axi_replay *replay, uint64_t job, uint32_t resume_step,
                    struct axi_replay_result *ret_result)
{
    axi_replay_step(replay, job, resume_step, 0, ret_result);
}
