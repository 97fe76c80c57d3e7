/* SPDX-License-Identifier: Apache-2.0 */
#include "hv_guest.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 30000
#define MARKER "AXGUEST:"

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A copy of the guest with another script. */
static int scripted_copy(const char *path, const char *script)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (from < 0 || fstat(from, &status) != 0) {
        fail_msg("%s: not there", path);
    }
    size_t bytes = (size_t)status.st_size;
    int copy = memfd_create("guest", MFD_CLOEXEC);
    assert_int_equal(ftruncate(copy, status.st_size), 0);
    char *text = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
    assert_true(text != MAP_FAILED);
    assert_int_equal(read(from, text, bytes), bytes);
    if (script != NULL) {
        char *at = memmem(text, bytes, MARKER, strlen(MARKER));
        assert_non_null(at);
        strcpy(at + strlen(MARKER), script);
    }
    (void)munmap(text, bytes);
    (void)close(from);
    return copy;
}

void hv_run_init(struct hv_run *run, const struct hv_machine *machine, const char *script)
{
    char path[512];
    memset(run, 0, sizeof(*run));
    run->machine = machine;
    run->hv = axi_hv_find(machine->hv);
    assert_non_null(run->hv);
    axi_platform_default(&run->platform);
    strcpy(run->folder, "/tmp/axcan-hv-XXXXXX");
    assert_non_null(mkdtemp(run->folder));
    run->host.platform = &run->platform;
    run->host.state_fd = open(run->folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);

    struct axi_partition *p = &run->partition;
    strcpy(p->id, "test-guest");
    axi_partition_name(p);
    strcpy(p->board, machine->board);
    strcpy(p->hv, machine->hv);
    p->cpu_count = 1;
    axi_cpuset_add(&p->cpus, 0);
    p->memory[p->memory_count++] = (struct axi_memory){
        .host_address = AXI_ANY,
        .guest_address = machine->ram,
        .bytes = machine->memory_bytes,
        .flags = AXI_MEMORY_READ | AXI_MEMORY_WRITE | AXI_MEMORY_EXECUTE | AXI_MEMORY_LOADABLE,
    };
    p->console.kind = AXI_CONSOLE_DEFAULT;
    const char *folder = getenv("AXCAN_GUESTS");
    (void)snprintf(path, sizeof(path), "%s/%s", folder != NULL ? folder : ".", machine->file);
    struct axi_partition_image *image = &p->images[p->image_count++];
    *image = (struct axi_partition_image){.fd = scripted_copy(path, script),
                                          .format = AXI_IMAGE_ELF,
                                          .core = -1,
                                          .load_address = AXI_ANY,
                                          .entry = AXI_ANY};
    (void)snprintf(image->path, sizeof(image->path), "boot/%s", machine->file);
    struct stat status;
    assert_int_equal(fstat(image->fd, &status), 0);
    image->bytes = (uint64_t)status.st_size;
}

void hv_run_prepare(struct hv_run *run)
{
    if (run->hv->prepare(&run->partition, &run->host, &run->report, &run->guest) != 0 ||
        run->hv->verify(run->guest, &run->report) != 0) {
        fail_msg("%s", axi_report_text(&run->report));
    }
}

void hv_run_start(struct hv_run *run)
{
    hv_run_prepare(run);
    if (run->hv->start(run->guest, &run->report) != 0) {
        fail_msg("%s", axi_report_text(&run->report));
    }
}

/* False at the end of the output. */
static bool collect(struct hv_run *run)
{
    size_t room = sizeof(run->output) - 1 - run->output_bytes;
    char spill[4096];
    ssize_t n = read(run->hv->console_fd(run->guest), spill, sizeof(spill));
    if (n > 0) {
        size_t kept = (size_t)n < room ? (size_t)n : room;
        memcpy(run->output + run->output_bytes, spill, kept);
        run->output_bytes += kept;
        run->output[run->output_bytes] = '\0';
    }
    return n != 0;
}

/* One turn of what a monitor does. */
static bool turn(struct hv_run *run, int ms)
{
    struct pollfd fds[2] = {{.fd = run->hv->event_fd(run->guest), .events = POLLIN},
                            {.fd = run->hv->console_fd(run->guest), .events = POLLIN}};
    (void)poll(fds, 2, ms);
    bool is_open = fds[1].revents == 0 || collect(run);
    if (fds[0].revents != 0) {
        run->hv->dispatch(run->guest);
    }
    return is_open;
}

void hv_run_until_end(struct hv_run *run, struct axi_hv_status *ret_status)
{
    int64_t end = now_ms() + PATIENCE_MS;
    bool is_open = true;
    do {
        is_open = turn(run, 100) && is_open;
        run->hv->status(run->guest, ret_status);
        if (now_ms() > end) {
            fail_msg("the guest does not end; it said: %s", run->output);
        }
    } while (ret_status->state < AXI_HV_STOPPED || is_open);
}

void hv_run_until(struct hv_run *run, const char *text)
{
    int64_t end = now_ms() + PATIENCE_MS;
    while (strstr(run->output, text) == NULL) {
        (void)turn(run, 100);
        if (now_ms() > end) {
            fail_msg("no \"%s\" in what the guest says: %s", text, run->output);
        }
    }
}

void hv_run_for(struct hv_run *run, int ms)
{
    int64_t end = now_ms() + ms;
    for (int64_t left = ms; left > 0; left = end - now_ms()) {
        (void)turn(run, (int)left);
    }
}

void hv_run_type(const struct hv_run *run, const char *text)
{
    assert_int_equal(write(run->hv->console_fd(run->guest), text, strlen(text)), strlen(text));
}

/* Whatever the test did, nothing may be left. */
void hv_run_deinit(struct hv_run *run)
{
    run->hv->destroy(run->guest);
    assert_int_equal(run->hv->reclaim(&run->partition, &run->host, &run->report), 0);
    for (uint32_t i = 0; i < run->partition.image_count; i++) {
        (void)close(run->partition.images[i].fd);
    }
    (void)close(run->host.state_fd);
    assert_int_equal(rmdir(run->folder), 0);
}
