/* SPDX-License-Identifier: Apache-2.0 */
#include "host/programs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool axi_beside_program(const char *relative, char *ret_path, size_t size)
{
    char program[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", program, sizeof(program) - 1);
    char *slash = NULL;

    if (length < 0) {
        return false;
    }
    program[length] = '\0';
    slash = strrchr(program, '/');
    if (slash == NULL) {
        return false;
    }
    *slash = '\0';
    return snprintf(ret_path, size, "%s/%s", program, relative) < (int)size;
}

int axi_find_program(const char *name, char *ret_path, size_t size)
{
    static const char *const places[] = {
        "",         "../master/", "../node/",      "../cms/",
        "../vote/", "../host/",   "../runax/oci/", "../libexec/axcan/"};
    char relative[PATH_MAX];

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        (void)snprintf(relative, sizeof(relative), "%s%s", places[i], name);
        if (axi_beside_program(relative, ret_path, size) && access(ret_path, X_OK) == 0) {
            return 0;
        }
    }
    const char *path = getenv("PATH");
    char *copy = path != NULL ? strdup(path) : NULL;
    int r = -AXC_ENOENT;

    for (char *part = copy != NULL ? strtok(copy, ":") : NULL; part != NULL && r < 0;
         part = strtok(NULL, ":")) {
        (void)snprintf(ret_path, size, "%s/%s", part, name);
        r = access(ret_path, X_OK) == 0 ? 0 : -AXC_ENOENT;
    }
    free(copy);
    return r;
}
