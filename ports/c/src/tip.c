/* Reading blocks from a file, and following the chain to the committed end: F-24, O-3, A-3. */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

/* F-20: the length is believed, and room made for it, once start_crc was checked and the file is so long. */
int block_read(const struct segment *s, uint64_t position, struct chain before, struct buf *bytes,
               enum finding *what, struct block *out)
{
    size_t got;
    uint64_t size;
    bytes->size = 0;
    buf_room(bytes, START_BYTES);
    int error = read_at(s->fd, position, bytes->data, START_BYTES, &got);
    if (error)
        return error;
    *what = got < START_BYTES ? NOTHING : INVALID;
    if (got < START_BYTES || !start_stands(bytes->data, s->header.crc, position, &out->start))
        return PURO_OK;
    uint64_t length = block_length(out->start.body_len);
    if ((error = file_size(s->fd, &size)) != PURO_OK)
        return error;
    if (size < position + length)
        return PURO_OK;
    bytes->size = START_BYTES;
    buf_room(bytes, (size_t)length);
    error = read_at(s->fd, position + START_BYTES, bytes->data + START_BYTES, (size_t)length - START_BYTES, &got);
    if (error)
        return error;
    bytes->size = START_BYTES + got;
    *what = block_check(view_of(bytes->data, bytes->size), s->header.crc, position, before, s->header.generation, out);
    return PURO_OK;
}

void tip_begin(struct tip *t, const struct segment *s)
{
    struct buf bytes = t->bytes;
    state_free(&t->state);
    memset(t, 0, sizeof *t);
    t->bytes = bytes;
    t->position = HEADER_BYTES;
    t->chain = (struct chain){s->header.crc, s->header.base_offset}; /* F-21 */
    put32(t->eight, s->header.epoch);
    put32(t->eight + 4, s->header.crc);
    t->epoch = s->header.epoch;
    t->opening = true;
    t->opening_end = HEADER_BYTES;
}

void tip_take(struct tip *t, const struct block *b)
{
    const struct start *s = &b->start;
    uint32_t before = state_epoch(&t->state).number;
    if (s->kind != CHECKPOINT)
        t->opening = false;
    if (t->blocks++ == 0) {
        t->opens = s->kind == CHECKPOINT;
        t->opening_time = s->kind == CHECKPOINT ? s->timestamp : 0;
    }
    t->position += b->length;
    t->chain = (struct chain){b->crc, s->first_offset + s->record_count};
    t->epoch = s->epoch;
    put32(t->eight, s->body_len);
    put32(t->eight + 4, b->crc);
    t->sealed = s->kind == SEGMENT_END;
    if (s->durable_to > t->durable_to)
        t->durable_to = s->durable_to;
    if ((s->kind == RECORDS || t->opening) && s->timestamp > t->highest)
        t->highest = s->timestamp;
    if (t->opening)
        t->opening_end = t->position;
    if ((s->kind != CHECKPOINT || t->opening) && (s->flags & 1) && !t->fold_error)
        t->fold_error = state_fold(&t->state, s, b->body);
    if (s->kind == CHECKPOINT)
        t->raise_end = 0; /* E-4: in an opening checkpoint, or before one */
    else if (state_epoch(&t->state).number > before)
        t->raise_end = t->position;
}

int tip_step(struct tip *t, const struct segment *s, enum finding *what)
{
    *what = NOTHING;
    if (t->sealed)
        return PURO_OK; /* F-25 */
    int error = block_read(s, t->position, t->chain, &t->bytes, what, &t->block);
    if (!error && *what == COMMITTED)
        tip_take(t, &t->block);
    return error;
}

int tip_scan(struct tip *t, const struct segment *s)
{
    enum finding what = COMMITTED;
    int error = PURO_OK;
    tip_begin(t, s);
    while (!error && what == COMMITTED)
        error = tip_step(t, s, &what);
    return error;
}

void tip_free(struct tip *t)
{
    state_free(&t->state);
    buf_free(&t->bytes);
}
