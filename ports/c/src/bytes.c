#include "bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must_alloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p) {
        fputs("puro: out of memory\n", stderr);
        abort();
    }
    return p;
}

void buf_room(struct buf *b, size_t more)
{
    if (b->cap - b->size >= more)
        return;
    size_t cap = b->cap * 2;
    if (cap < b->size + more)
        cap = b->size + more;
    b->data = must_alloc(b->data, cap);
    b->cap = cap;
}

void buf_add(struct buf *b, const void *bytes, size_t size)
{
    if (!size) /* memcpy of no bytes from NULL is undefined */
        return;
    buf_room(b, size);
    memcpy(b->data + b->size, bytes, size);
    b->size += size;
}

void buf_zeros(struct buf *b, size_t count)
{
    if (!count)
        return;
    buf_room(b, count);
    memset(b->data + b->size, 0, count);
    b->size += count;
}

void buf_u8(struct buf *b, uint8_t value) { buf_add(b, &value, 1); }

void buf_u32(struct buf *b, uint32_t value)
{
    uint8_t raw[4];
    put32(raw, value);
    buf_add(b, raw, 4);
}

void buf_u64(struct buf *b, uint64_t value)
{
    uint8_t raw[8];
    put64(raw, value);
    buf_add(b, raw, 8);
}

void buf_varint(struct buf *b, uint64_t value)
{
    while (value >= 0x80) {
        buf_u8(b, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_u8(b, (uint8_t)value);
}

void buf_free(struct buf *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

uint16_t get16(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
uint32_t get32(const uint8_t *p) { return get16(p) | (uint32_t)get16(p + 2) << 16; }
uint64_t get64(const uint8_t *p) { return get32(p) | (uint64_t)get32(p + 4) << 32; }

void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

void put32(uint8_t *p, uint32_t value)
{
    put16(p, (uint16_t)value);
    put16(p + 2, (uint16_t)(value >> 16));
}

void put64(uint8_t *p, uint64_t value)
{
    put32(p, (uint32_t)value);
    put32(p + 4, (uint32_t)(value >> 32));
}

/* F-2: at most ten bytes, at most 64 bits, in the shortest form. */
bool take_varint(view *in, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < in->size && i < 10; i++) {
        uint8_t byte = in->data[i];
        if (i == 9 && byte > 1)
            return false;
        sum |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte & 0x80)
            continue;
        if (byte == 0 && i > 0)
            return false;
        *value = sum;
        in->data += i + 1;
        in->size -= i + 1;
        return true;
    }
    return false;
}

bool take(view *in, uint64_t size, view *out)
{
    if (size > in->size)
        return false;
    *out = view_of(in->data, (size_t)size);
    in->data += size;
    in->size -= (size_t)size;
    return true;
}

view view_of(const void *data, size_t size)
{
    static const uint8_t nothing[1];
    view v = {data ? data : nothing, size};
    return v;
}

view view_text(const char *text) { return view_of(text, strlen(text)); }

bool view_is(view a, const char *text) { return view_compare(a, view_text(text)) == 0; }

int view_compare(view a, view b)
{
    size_t both = a.size < b.size ? a.size : b.size;
    int order = both ? memcmp(a.data, b.data, both) : 0;
    if (order)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

bool all_zero(const uint8_t *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (p[i])
            return false;
    return true;
}

static uint32_t table[256];

static void __attribute__((constructor)) make_table(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++)
            c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1; /* 0x1EDC6F41 reflected */
        table[i] = c;
    }
}

uint32_t crc_more(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    crc = ~crc;
    for (size_t i = 0; i < size; i++)
        crc = table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}

uint32_t crc_of(const void *bytes, size_t size) { return crc_more(0, bytes, size); }

static _Thread_local char text[512];

int fail(int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error;
}

int fail_system(const char *what) { return fail(PURO_SYSTEM, "%s: %s", what, strerror(errno)); }

const char *puro_text(void) { return text; }

const char *puro_word(int error)
{
    static const char *const words[] = {"ok",       "refused",      "foreign", "damaged", "newer",    "not_a_stream", "diverged",
                                        "out_of_range", "removed", "busy",    "conflict", "old_sequence", "system"};
    return error >= 0 && error <= PURO_SYSTEM ? words[error] : "system";
}
