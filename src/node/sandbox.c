/* SPDX-License-Identifier: Apache-2.0 */
#include "node/sandbox.h"

#include "base/error.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __aarch64__
#define OUR_ARCH AUDIT_ARCH_AARCH64
#else
#define OUR_ARCH AUDIT_ARCH_X86_64
#endif

#define LOAD(field)                                                                                \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define LOAD_LOW(n)                                                                                \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]))
#define LOAD_HIGH(n)                                                                               \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args[n]) + 4)
#define IF_EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), yes, no)
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, action)

int axi_sandbox_enter(void)
{
    /* Jumps count the instructions they leave out. */
    static const struct sock_filter filter[] = {
        LOAD(arch),                             /* 0 */
        IF_EQUAL(OUR_ARCH, 1, 0),               /* 1 */
        RETURN(SECCOMP_RET_KILL_PROCESS),       /* 2 */
        LOAD(nr),                               /* 3; x32 numbers have bit 30 set: trapped */
        IF_EQUAL(SYS_futex, 9, 0),              /* 4 -> 14 */
        IF_EQUAL(SYS_clock_gettime, 8, 0),      /* 5 -> 14 */
        IF_EQUAL(SYS_rt_sigreturn, 7, 0),       /* 6 -> 14 */
        IF_EQUAL(SYS_exit_group, 6, 0),         /* 7 -> 14 */
        IF_EQUAL(SYS_mprotect, 0, 6),           /* 8 -> 15 */
        LOAD_HIGH(2),                           /* 9 */
        IF_EQUAL(0, 0, 4),                      /* 10 -> 15 */
        LOAD_LOW(2),                            /* 11 */
        IF_EQUAL(PROT_READ | PROT_WRITE, 1, 0), /* 12 -> 14 */
        IF_EQUAL(PROT_NONE, 0, 1),              /* 13 -> 15 */
        RETURN(SECCOMP_RET_ALLOW),              /* 14 */
        RETURN(SECCOMP_RET_TRAP),               /* 15 */
    };
    const struct sock_fprog program = {
        .len = sizeof(filter) / sizeof(filter[0]),
        .filter = (struct sock_filter *)(uintptr_t)filter,
    };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
        return -AXC_EPERM;
    }
    return 0;
}
