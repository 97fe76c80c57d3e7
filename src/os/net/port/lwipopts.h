/* SPDX-License-Identifier: Apache-2.0 */
/* lwIP without threads and without heap growth: everything has a fixed bound, so what a peer sends
 * costs bounded memory. One context, the server thread, calls lwIP. */
#ifndef AXI_OS_NET_LWIPOPTS_H
#define AXI_OS_NET_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_SOCKET 0
#define LWIP_NETCONN 0
#define LWIP_IPV6 0
#define LWIP_DNS 0
#define LWIP_RAW 0
#define LWIP_IGMP 0
#define LWIP_AUTOIP 0
#define LWIP_ARP 1
#define LWIP_ICMP 1
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_UDP 1
#define LWIP_TCP 1

/* Fragments are dropped (and counted): nothing of ours needs them. */
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define IP_OPTIONS_ALLOWED 0

#define MEM_ALIGNMENT 8
#define MEM_SIZE (64 * 1024)
#define MEMP_NUM_TCP_PCB 32
#define MEMP_NUM_TCP_PCB_LISTEN 2
#define MEMP_NUM_TCP_SEG 256
#define MEMP_NUM_PBUF 256
#define MEMP_NUM_UDP_PCB 36
#define MEMP_NUM_ARP_QUEUE 16
#define PBUF_POOL_SIZE 96
#define PBUF_POOL_BUFSIZE 1536
#define ARP_TABLE_SIZE 32
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 4
#define ETHARP_SUPPORT_STATIC_ENTRIES 0

#define TCP_MSS 1460
#define TCP_WND (16 * TCP_MSS)
#define TCP_SND_BUF (16 * TCP_MSS)
#define TCP_SND_QUEUELEN 64
#define TCP_OOSEQ_MAX_PBUFS 8
#define TCP_LISTEN_BACKLOG 1
#define TCP_OVERSIZE 0
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_RANDOMIZE_INITIAL_LOCAL_PORTS 1

#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_TX_SINGLE_PBUF 0
#define LWIP_CHECKSUM_ON_COPY 0

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION /* set by -fsanitize=fuzzer */
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_UDP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_ICMP 0
#endif

#define LWIP_STATS 1
#define LWIP_STATS_DISPLAY 0
#define LWIP_STATS_LARGE 1

#endif
