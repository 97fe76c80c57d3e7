/* SPDX-License-Identifier: Apache-2.0 */
/* Compiling and linking a task: where the SDK is, which compiler and flags, how it is run. */
#ifndef AXI_CLI_BUILD_TOOL_H
#define AXI_CLI_BUILD_TOOL_H

#include "base/error.h"
#include "core/elf.h"

#include <stdbool.h>

#define AXI_BUILD_PATH_BYTES 4096u

/* Finds the SDK folder (with task.ld, include/, libaxcan-task-*.a): $AXCAN_SDK, the build tree this
 * program lies in, the installed prefix. -AXC_ENOENT with the places looked at in ret_dir. */
AXC_MUST_USE int axi_build_find_sdk(char ret_dir[AXI_BUILD_PATH_BYTES]);

struct axi_build_job {
    enum axi_isa isa;
    const char *sdk;
    const char *const *sources; /* NULL-terminated */
    const char *const *flags;   /* NULL-terminated: -I..., -D... and --cflag's */
    bool is_quiet;              /* no warnings: another job prints the same ones */
};

/* Compiles and links to a position-independent ELF with debug information; the compiler's messages
 * go to stderr as they are. -AXC_ENOENT when the compiler is not installed, -AXC_EINVALID when it
 * fails. */
AXC_MUST_USE int axi_build_link(const struct axi_build_job *job, const char *out);

/* Removes symbols and debug information. Errors as above. */
AXC_MUST_USE int axi_build_strip(enum axi_isa isa, const char *in, const char *out);

/* The compiler's name, for messages. Static storage. */
const char *axi_build_compiler(enum axi_isa isa);

#endif
