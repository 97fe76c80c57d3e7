/* SPDX-License-Identifier: Apache-2.0 */
#include "os/kernel/console.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct output {
    char *to;
    size_t capacity, length;
};

struct directive {
    bool is_left, has_zeros, has_precision;
    int width, precision;
    int size; /* 0 int, 1 long and longer, -1 short, -2 char */
};

static void put(struct output *output, char byte)
{
    if (output->length + 1 < output->capacity) {
        output->to[output->length] = byte;
    }
    output->length++;
}

static void put_padded(struct output *output, const struct directive *directive, const char *text,
                       size_t bytes)
{
    size_t width = directive->width > 0 ? (size_t)directive->width : 0;
    size_t padding = bytes < width ? width - bytes : 0;

    for (; !directive->is_left && padding > 0; padding--) {
        put(output, ' ');
    }
    for (size_t i = 0; i < bytes; i++) {
        put(output, text[i]);
    }
    for (; padding > 0; padding--) {
        put(output, ' ');
    }
}

static void put_number(struct output *output, struct directive *directive, uint64_t value,
                       const char *prefix, unsigned base, const char *digits)
{
    char text[80];
    size_t at = sizeof(text), prefix_bytes = strlen(prefix);
    int least = directive->has_precision ? directive->precision : 1;

    if (directive->has_zeros && !directive->is_left && !directive->has_precision) {
        least = directive->width - (int)prefix_bytes;
    }
    least = least > 64 ? 64 : least;
    for (; value > 0 || least > 0; value /= base, least--) {
        text[--at] = digits[value % base];
    }
    while (prefix_bytes > 0) {
        text[--at] = prefix[--prefix_bytes];
    }
    put_padded(output, directive, &text[at], sizeof(text) - at);
}

static int64_t take_signed(const struct directive *directive, va_list *arguments)
{
    int64_t value = directive->size > 0 ? va_arg(*arguments, long) : va_arg(*arguments, int);

    return directive->size == -1 ? (int16_t)value : directive->size == -2 ? (int8_t)value : value;
}

static uint64_t take_unsigned(const struct directive *directive, va_list *arguments)
{
    uint64_t value =
        directive->size > 0 ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned);

    return directive->size == -1 ? (uint16_t)value : directive->size == -2 ? (uint8_t)value : value;
}

static int parse_number(const char **format, va_list *arguments)
{
    int value = 0;

    if (**format == '*') {
        (*format)++;
        return va_arg(*arguments, int);
    }
    for (; **format >= '0' && **format <= '9'; (*format)++) {
        value = value < 10000 ? value * 10 + (**format - '0') : value;
    }
    return value;
}

/* Everything between '%' and the conversion's letter. */
static void parse_directive(const char **format, va_list *arguments, struct directive *ret)
{
    *ret = (struct directive){0};
    for (; **format == '-' || **format == '0'; (*format)++) {
        ret->is_left |= **format == '-';
        ret->has_zeros |= **format == '0';
    }
    ret->width = parse_number(format, arguments);
    if (ret->width < 0) {
        ret->is_left = true;
        ret->width = -ret->width;
    }
    if (**format == '.') {
        (*format)++;
        ret->precision = parse_number(format, arguments);
        ret->has_precision = ret->precision >= 0;
    }
    for (; **format == 'l' || **format == 'z' || **format == 'h'; (*format)++) {
        ret->size += **format == 'h' ? -1 : 1;
    }
}

static void put_signed(struct output *output, struct directive *directive, int64_t value)
{
    put_number(output, directive, value < 0 ? -(uint64_t)value : (uint64_t)value,
               value < 0 ? "-" : "", 10, "0123456789");
}

static void put_text(struct output *output, const struct directive *directive, const char *text)
{
    const char *shown = text != NULL ? text : "(null)";
    size_t max = directive->has_precision ? (size_t)directive->precision : SIZE_MAX;

    put_padded(output, directive, shown, strnlen(shown, max));
}

static void convert(struct output *output, struct directive *directive, char letter,
                    va_list *arguments)
{
    char byte;

    switch (letter) {
    case 'd':
    case 'i':
        put_signed(output, directive, take_signed(directive, arguments));
        break;
    case 'u':
        put_number(output, directive, take_unsigned(directive, arguments), "", 10, "0123456789");
        break;
    case 'x':
        put_number(output, directive, take_unsigned(directive, arguments), "", 16,
                   "0123456789abcdef");
        break;
    case 'X':
        put_number(output, directive, take_unsigned(directive, arguments), "", 16,
                   "0123456789ABCDEF");
        break;
    case 'p':
        put_number(output, directive, (uintptr_t)va_arg(*arguments, void *), "0x", 16,
                   "0123456789abcdef");
        break;
    case 's':
        put_text(output, directive, va_arg(*arguments, const char *));
        break;
    case 'c':
        byte = (char)va_arg(*arguments, int);
        put_padded(output, directive, &byte, 1);
        break;
    default: /* also '%' itself */
        put(output, letter);
        break;
    }
}

int axi_vformat(char *to, size_t capacity, const char *format, va_list arguments)
{
    struct output output = {.to = to, .capacity = capacity};
    struct directive directive;
    va_list copy;

    va_copy(copy, arguments); /* its address can be passed on, a parameter's cannot */
    while (*format != '\0') {
        if (*format != '%') {
            put(&output, *format++);
            continue;
        }
        format++;
        parse_directive(&format, &copy, &directive);
        if (*format != '\0') {
            convert(&output, &directive, *format++, &copy);
        }
    }
    va_end(copy);
    if (capacity > 0) {
        to[output.length < capacity ? output.length : capacity - 1] = '\0';
    }
    return (int)output.length;
}

int axi_format(char *to, size_t capacity, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = axi_vformat(to, capacity, format, arguments);

    va_end(arguments);
    return length;
}
