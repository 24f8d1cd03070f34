/* Records and the walk over a body: format.md, chapters 6 and 7. */
#include "format.h"

#include <stdlib.h>
#include <string.h>

enum { KEY = 1, VALUE = 2, HEADERS = 4, CONTROL = 8 };

void puro_add_pair(struct puro_pairs *pairs, view name, view value)
{
    struct buf b = {pairs->data, pairs->size, pairs->cap};
    buf_varint(&b, name.size);
    buf_add(&b, name.data, name.size);
    buf_varint(&b, value.size);
    buf_add(&b, value.data, value.size);
    pairs->data = b.data;
    pairs->size = b.size;
    pairs->cap = b.cap;
    pairs->count++;
}

bool puro_next_pair(view *headers, view *name, view *value)
{
    uint64_t size;
    return headers->size && take_varint(headers, &size) && size > 0 && take(headers, size, name) /* F-26 */
           && take_varint(headers, &size) && take(headers, size, value);
}

void puro_free_pairs(struct puro_pairs *pairs)
{
    free(pairs->data);
    memset(pairs, 0, sizeof *pairs);
}

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    while (value >>= 7)
        size++;
    return size;
}

static int check_limits(const struct puro_record *r)
{
    if (r->topic.size < 1 || r->topic.size > MAX_TOPIC)
        return fail(PURO_REFUSED, "a topic of %zu bytes (F-30)", r->topic.size);
    if (r->has_key && r->key.size > MAX_KEY)
        return fail(PURO_REFUSED, "a key of %zu bytes (F-30)", r->key.size);
    if (r->has_value && r->value.size > MAX_VALUE)
        return fail(PURO_REFUSED, "a value of %zu bytes (F-30)", r->value.size);
    if (!r->has_value && !r->has_key)
        return fail(PURO_REFUSED, "a delete marker without a key (F-27)");
    if (!r->header_count)
        return PURO_OK;
    if (varint_size(r->header_count) + r->headers.size > MAX_HEADERS)
        return fail(PURO_REFUSED, "headers of %zu bytes (F-30)", r->headers.size);
    view rest = r->headers, name, value;
    for (uint64_t i = 0; i < r->header_count; i++)
        if (!puro_next_pair(&rest, &name, &value))
            return fail(PURO_REFUSED, "a header without a name (F-26)");
    return PURO_OK;
}

int record_encode(struct buf *out, const struct puro_record *r, bool control)
{
    int error = check_limits(r);
    if (error)
        return error;
    struct buf body = {0};
    buf_u8(&body, (uint8_t)((r->has_key ? KEY : 0) | (r->has_value ? VALUE : 0) | (r->header_count ? HEADERS : 0) |
                            (control ? CONTROL : 0)));
    buf_varint(&body, r->topic.size);
    buf_add(&body, r->topic.data, r->topic.size);
    if (r->has_key) {
        buf_varint(&body, r->key.size);
        buf_add(&body, r->key.data, r->key.size);
    }
    if (r->header_count) {
        buf_varint(&body, r->header_count);
        buf_add(&body, r->headers.data, r->headers.size);
    }
    if (r->has_value)
        buf_add(&body, r->value.data, r->value.size);
    size_t at = out->size;
    buf_u32(out, 0);
    buf_varint(out, body.size);
    buf_add(out, body.data, body.size);
    put32(out->data + at, crc_of(out->data + at + 4, out->size - at - 4));
    buf_free(&body);
    return PURO_OK;
}

void control_encode(struct buf *out, const char *kind, const view *key, const view *value)
{
    struct puro_record r = {.topic = view_text(kind), .has_key = key != NULL, .has_value = value != NULL};
    if (key)
        r.key = *key;
    if (value)
        r.value = *value;
    record_encode(out, &r, true);
}

static int damaged(const char *what) { return fail(PURO_DAMAGED, "a record is damaged: %s", what); }

