/* Blocks: format.md, chapter 5. */
#include "format.h"

#include <string.h>
#include <sys/random.h>

uint64_t block_length(uint64_t body_len)
{
    return (START_BYTES + body_len + END_BYTES + UNIT - 1) / UNIT * UNIT;
}

/* F-19: start_crc; crc goes on from it. */
static uint32_t start_crc(const uint8_t *bytes, uint32_t header_crc, uint64_t position)
{
    uint8_t seed[12];
    put32(seed, header_crc);
    put64(seed + 4, position);
    return crc_more(crc_of(seed, sizeof seed), bytes + 1, 43);
}

bool start_stands(const uint8_t *p, uint32_t header_crc, uint64_t position, struct start *s)
{
    s->signal = p[0];
    s->kind = p[1];
    s->flags = get16(p + 2);
    s->body_len = get32(p + 4);
    s->record_count = get32(p + 8);
    s->prev_crc = get32(p + 12);
    s->first_offset = get64(p + 16);
    s->timestamp = get64(p + 24);
    s->durable_to = get64(p + 32);
    s->epoch = get32(p + 40);
    if (s->kind < RECORDS || s->kind > SEGMENT_END || s->flags > 1 || s->body_len > MAX_BODY)
        return false;
    if (s->kind == RECORDS ? s->body_len == 0 : s->record_count != 0) /* F-16, F-18 */
        return false;
    if (s->first_offset > UINT64_MAX - s->record_count) /* F-18 */
        return false;
    return start_crc(p, header_crc, position) == get32(p + 44);
}

enum finding block_check(view bytes, uint32_t header_crc, uint64_t position, struct chain before, uint32_t generation,
                         struct block *out)
{
    const uint8_t *p = bytes.data;
    struct start *s = &out->start;
    if (bytes.size < START_BYTES)
        return NOTHING;
    if (!start_stands(p, header_crc, position, s) || (s->signal != LOW && s->signal != HIGH)) /* F-17 */
        return INVALID;
    out->length = block_length(s->body_len);
    if (bytes.size < out->length)
        return INVALID;
    out->body = view_of(p + START_BYTES, s->body_len);
    const uint8_t *pad = p + START_BYTES + s->body_len, *end = p + out->length - END_BYTES;
    out->crc = get32(end + 4);
    if (!all_zero(pad, (size_t)(end - pad)) || get32(end) != s->body_len) /* F-15 */
        return INVALID;
    uint32_t crc = crc_more(get32(p + 44), p + START_BYTES, (size_t)(out->length - START_BYTES - 4));
    if (crc != out->crc) /* F-19 */
        return INVALID;
    if (s->prev_crc != before.crc) /* F-21 */
        return VALID;
    if (generation == 0 ? s->first_offset != before.next_offset : s->first_offset < before.next_offset)
        return VALID;
    return s->signal == HIGH ? COMMITTED : GOOD;
}

void block_encode(struct buf *out, const struct start *s, view body, uint32_t header_crc, uint64_t position)
{
    size_t length = (size_t)block_length(body.size);
    buf_room(out, length);
    uint8_t *p = out->data + out->size;
    memset(p, 0, length);
    p[0] = s->signal;
    p[1] = s->kind;
    put16(p + 2, s->flags);
    put32(p + 4, (uint32_t)body.size);
    put32(p + 8, s->record_count);
    put32(p + 12, s->prev_crc);
    put64(p + 16, s->first_offset);
    put64(p + 24, s->timestamp);
    put64(p + 32, s->durable_to);
    put32(p + 40, s->epoch);
    put32(p + 44, start_crc(p, header_crc, position));
    if (body.size)
        memcpy(p + START_BYTES, body.data, body.size);
    put32(p + length - END_BYTES, (uint32_t)body.size);
    put32(p + length - 4, crc_more(get32(p + 44), p + START_BYTES, length - START_BYTES - 4));
    out->size += length;
}

/* F-43: does a start stand at any multiple of 64 within a block with this body? Its last unit holds no part of the
   block's end in the 48 bytes that count, so body and pad are all that can look like one. */
static bool start_within(view body, uint32_t header_crc, uint64_t position)
{
    uint64_t length = block_length(body.size);
    for (uint64_t at = UNIT; at < length; at += UNIT) {
        uint8_t unit[START_BYTES] = {0};
        uint64_t from = at - START_BYTES; /* in the body */
        if (from >= body.size)
            break; /* zeros are no start */
        uint64_t left = body.size - from;
        memcpy(unit, body.data + from, left < START_BYTES ? (size_t)left : START_BYTES);
        struct start s;
        if (start_stands(unit, header_crc, position + at, &s))
            return true;
    }
    return false;
}

int body_fit(view body, uint32_t header_crc, uint64_t position, struct buf *out, bool *padded)
{
    *padded = false;
    out->size = 0;
    if (body.size > MAX_BODY)
        return fail(PURO_REFUSED, "a body of %zu bytes (F-16)", body.size);
    buf_add(out, body.data, body.size);
    for (int attempt = 0; start_within(view_of(out->data, out->size), header_crc, position); attempt++) {
        if (attempt == 24)
            return fail(PURO_REFUSED, "no shift keeps starts out of the block (F-43)");
        uint16_t shift = (uint16_t)attempt;
        if (attempt >= 8 && getrandom(&shift, sizeof shift, 0) != sizeof shift)
            return fail_system("getrandom");
        static const uint8_t zeros[1024];
        view value = view_of(zeros, shift % sizeof zeros);
        out->size = 0;
        control_encode(out, "pad", NULL, &value);
        buf_add(out, body.data, body.size);
        *padded = true;
        if (out->size > MAX_BODY)
            return fail(PURO_REFUSED, "no room for a pad (F-46)");
    }
    return PURO_OK;
}
