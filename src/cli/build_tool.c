/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/build_tool.h"

#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 256u

struct arguments {
    const char *items[ARGUMENTS_MAX + 1];
    size_t count;
    bool is_full;
};

static void add(struct arguments *arguments, const char *item)
{
    if (arguments->count == ARGUMENTS_MAX) {
        arguments->is_full = true;
        return;
    }
    arguments->items[arguments->count++] = item;
    arguments->items[arguments->count] = NULL;
}

static void add_list(struct arguments *arguments, const char *const *list)
{
    for (; *list != NULL; list++) {
        add(arguments, *list);
    }
}

static bool is_sdk(const char *dir)
{
    static const char *const needed[] = {"task.ld", "include/axcan/task.h"};
    char path[AXI_BUILD_PATH_BYTES + 64];

    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, needed[i]);
        if (access(path, R_OK) != 0) {
            return false;
        }
    }
    return true;
}

/* "DIR of this program"/relative. */
static bool beside_program(const char *relative, char ret_dir[AXI_BUILD_PATH_BYTES])
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
    return snprintf(ret_dir, AXI_BUILD_PATH_BYTES, "%s/%s", program, relative) <
               (int)AXI_BUILD_PATH_BYTES &&
           is_sdk(ret_dir);
}

int axi_build_find_sdk(char ret_dir[AXI_BUILD_PATH_BYTES])
{
    const char *environment = getenv("AXCAN_SDK");

    if (environment != NULL && *environment != '\0') {
        (void)snprintf(ret_dir, AXI_BUILD_PATH_BYTES, "%s", environment);
        return is_sdk(ret_dir) ? 0 : -AXC_ENOENT;
    }
    if (beside_program("../../sdk", ret_dir) ||
        beside_program("../" AXI_SDK_LIBDIR "/axcan/sdk", ret_dir)) {
        return 0;
    }
    (void)snprintf(ret_dir, AXI_BUILD_PATH_BYTES, "%s", AXI_SDK_DIR);
    return is_sdk(ret_dir) ? 0 : -AXC_ENOENT;
}

const char *axi_build_compiler(enum axi_isa isa)
{
    return isa == AXI_ISA_X86_64 ? "x86_64-linux-gnu-gcc" : "aarch64-linux-gnu-gcc";
}

static int run(const struct arguments *arguments)
{
    pid_t child = 0;
    int status = 0;
    int error = 0;

    if (arguments->is_full) {
        return -AXC_EFULL;
    }
    /* posix_spawn wants char *const[]; it does not write. */
    error = posix_spawnp(&child, arguments->items[0], NULL, NULL,
                         (char *const *)(uintptr_t)arguments->items, environ);
    if (error != 0) {
        return error == ENOENT ? -AXC_ENOENT : -AXC_EIO;
    }
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -AXC_EIO;
        }
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -AXC_EINVALID;
}

/* What makes the ELF self-contained, small and the same arithmetic on every instruction set
 * (-ffp-contract=off: no fused multiply-add). notext lets the linker name an undefined symbol
 * instead of complaining of its relocation; the loader's check refuses text relocations anyway. */
static const char *const common_flags[] = {"-std=gnu17",
                                           "-Os",
                                           "-g",
                                           "-fno-eliminate-unused-debug-types",
                                           "-Wall",
                                           "-Wextra",
                                           "-fPIE",
                                           "-ffreestanding",
                                           "-fvisibility=hidden",
                                           "-ffunction-sections",
                                           "-fdata-sections",
                                           "-fno-stack-protector",
                                           "-fno-asynchronous-unwind-tables",
                                           "-fno-unwind-tables",
                                           "-fno-math-errno",
                                           "-ffp-contract=off",
                                           "-static-pie",
                                           "-nostdlib",
                                           "-nostartfiles",
                                           "-Wl,-z,max-page-size=4096,-z,norelro,-z,defs,-z,notext",
                                           "-Wl,--hash-style=sysv,--build-id=none,--gc-sections",
                                           NULL};
static const char *const x86_64_flags[] = {"-fcf-protection=none", NULL};
static const char *const aarch64_flags[] = {"-march=armv8-a", "-mno-outline-atomics", NULL};

int axi_build_link(const struct axi_build_job *job, const char *out)
{
    char include[AXI_BUILD_PATH_BYTES + 64];
    char script[AXI_BUILD_PATH_BYTES + 64];
    char library[AXI_BUILD_PATH_BYTES + 64];
    struct arguments arguments = {0};
    bool is_x86 = job->isa == AXI_ISA_X86_64;

    (void)snprintf(include, sizeof(include), "-I%s/include", job->sdk);
    (void)snprintf(script, sizeof(script), "-Wl,-T,%s/task.ld", job->sdk);
    (void)snprintf(library, sizeof(library), "%s/libaxcan-task-%s.a", job->sdk,
                   is_x86 ? "x86_64" : "aarch64");
    add(&arguments, axi_build_compiler(job->isa));
    add_list(&arguments, common_flags);
    add_list(&arguments, is_x86 ? x86_64_flags : aarch64_flags);
    if (job->is_quiet) {
        add(&arguments, "-w");
    }
    add_list(&arguments, job->flags);
    add(&arguments, include);
    add_list(&arguments, job->sources);
    add(&arguments, script);
    add(&arguments, library);
    add(&arguments, "-o");
    add(&arguments, out);
    return run(&arguments);
}

int axi_build_strip(enum axi_isa isa, const char *in, const char *out)
{
    struct arguments arguments = {0};

    add(&arguments, isa == AXI_ISA_X86_64 ? "x86_64-linux-gnu-strip" : "aarch64-linux-gnu-strip");
    add(&arguments, "-s");
    add(&arguments, in);
    add(&arguments, "-o");
    add(&arguments, out);
    return run(&arguments);
}
