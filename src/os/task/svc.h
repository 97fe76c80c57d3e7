/* SPDX-License-Identifier: Apache-2.0 */
/* How a task calls its services: numbers of SVC instructions, and where the parts of its address
 * space lie. Read by C and by the assembler.
 *
 *     AXI_TASK_IMAGE    image: read-execute, then read-write
 *     AXI_TASK_GUARD    never mapped: a stack that overflows ends here
 *     AXI_TASK_STACK    stack, read-write
 *     AXI_TASK_STATE    state, read-write
 *     AXI_TASK_JOB      struct axc_job, read-only
 *     AXI_TASK_STUBS    services table and its stubs, read-execute, the same page for all */
#ifndef AXI_OS_TASK_SVC_H
#define AXI_OS_TASK_SVC_H

#define AXI_TASK_IMAGE 0x40000000
#define AXI_TASK_IMAGE_BYTES_MAX 0x3fe00000
#define AXI_TASK_GUARD 0x7fe00000
#define AXI_TASK_STACK 0x7ff00000
#define AXI_TASK_STATE 0x7ff60000
#define AXI_TASK_JOB 0x7ff80000
#define AXI_TASK_STUBS 0x7ff81000

/* 0 is Linux's way of a system call: never a service. */
#define AXI_SVC_EXIT 1
#define AXI_SVC_LOG 2
#define AXI_SVC_NOW 3
#define AXI_SVC_CHECKPOINT 4
#define AXI_SVC_PUBLISH 5
#define AXI_SVC_READ_TOPIC 6
#define AXI_SVC_INPUT 7
#define AXI_SVC_OUTPUT 8

#endif
