/* SPDX-License-Identifier: Apache-2.0 */
/* A bare-metal guest that does what its image says: tests write a script behind the marker below.
 *
 *   h      a greeting             t5     five ticks, 10 ms apart
 *   e3     exit code 3            o      off, without a code
 *   c      crash                  l      loop for ever, silently
 *   i      echo lines until one begins with q
 *   w7     beat in the channel until asked to end, then "bye" and exit code 7
 *   f100   a hundred lines        aHEX   where the channel "host" is
 *   pHEX   print the first 8 bytes there    sHEX   the last 8 bytes of RAM end here: write, read
 */
#include "guest.h"

#include "core/host_channel.h"

#define TICK_US 10000u

volatile char guest_script[256] = "AXGUEST:h i e0";

static uint64_t channel_address;

static void put_text(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            guest_put('\r');
        }
        guest_put(*text);
    }
}

static void put_number(uint64_t number, uint32_t base)
{
    char text[24];
    uint32_t at = sizeof(text) - 1;
    text[at] = '\0';
    do {
        uint64_t next = base == 16 ? number >> 4 : number / 10;
        text[--at] = "0123456789abcdef"[number - next * base];
        number = next;
    } while (number != 0);
    put_text(text + at);
}

static void sleep_us(uint64_t us)
{
    uint64_t end = guest_now_us() + us;
    while (guest_now_us() < end) {
        guest_idle();
    }
}

static int get_wait(void)
{
    int c = guest_get();
    while (c < 0) {
        guest_idle();
        c = guest_get();
    }
    return c;
}

static void echo_lines(void)
{
    for (;;) {
        int c = get_wait();
        int first = c;
        put_text("echo: ");
        while (c != '\n' && c != '\r') {
            guest_put((char)c);
            c = get_wait();
        }
        put_text("\n");
        if (first == 'q') {
            return;
        }
    }
}

static void beat(uint32_t exit_code)
{
    uint64_t at = channel_address != 0 ? channel_address : guest_channel();
    struct axi_host_channel *channel = (struct axi_host_channel *)(uintptr_t)at;
    if (channel->magic != AXI_HOST_CHANNEL_MAGIC) {
        put_text("no channel\n");
        guest_exit(99);
    }
    put_text("beating\n");
    while (channel->request != AXI_HOST_CHANNEL_END) {
        channel->heartbeat++;
        sleep_us(1000);
    }
    put_text("bye\n");
    channel->exit = AXI_HOST_CHANNEL_EXIT | exit_code;
    guest_off();
}

static void tick(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        sleep_us(TICK_US);
        put_text("tick ");
        put_number(i, 10);
        put_text("\n");
    }
}

static void flood(uint64_t lines)
{
    for (uint64_t i = 0; i < lines; i++) {
        put_text("line ");
        put_number(i, 10);
        put_text(" of a guest that writes a lot, quickly, and never waits\n");
    }
}

static void hello(void)
{
    put_text("hello from ");
    put_text(guest_board);
    put_text("\n");
}

static void print_word(uint64_t address)
{
    put_number(*(volatile uint64_t *)(uintptr_t)address, 16);
    put_text("\n");
}

static void store_word(uint64_t address)
{
    volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)address;
    *word = 0x0123456789abcdefu;
    put_text(*word == 0x0123456789abcdefu ? "stored\n" : "lost\n");
}

static void run(char command, uint64_t number)
{
    switch (command) {
    case 'h':
        hello();
        break;
    case 't':
        tick(number);
        break;
    case 'e':
        guest_exit((uint32_t)number);
    case 'o':
        guest_off();
    case 'c':
        guest_crash();
    case 'l':
        for (;;) {
            __asm__ volatile("" ::: "memory");
        }
    case 'i':
        echo_lines();
        break;
    case 'w':
        beat((uint32_t)number);
        break;
    case 'f':
        flood(number);
        break;
    case 'a':
        channel_address = number;
        break;
    case 'p':
        print_word(number);
        break;
    case 's':
        store_word(number);
        break;
    default:
        put_text("bad script\n");
        guest_exit(98);
    }
}

static uint32_t digit(char c)
{
    return c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
           : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                                  : 16;
}

void guest_main(void)
{
    const volatile char *at = guest_script + 8; /* behind "AXGUEST:" */
    while (*at != '\0') {
        char command = *at++;
        uint32_t base = command == 'a' || command == 'p' || command == 's' ? 16 : 10;
        uint64_t number = 0;
        for (; digit(*at) < base; at++) {
            number = number * base + digit(*at);
        }
        run(command, number);
        while (*at == ' ') {
            at++;
        }
    }
    guest_exit(0);
}
