/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target once over every file of the given folders: replay DIR... */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *data = NULL;
    int r = -1;

    if (file != NULL && fstat(fileno(file), &status) == 0) {
        size_t size = (size_t)status.st_size;

        data = malloc(size > 0 ? size : 1); /* exact size: a sanitizer sees a read behind the end */
        if (data != NULL && fread(data, 1, size, file) == size) {
            LLVMFuzzerTestOneInput(data, size);
            r = 0;
        }
    }
    free(data);
    if (file != NULL) {
        fclose(file);
    }
    return r;
}

static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    int count = 0;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char path[4096];

        if (entry->d_name[0] == '.') {
            continue;
        }
        if (snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= (int)sizeof(path) ||
            replay_file(path) != 0) {
            fprintf(stderr, "replay: cannot read %s/%s\n", folder, entry->d_name);
            count = -1;
            break;
        }
        count++;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int count = replay_folder(argv[i]);

        if (count <= 0) { /* an empty corpus tests nothing */
            fprintf(stderr, "replay: no inputs in %s\n", argv[i]);
            return 1;
        }
        printf("replay: %d inputs of %s\n", count, argv[i]);
    }
    return argc > 1 ? 0 : 1;
}
