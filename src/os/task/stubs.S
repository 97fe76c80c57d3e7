/* SPDX-License-Identifier: Apache-2.0 */
/* The page of services that every task has: struct axc_services first (include/axcan/task.h), then
 * one stub per entry. A stub's arguments are in x0.. already, as the table's C types say; the kernel
 * puts the result into x0. The job function returns to axi_task_exit. */
#include "os/task/svc.h"

    .section .rodata.axi_task_stubs, "a"
    .balign 4096
    .global axi_task_stubs
axi_task_stubs:
    .word 64 /* size */
    .word 1  /* abi */
    .quad AXI_TASK_STUBS + (log - axi_task_stubs)
    .quad AXI_TASK_STUBS + (now - axi_task_stubs)
    .quad AXI_TASK_STUBS + (checkpoint - axi_task_stubs)
    .quad AXI_TASK_STUBS + (publish - axi_task_stubs)
    .quad AXI_TASK_STUBS + (read_topic - axi_task_stubs)
    .quad AXI_TASK_STUBS + (input - axi_task_stubs)
    .quad AXI_TASK_STUBS + (output - axi_task_stubs)

    .global axi_task_exit
axi_task_exit:
    svc #AXI_SVC_EXIT
    b axi_task_exit
log:
    svc #AXI_SVC_LOG
    ret
now:
    svc #AXI_SVC_NOW
    ret
checkpoint:
    svc #AXI_SVC_CHECKPOINT
    ret
publish:
    svc #AXI_SVC_PUBLISH
    ret
read_topic:
    svc #AXI_SVC_READ_TOPIC
    ret
input:
    svc #AXI_SVC_INPUT
    ret
output:
    svc #AXI_SVC_OUTPUT
    ret
    .balign 4096 /* nothing else of the kernel is in the page */

    .section .note.GNU-stack, "", %progbits
