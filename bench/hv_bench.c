/* SPDX-License-Identifier: Apache-2.0 */
/* hv_bench GUESTS: the hypervisor backends alone, without runtime, bundle and processes around
 * them; one JSON figure a line (see bench/run). GUESTS is the folder with the test guests. */
#include "runax/hv/hv.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define RUNS_MAX 200

/* mov $0x3f8,%dx; mov $'h',%al; out %al,(%dx); 1: hlt; jmp 1b */
static const uint8_t first_byte_x86[] = {0x66, 0xba, 0xf8, 0x03, 0xb0, 'h', 0xee, 0xf4, 0xeb, 0xfd};

struct machine {
    const char *hv, *board;
    const uint8_t *code; /* raw, instead of the test guest */
    size_t code_bytes;
    uint64_t ram;
    int runs;
    const char *prepare_goal, *start_goal;
};

static const struct machine machines[] = {
    {"kvm", "kvm-x86", first_byte_x86, sizeof(first_byte_x86), 0, 200, "", "<= 200 us"},
    {"qemu", "virt", NULL, 0, 0x40000000, 30, "", "<= 2000 us"},
    {"qemu", "zcu102", NULL, 0, 0, 10, "", "<= 2000 us"},
};

static double now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof(values[0]), compare);
    return values[count / 2];
}

static void fill(const struct machine *m, int image, struct axi_partition *p)
{
    struct stat info;
    (void)fstat(image, &info);
    memset(p, 0, sizeof(*p));
    strcpy(p->id, "bench");
    axi_partition_name(p);
    strcpy(p->board, m->board);
    p->cpu_count = 1;
    axi_cpuset_add(&p->cpus, (uint32_t)sysconf(_SC_NPROCESSORS_ONLN) - 1);
    p->memory_count = 1;
    p->memory[0] = (struct axi_memory){
        .host_address = AXI_ANY, .guest_address = m->ram, .bytes = 4 * MIB, .flags = 0x27};
    p->console.kind = AXI_CONSOLE_DEFAULT;
    p->image_count = 1;
    p->images[0] =
        (struct axi_partition_image){.fd = image,
                                     .bytes = (uint64_t)info.st_size,
                                     .format = m->code != NULL ? AXI_IMAGE_RAW : AXI_IMAGE_ELF,
                                     .core = -1,
                                     .load_address = m->code != NULL ? MIB : AXI_ANY,
                                     .entry = AXI_ANY};
}

/* Prepare, start, first byte of the console, destroy. */
static int measure(const struct axi_hv *hv, const struct axi_partition *p,
                   const struct axi_hv_host *host, struct axi_report *report, double *ret_prepare,
                   double *ret_first)
{
    struct axi_hv_guest *guest = NULL;
    double begin = now_us();
    int rc = hv->prepare(p, host, report, &guest);
    double prepared = now_us();
    if (rc == 0) {
        rc = hv->start(guest, report);
    }
    if (rc == 0) {
        struct pollfd console = {.fd = hv->console_fd(guest), .events = POLLIN};
        rc = poll(&console, 1, 10000) == 1 ? 0 : -AXC_ETIMEOUT;
        *ret_prepare = prepared - begin;
        *ret_first = now_us() - prepared;
    }
    hv->destroy(guest);
    return rc;
}

static int open_image(const struct machine *m, const char *folder)
{
    char path[512];
    if (m->code == NULL) {
        (void)snprintf(path, sizeof(path), "%s/guest-%s.elf", folder, m->board);
        return open(path, O_RDONLY | O_CLOEXEC);
    }
    int fd = memfd_create("guest", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, m->code, m->code_bytes) != (ssize_t)m->code_bytes) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static void print(const struct machine *m, const char *what, double value, const char *goal,
                  const char *note)
{
    (void)printf("{\"name\": \"%s %s: %s\", \"value\": %.1f, \"unit\": \"us\", \"goal\": \"%s\", "
                 "\"note\": \"%s\"}\n",
                 m->hv, m->board, what, value, goal, note);
}

static int bench(const struct machine *m, const char *folder, const struct axi_hv_host *host)
{
    double prepare[RUNS_MAX], first[RUNS_MAX];
    struct axi_report report = {0};
    const struct axi_hv *hv = axi_hv_find(m->hv);
    int image = open_image(m, folder);
    if (image < 0) {
        (void)fprintf(stderr, "hv_bench: no guest for %s in %s\n", m->board, folder);
        return 1;
    }
    struct axi_partition p;
    fill(m, image, &p);
    if (hv->probe(host->platform, &p, &report) != 0) {
        (void)fprintf(stderr, "hv_bench: %s skipped: %s\n", m->board, axi_report_text(&report));
        (void)close(image);
        return 0;
    }
    int rc = 0;
    for (int i = 0; i < m->runs && rc == 0; i++) {
        rc = measure(hv, &p, host, &report, &prepare[i], &first[i]);
    }
    (void)close(image);
    if (rc != 0) {
        (void)fprintf(stderr, "hv_bench: %s: %s\n", m->board, axi_report_text(&report));
        return 1;
    }
    print(m, "prepare", median(prepare, m->runs), m->prepare_goal,
          "memory, image, processor; nothing runs");
    print(m, "gate to the first byte", median(first, m->runs), m->start_goal,
          "start, the guest's first exit, seen by the monitor's thread");
    return 0;
}

int main(int argc, char **argv)
{
    struct axi_platform platform;
    char folder[] = "/tmp/axcan-hv-bench-XXXXXX";
    if (argc != 2 || mkdtemp(folder) == NULL) {
        (void)fprintf(stderr, "usage: hv_bench GUESTS\n");
        return 2;
    }
    axi_platform_default(&platform);
    struct axi_hv_host host = {.platform = &platform,
                               .state_fd = open(folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC)};
    int failed = 0;
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        failed += bench(&machines[i], argv[1], &host);
    }
    (void)close(host.state_fd);
    (void)rmdir(folder);
    return failed != 0 ? 1 : 0;
}
