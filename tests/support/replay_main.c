/* SPDX-License-Identifier: Apache-2.0 */
/* replay_main FILE.elf JOBS: prints "JOB STATE_CRC OUTPUT_CRC" like `axcan replay`, without the
 * host libraries, so that it can be compiled for another instruction set (tests/e2e/test_sdk.py).
 */
#include "replay/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static uint8_t file[1u << 20];

int main(int argc, char **argv)
{
    FILE *in = argc == 3 ? fopen(argv[1], "rb") : NULL;
    struct axi_replay *replay = NULL;
    struct axi_replay_result result;
    size_t bytes = 0;
    int error = 0;

    if (in == NULL) {
        return 2;
    }
    bytes = fread(file, 1, sizeof(file), in);
    (void)fclose(in);
    error = axi_replay_new(file, bytes, &replay);
    if (error != 0) {
        (void)fprintf(stderr, "%s\n", axi_error_text(error));
        return 1;
    }
    for (uint64_t job = 0; job < strtoull(argv[2], NULL, 10); job++) {
        axi_replay_job(replay, job, 0, &result);
        (void)printf("%" PRIu64 " %08" PRIx32 " %08" PRIx32 "\n", job, result.state_crc,
                     result.output_crc);
    }
    axi_replay_free(replay);
    return 0;
}