/* One record off the front of what is left of a body. */
static int record_decode(view *rest, bool check_crc, struct record *r)
{
    struct puro_record *u = &r->user;
    memset(r, 0, sizeof *r);
    view crc, fields;
    if (!take(rest, 4, &crc))
        return damaged("it ends beyond the body (F-28)");
    const uint8_t *covered = rest->data;
    uint64_t length, size;
    if (!take_varint(rest, &length) || !take(rest, length, &fields))
        return damaged("its length (F-2, F-28)");
    if (check_crc && crc_of(covered, (size_t)(rest->data - covered)) != get32(crc.data))
        return damaged("its crc");
    if (fields.size < 1)
        return damaged("no attributes (F-28)");
    uint8_t attributes = fields.data[0];
    fields.data++;
    fields.size--;
    if (attributes & 0xf0)
        return damaged("unknown attributes (F-27)");
    r->control = attributes & CONTROL;
    u->has_key = attributes & KEY;
    u->has_value = attributes & VALUE;
    if (!u->has_key && !u->has_value)
        return damaged("a delete marker without a key (F-27)");
    if (!take_varint(&fields, &size) || size < 1 || size > MAX_TOPIC || !take(&fields, size, &u->topic))
        return damaged("its topic (F-30)");
    if (u->has_key && (!take_varint(&fields, &size) || size > MAX_KEY || !take(&fields, size, &u->key)))
        return damaged("its key (F-30)");
    if (attributes & HEADERS) {
        if (r->control)
            return damaged("a control record with headers (F-31)");
        view all = fields, name, value;
        if (!take_varint(&fields, &u->header_count) || u->header_count < 1)
            return damaged("its header count");
        u->headers.data = fields.data;
        for (uint64_t i = 0; i < u->header_count; i++)
            if (!puro_next_pair(&fields, &name, &value) || (size_t)(fields.data - all.data) > MAX_HEADERS)
                return damaged("its headers (F-26, F-30)");
        u->headers.size = (size_t)(fields.data - u->headers.data);
    }
    if (u->has_value ? fields.size > MAX_VALUE : fields.size > 0)
        return damaged("its value (F-27, F-30)");
    u->value = fields;
    return PURO_OK;
}

void walk_begin(struct walk *w, const struct start *start, view body)
{
    memset(w, 0, sizeof *w);
    w->rest = body;
    w->start = *start;
    w->offset = start->first_offset;
    w->check_crc = true;
}

/* F-33. Where a gap may stand is chapter 7, and for verification; its count and its neighbour are asked here. */
static int take_gap(struct walk *w, struct record *r)
{
    view value = r->user.value;
    if (!take_varint(&value, &r->gap) || value.size || r->gap < 1)
        return damaged("its gap (F-33)");
    if (w->after_gap)
        return damaged("two gaps side by side (F-33)");
    if (r->gap > w->start.first_offset + w->start.record_count - w->offset)
        return damaged("a gap beyond record_count (F-18)");
    w->offset += r->gap;
    return PURO_OK;
}

int walk_next(struct walk *w, struct record *r, bool *got)
{
    *got = false;
    uint64_t end = w->start.first_offset + w->start.record_count;
    if (!w->rest.size) {
        if (!w->loose && w->offset != end)
            return damaged("their number is not record_count (F-18)");
        if (!w->loose && w->any_control != (w->start.flags & 1))
            return damaged("flag bit 0 (F-17)");
        return PURO_OK;
    }
    int error = record_decode(&w->rest, w->check_crc, r);
    if (error)
        return error;
    *got = true;
    if (w->loose)
        return PURO_OK;
    bool gap = r->control && !r->user.has_key && view_is(r->user.topic, "gap");
    if (gap && (error = take_gap(w, r)) != PURO_OK)
        return error;
    w->after_gap = gap;
    if (r->control) {
        w->any_control = true;
    } else {
        if (w->offset == end)
            return damaged("more than record_count (F-18)");
        r->user.offset = w->offset++;
        r->user.time = w->start.timestamp;
    }
    return PURO_OK;
}

int walk_all(const struct start *start, view body)
{
    struct walk w;
    struct record r;
    bool got = true;
    int error = PURO_OK;
    walk_begin(&w, start, body);
    while (!error && got)
        error = walk_next(&w, &r, &got);
    return error;
}
