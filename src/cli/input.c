/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/input.h"

#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_all(FILE *from, size_t limit, size_t *ret_size)
{
    char *text = NULL;
    size_t room = 0;
    size_t size = 0;

    do {
        char *grown = NULL;

        room = room == 0 ? 65536 : 2 * room;
        grown = size > limit ? NULL : realloc(text, room);
        if (grown == NULL) {
            free(text);
            errno = EFBIG;
            return NULL;
        }
        text = grown;
        size += fread(text + size, 1, room - size - 1, from);
    } while (size == room - 1);
    text[size] = '\0';
    *ret_size = size;
    return text;
}

char *axi_cli_read(const char *command, const char *file, size_t limit, size_t *ret_size)
{
    FILE *from = strcmp(file, "-") == 0 ? stdin : fopen(file, "r");
    char *text = from != NULL ? read_all(from, limit, ret_size) : NULL;

    if (text != NULL && (ferror(from) || *ret_size > limit)) {
        errno = *ret_size > limit ? EFBIG : errno;
        free(text);
        text = NULL;
    }
    if (text == NULL) {
        (void)axi_cli_fail(command, "%s: %s", file, strerror(errno));
    }
    if (from != NULL && from != stdin) {
        (void)fclose(from);
    }
    return text;
}
