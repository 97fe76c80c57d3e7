/* SPDX-License-Identifier: Apache-2.0 */
/* Time from a partition to the bytes of its cell configuration, on one line. */
#include "runax/hv/jailhouse/cell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 10001 };

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int main(void)
{
    static uint64_t times[ROUNDS];
    static uint8_t bytes[AXI_CELL_BYTES_MAX];
    static struct axi_cell cell;
    struct axi_platform platform = {.isa = "aarch64", .jailhouse.gic_address = 0xf9010000};
    struct axi_partition partition = {
        .name = "bench",
        .cpu_count = 1,
        .cpus.bits = {8},
        .memory = {{.host_address = 0x800600000, .bytes = 0x10000, .flags = 0x27}},
        .memory_count = 1,
        .channels = {{.host_address = 0x7faf0000,
                      .guest_address = 0x7faf0000,
                      .bytes = 0x10000,
                      .peers = 3,
                      .pci_bdf = 8,
                      .irq = 145}},
        .channel_count = 1,
    };
    struct axi_report report;
    size_t length = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t begin = now_ns();
        if (axi_cell_of_partition(&platform, &partition, &cell, &report) != 0 ||
            axi_cell_write(&cell, AXI_CELL_SIEMENS14, bytes, sizeof(bytes), &length, &report) !=
                0) {
            (void)fprintf(stderr, "%s\n", report.text);
            return 1;
        }
        times[i] = now_ns() - begin;
    }
    qsort(times, ROUNDS, sizeof(times[0]), compare);
    (void)printf("cell configuration of %zu bytes: median %llu ns, 99.9 %% %llu ns (%d rounds)\n",
                 length, (unsigned long long)times[ROUNDS / 2],
                 (unsigned long long)times[ROUNDS / 1000 * 999], ROUNDS);
    return 0;
}
