/* What users append: batches of records, settings, identities, conditions (A-15, A-16, C-4, C-6). */
#include "reader.h"
#include "writer.h"

#include <stdlib.h>
#include <string.h>

struct wish {
    const struct puro_append *how;
    const struct puro_record *records;
    uint32_t count;
    struct puro_appended *out;
};

/* C-4: whether the records at first_offset that are still there are these. */
static int same_records(struct puro_writer *w, uint64_t first_offset, const struct wish *wish)
{
    struct puro_reader r;
    struct puro_record found;
    struct buf a = {0}, b = {0};
    bool got;
    memset(&r, 0, sizeof r);
    r.world = w->world;
    r.stream = w->stream; /* borrowed: not closed here */
    r.segment.fd = -1;
    int error = reader_seek(&r, (struct puro_from_place){PURO_OFFSET, {{0}, 0, 0}, first_offset});
    while (!error && (error = puro_read(&r, &found, &got)) == PURO_OK && got) {
        uint64_t i = found.offset - first_offset;
        if (i >= wish->count)
            break;
        a.size = b.size = 0;
        record_encode(&a, &found, false);
        record_encode(&b, &wish->records[i], false);
        if (view_compare(view_of(a.data, a.size), view_of(b.data, b.size)) != 0)
            error = fail(PURO_OLD_SEQUENCE, "this sequence was another batch (C-4)");
    }
    buf_free(&a);
    buf_free(&b);
    buf_free(&r.bytes);
    segment_close(&r.segment);
    return error == PURO_OUT_OF_RANGE ? PURO_OK : error; /* deleted */
}

static int decide_identity(struct puro_writer *w, struct batch *b, const struct wish *wish)
{
    view name = view_text(wish->how->identity);
    const struct puro_entry *e = state_find(&w->tip.state, "producer", name);
    if (e && e->value.size == 32) {
        uint64_t sequence = get64(e->value.data), first = get64(e->value.data + 8);
        uint32_t count = get32(e->value.data + 16);
        if (sequence > wish->how->sequence)
            return fail(PURO_OLD_SEQUENCE, "the identity is at sequence %llu (C-4)", (unsigned long long)sequence);
        if (sequence == wish->how->sequence) {
            if (count != b->count)
                return fail(PURO_OLD_SEQUENCE, "this sequence was another batch (C-4)");
            b->done = true;
            *wish->out = (struct puro_appended){first, count, true};
            return same_records(w, first, wish);
        }
    }
    uint8_t value[32]; /* F-36, behind the records (C-3) */
    put64(value, wish->how->sequence);
    put64(value + 8, w->tip.chain.next_offset);
    put32(value + 16, b->count);
    put32(value + 20, state_epoch(&w->tip.state).number + must_raise(w)); /* of the block to come */
    put64(value + 24, writer_entry_time(w));
    view v = view_of(value, sizeof value);
    control_encode(&b->body, "producer", &name, &v);
    b->control = true;
    return PURO_OK;
}

static int decide(struct puro_writer *w, struct batch *b, void *context)
{
    const struct wish *wish = context;
    int error = wish->how->identity ? decide_identity(w, b, wish) : PURO_OK;
    if (error || b->done || !wish->how->if_end) /* C-4: a retry is no conflict */
        return error;
    const struct puro_token *t = wish->how->if_end;
    error = token_check(t, w->stream.id, &w->tip.state, w->tip.chain.next_offset);
    if (!error && t->offset != w->tip.chain.next_offset)
        error = fail(PURO_CONFLICT, "others have appended (A-16)");
    return error;
}

static int encode_all(struct buf *body, const struct puro_record *records, size_t count)
{
    int error = PURO_OK;
    if (count > UINT32_MAX)
        return fail(PURO_REFUSED, "too many records");
    for (size_t i = 0; i < count && !error; i++) {
        error = record_encode(body, &records[i], false);
        if (!error && body->size > MAX_BODY)
            error = fail(PURO_REFUSED, "a body of more than 16 MiB (F-16)");
    }
    return error;
}

int puro_append(struct puro_writer *w, const struct puro_record *records, size_t count,
                const struct puro_append *how, struct puro_appended *out)
{
    struct wish wish = {how, records, (uint32_t)count, out};
    struct batch b = {.count = (uint32_t)count, .decide = decide, .context = &wish};
    if (count == 0)
        return fail(PURO_REFUSED, "a records block has a body (F-16)");
    if (how->identity && !puro_name_fits(view_text(how->identity)))
        return fail(PURO_REFUSED, "an identity that cannot be (F-11)");
    int error = encode_all(&b.body, records, count);
    if (!error)
        error = append_batch(w, &b, how->durable);
    if (!error && !b.done)
        *out = (struct puro_appended){b.first_offset, b.count, false};
    buf_free(&b.body);
    return error;
}

int puro_set(struct puro_writer *w, const char *name, const char *value)
{
    struct batch b = {.control = true};
    view n = view_text(name), v = view_text(value ? value : "");
    char ignored[32];
    int error = PURO_OK;
    if (value)
        error = setting_check(n, v);
    else if (!puro_setting(n, view_text("delete"), ignored)) /* a name of the table? */
        error = fail(PURO_REFUSED, "no such setting (F-53)");
    if (error)
        return error;
    control_encode(&b.body, "setting", &n, value ? &v : NULL);
    error = append_batch(w, &b, -1);
    buf_free(&b.body);
    return error;
}
