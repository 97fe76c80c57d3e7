/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's control socket: "control" in the state directory, one packet per request and one
 * per answer (SOCK_SEQPACKET). Requests are words: "state", "start", "pause", "resume", "kill 15",
 * "stats", "checkpoint FOLDER". An answer is "CODE TEXT": 0 and the result, or a negative -AXC_E
 * and what went wrong. Only the same user and root are served. */
#ifndef AXI_RUNAX_MONITOR_CONTROL_H
#define AXI_RUNAX_MONITOR_CONTROL_H

#include "runax/report.h"

#define AXI_CONTROL_BYTES_MAX 4352u /* a request with a path, or an answer */
#define AXI_CONTROL_TIMEOUT_MS 5000

/* Asks the monitor and waits. Its answer is code and text of *ret_answer; returns the code.
 * -AXC_EMONITOR: nobody answers there; -AXC_ETIMEOUT. */
AXC_MUST_USE int axi_control_call(int folder_fd, const char *request, int timeout_ms,
                                  struct axi_report *ret_answer);

/* The monitor's side: a listening, non-blocking socket. */
AXC_MUST_USE int axi_control_listen(int folder_fd, struct axi_report *report);

/* The next client, non-blocking, or -1: none there, or one that may not. */
int axi_control_accept(int listener);

/* Reads one request (a NUL behind it). 1: there is one; 0: not yet; -1: the client is gone. */
int axi_control_receive(int client, char ret_request[AXI_CONTROL_BYTES_MAX]);
void axi_control_answer(int client, int code, const char *text);

#endif
