/* Where a reader begins, E-7, E-8. */
#include "reader.h"

#include <string.h>

struct choice {
    enum puro_from kind;
    uint64_t number;
};

/* the timestamp of the first opening checkpoint; where that is not valid the segment is passed over. */
static int opening_time(struct segment *s, uint64_t *time, bool *valid)
{
    struct buf bytes = {0};
    struct block b;
    enum finding what;
    int error =
        block_read(s, HEADER_BYTES, (struct chain){s->header.crc, s->header.base_offset}, &bytes, &what, &b);
    *valid = !error && what >= VALID && b.start.kind == CHECKPOINT;
    if (*valid)
        *time = b.start.timestamp;
    buf_free(&bytes);
    return error;
}

/* The segment to begin in. Strays do not count; what cannot be opened is told. */
static int choose(struct puro_reader *r, struct choice c, uint32_t *chosen)
{
    struct listing l;
    bool any = false, fits = false;
    int error = list(r->stream.dirfd, &l);
    for (size_t i = 0; i < l.count && !error; i++) {
        struct segment s;
        error = segment_of(&r->stream, l.numbers[i], false, &s);
        if (error == STRAY || error == MISSING) {
            error = PURO_OK;
            continue;
        }
        if (error)
            break;
        bool good = true;
        uint64_t time = 0;
        if (c.kind == PURO_OFFSET)
            good = s.header.base_offset <= c.number;
        else if (c.kind == PURO_TIME && (error = opening_time(&s, &time, &good)) == PURO_OK)
            good = good && time < c.number;
        segment_close(&s);
        if (error)
            break;
        if (c.kind == PURO_OFFSET && !any && !good) {
            error = fail(PURO_OUT_OF_RANGE, "the offset is below the lowest (R-9)");
            break;
        }
        if (!any || (good && c.kind != PURO_BEGINNING)) {
            *chosen = l.numbers[i];
            fits = true;
        }
        any = true;
        if (c.kind == PURO_BEGINNING)
            break;
    }
    listing_free(&l);
    if (!error && !fits)
        error = fail(PURO_NOT_A_STREAM, "there is no segment of the stream");
    return error;
}

static int enter(struct puro_reader *r, struct choice c)
{
    for (int i = 0; i < 100; i++) { /* a name that is gone by then: list and seek anew */
        uint32_t sequence = 0;
        struct segment s;
        int error = choose(r, c, &sequence);
        if (!error)
            error = segment_pin(&r->stream, sequence, r->world.lock_ms ? r->world.lock_ms : 60000, &s);
        if (error == MISSING || error == STRAY)
            continue;
        return error ? error : reader_enter(r, &s);
    }
    return fail(PURO_SYSTEM, "the segments do not keep their names (R-14)");
}

/* On over whole blocks that end at or below the offset. */
static int pass_to_offset(struct puro_reader *r, uint64_t offset)
{
    for (;;) {
        enum finding what = NOTHING;
        if (r->place.chain.next_offset == offset)
            return PURO_OK;
        int error = reader_block(r, &what);
        if (error)
            return error;
        if (what != COMMITTED)
            return offset <= r->place.chain.next_offset ? PURO_OK
                                                        : fail(PURO_OUT_OF_RANGE, "the offset is behind the end (R-9)");
        if (r->block.start.first_offset + r->block.start.record_count > offset)
            return PURO_OK;
        reader_pass(r);
    }
}

/* F-22: the first records block at which the running maximum is at least t. Timestamps of segments before it are
   carried on by the opening checkpoints. */
static int pass_to_time(struct puro_reader *r, uint64_t time)
{
    for (uint64_t highest = 0;;) {
        enum finding what;
        int error = reader_block(r, &what);
        if (error || what != COMMITTED)
            return error;
        if (r->block.start.timestamp > highest)
            highest = r->block.start.timestamp;
        if (r->block.start.kind == RECORDS && highest >= time)
            return PURO_OK;
        reader_pass(r);
    }
}

static int pass_to_end(struct puro_reader *r)
{
    for (;;) {
        enum finding what;
        int error = reader_block(r, &what);
        if (error || what != COMMITTED)
            return error;
        reader_pass(r);
    }
}

/* The active segment, from its header on. */
static int enter_active(struct puro_reader *r)
{
    for (int i = 0; i < 100; i++) {
        struct listing l;
        struct segment s = {.fd = -1};
        int error = list(r->stream.dirfd, &l);
        if (!error)
            error = stream_active(&r->stream, &l, false, &s);
        listing_free(&l);
        uint32_t sequence = s.sequence;
        segment_close(&s);
        if (!error)
            error = segment_pin(&r->stream, sequence, r->world.lock_ms ? r->world.lock_ms : 60000, &s);
        if (error == MISSING || error == STRAY)
            continue;
        return error ? error : reader_enter(r, &s);
    }
    return fail(PURO_SYSTEM, "the segments do not keep their names (R-14)");
}

/* Of a token E-7 is asked first: against the state of the active segment (O-3). */
static int check_token(struct puro_reader *r, const struct puro_token *token)
{
    if (memcmp(token->stream_id, r->stream.id, 16) != 0)
        return fail(PURO_REFUSED, "a token of another stream (E-8)");
    struct segment active;
    struct tip tip;
    int error = stream_tip(&r->stream, &active, &tip);
    if (!error && tip.fold_error)
        error = fail(PURO_DAMAGED, "the epochs cannot be read (F-32)");
    if (!error)
        error = token_check(token, r->stream.id, &tip.state, tip.chain.next_offset);
    segment_close(&active);
    tip_free(&tip);
    return error;
}

int reader_seek(struct puro_reader *r, struct puro_from_place from)
{
    struct choice c = {from.kind, from.number};
    int error;
    switch (from.kind) {
    case PURO_BEGINNING:
        error = enter(r, c);
        if (!error)
            r->next = r->segment.header.base_offset;
        return error;
    case PURO_END:
        if ((error = enter_active(r)) == PURO_OK && (error = pass_to_end(r)) == PURO_OK)
            r->next = r->place.chain.next_offset;
        return error;
    case PURO_TIME:
        if ((error = enter(r, c)) == PURO_OK && (error = pass_to_time(r, c.number)) == PURO_OK)
            r->next = r->place.chain.next_offset;
        return error;
    case PURO_TOKEN:
        if ((error = check_token(r, &from.token)) != PURO_OK)
            return error;
        c = (struct choice){PURO_OFFSET, from.token.offset};
        /* fall through */
    case PURO_OFFSET:
        if ((error = enter(r, c)) == PURO_OK && (error = pass_to_offset(r, c.number)) == PURO_OK)
            r->next = c.number;
        return error;
    }
    return PURO_OK;
}
