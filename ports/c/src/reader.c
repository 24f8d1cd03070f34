/* Reading block by block, from segment to segment, V-8, V-9, R-8, R-11, R-16. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The reader takes the segment over, and stands behind its header (F-21). */
int reader_enter(struct puro_reader *r, struct segment *s)
{
    lock_close(&r->stream, &r->segment.fd);
    r->segment = *s;
    s->fd = -1;
    const struct header *h = &r->segment.header;
    r->place = (struct place){HEADER_BYTES, {h->crc, h->base_offset}, {0}, h->epoch};
    put32(r->place.eight, h->epoch);
    put32(r->place.eight + 4, h->crc);
    r->came_to = HEADER_BYTES;
    r->came_crc = h->crc;
    r->in_block = false;
    return PURO_OK;
}

int reader_open(struct puro_reader *r, const char *path, const struct puro_world *world)
{
    struct listing l = {0};
    memset(r, 0, sizeof *r);
    r->world = *world;
    r->segment.fd = -1;
    r->path = must_alloc(NULL, strlen(path) + 1);
    strcpy(r->path, path);
    int error = stream_open(&r->stream, path, world);
    if (!error)
        error = list(r->stream.dirfd, &l);
    if (!error)
        error = stream_identify(&r->stream, &l);
    listing_free(&l);
    return error;
}

static int lasting(struct puro_reader *r, int error) /* */
{
    if (error == PURO_OUT_OF_RANGE || error == PURO_DIVERGED || error == PURO_REMOVED)
        r->lasts = error;
    return error;
}

static int leads(const struct puro_reader *r, bool *leads)
{
    char name[NAME_SIZE];
    segment_name(r->segment.sequence, "", name);
    return name_leads(r->stream.dirfd, name, &r->segment.st, leads, NULL);
}

/* V-8, V-9. *moved is false where there is nothing behind the segment end yet. */
static int hop(struct puro_reader *r, const struct start *end, bool *moved)
{
    struct segment next = {.fd = -1};
    bool there;
    uint32_t sequence = r->segment.sequence;
    *moved = false;
    int error = sequence == UINT32_MAX ? PURO_OK : segment_pin(&r->stream, sequence + 1, 60000, &next);
    if (sequence == UINT32_MAX)
        return PURO_OK;
    if (error == STRAY)
        return fail(PURO_DAMAGED, "segment %u is of another stream (V-8, F-9)", sequence + 1);
    if (error == MISSING) {
        error = later_there(&r->stream, sequence, &there);
        if (error || !there)
            return error;
        if ((error = leads(r, &there)) != PURO_OK)
            return error;
        if (there)
            return fail(PURO_DAMAGED, "segment %u is missing (V-9)", sequence + 1);
        return lasting(r, fail(PURO_OUT_OF_RANGE, "the segments were deleted (V-9)"));
    }
    if (error)
        return error;
    if (next.header.base_offset != end->first_offset)
        error = fail(PURO_DAMAGED, "segment %u does not begin where the one before ends (F-49)", sequence + 1);
    if (!error)
        error = leads(r, &there);
    if (!error && !there)
        error = lasting(r, fail(PURO_OUT_OF_RANGE, "the segment was deleted (V-8)"));
    if (error) {
        segment_close(&next);
        return error;
    }
    *moved = true;
    return reader_enter(r, &next);
}

int reader_block(struct puro_reader *r, enum finding *what)
{
    for (;;) {
        bool there, moved;
        int error = block_read(&r->segment, r->place.position, r->place.chain, &r->bytes, what, &r->block);
        if (error)
            return error;
        if (*what != COMMITTED) {
            *what = NOTHING;
            if ((error = later_there(&r->stream, r->segment.sequence, &there)) != PURO_OK || !there)
                return error; /* nothing yet */
            /* it may have been sealed between the two looks */
            error = block_read(&r->segment, r->place.position, r->place.chain, &r->bytes, what, &r->block);
            if (!error && *what != COMMITTED)
                error = fail(PURO_DAMAGED, "segment %u at %llu: no committed block in a sealed segment (R-5)",
                             r->segment.sequence, (unsigned long long)r->place.position);
            if (error)
                return error;
        }
        if (r->block.start.kind != SEGMENT_END)
            return PURO_OK;
        if ((error = hop(r, &r->block.start, &moved)) != PURO_OK || !moved) {
            *what = NOTHING;
            return error;
        }
    }
}

void reader_pass(struct puro_reader *r)
{
    const struct start *s = &r->block.start;
    r->place.position += r->block.length;
    r->place.chain = (struct chain){r->block.crc, s->first_offset + s->record_count};
    r->place.epoch = s->epoch;
    put32(r->place.eight, s->body_len);
    put32(r->place.eight + 4, r->block.crc);
    if (s->record_count) {
        r->came_to = r->place.position;
        r->came_crc = r->block.crc;
    }
    r->in_block = false;
}

int puro_reader_open(const char *path, struct puro_from_place from, const struct puro_world *world,
                     struct puro_reader **out)
{
    struct puro_reader *r = must_alloc(NULL, sizeof *r);
    int error = reader_open(r, path, world);
    if (!error)
        error = reader_seek(r, from);
    *out = r;
    if (error) {
        puro_reader_close(r);
        *out = NULL;
    }
    return error;
}

void puro_reader_close(struct puro_reader *r)
{
    if (!r)
        return;
    lock_close(&r->stream, &r->segment.fd);
    stream_close(&r->stream);
    buf_free(&r->bytes);
    free(r->path);
    free(r);
}

/* All of a block's records are checked before the first is given, so the position stays before damage. */
int puro_read(struct puro_reader *r, struct puro_record *record, bool *got)
{
    *got = false;
    int error = stream_same_process(&r->stream);
    if (!error && r->lasts)
        error = fail(r->lasts, "%s (R-16)", puro_word(r->lasts));
    while (!error) {
        struct record found;
        if (!r->in_block) {
            enum finding what;
            if ((error = reader_block(r, &what)) != PURO_OK || what != COMMITTED)
                return error;
            if (r->block.start.kind == CHECKPOINT) { /* nothing of users; what it says is not a reader's */
                reader_pass(r);
                continue;
            }
            if ((error = walk_all(&r->block.start, r->block.body)) != PURO_OK)
                return error;
            walk_begin(&r->walk, &r->block.start, r->block.body);
            r->walk.check_crc = false;
            r->in_block = true;
        }
        bool more;
        if ((error = walk_next(&r->walk, &found, &more)) != PURO_OK)
            return error;
        if (!more) {
            reader_pass(r);
        } else if (!found.control && found.user.offset >= r->next) {
            *record = found.user;
            r->next = found.user.offset + 1;
            *got = true;
            return PURO_OK;
        }
    }
    return error;
}

/* E-7: in the middle of a block it is the epoch of the block; else that of the block before. */
void puro_reader_token(const struct puro_reader *r, struct puro_token *out)
{
    memcpy(out->stream_id, r->stream.id, 16);
    const struct start *s = &r->block.start;
    bool inside = r->in_block && r->next > s->first_offset;
    out->epoch = inside ? s->epoch : r->place.epoch;
    out->offset = r->next > r->place.chain.next_offset ? r->next : r->place.chain.next_offset;
}

int stream_tip(const struct stream *s, struct segment *active, struct tip *tip)
{
    struct listing l;
    memset(tip, 0, sizeof *tip);
    active->fd = -1;
    int error = list(s->dirfd, &l);
    if (!error)
        error = stream_active(s, &l, false, active);
    listing_free(&l);
    if (!error)
        error = tip_scan(tip, active);
    return error;
}

/* What was read may have been cut off, or the stream may have gone. Where the bytes before the position are
   others, the token is compared with the history as it is now. */
static int look_around(struct puro_reader *r)
{
    struct stat st;
    bool same, there = false;
    uint8_t eight[8], crc[4];
    size_t got;
    int error = leads(r, &same);
    if (error)
        return error;
    bool path_leads = stat(r->path, &st) == 0 && same_file(&st, &r->stream.st);
    if (!same || !path_leads) {
        if (path_leads && (error = later_there(&r->stream, r->segment.sequence, &there)) != PURO_OK)
            return error;
        return lasting(r, there ? fail(PURO_OUT_OF_RANGE, "the segment was taken away (R-11)")
                                : fail(PURO_REMOVED, "the stream was removed, moved or replaced (R-11)"));
    }
    error = read_at(r->segment.fd, r->place.position - 8, eight, 8, &got);
    if (error || (got == 8 && memcmp(eight, r->place.eight, 8) == 0))
        return error;
    struct segment active;
    struct tip tip;
    struct puro_token token;
    puro_reader_token(r, &token);
    error = stream_tip(&r->stream, &active, &tip);
    struct puro_token early = token; /* only the first case of E-7 is asked */
    uint64_t next = tip.chain.next_offset;
    if (!error && early.epoch <= state_epoch(&tip.state).number)
        error = token_check(&early, r->stream.id, &tip.state, UINT64_MAX);
    segment_close(&active);
    tip_free(&tip);
    if (error)
        return lasting(r, error);
    error = read_at(r->segment.fd, r->came_to - 4, crc, 4, &got);
    if (error)
        return error;
    if (got == 4 && get32(crc) == r->came_crc) { /* only blocks without records were taken back */
        if (next < token.offset)
            return PURO_OK;
        return reader_seek(r, (struct puro_from_place){PURO_OFFSET, {{0}, 0, 0}, token.offset});
    }
    memset(&tip, 0, sizeof tip);
    error = tip_scan(&tip, &r->segment);
    next = tip.chain.next_offset;
    tip_free(&tip);
    if (!error && next >= token.offset)
        return lasting(r, fail(PURO_DIVERGED, "others were appended in place of what was read (R-11)"));
    return error;
}

/* R-8 lets a reader do without notification: it looks once in each poll interval. */
int puro_wait(struct puro_reader *r, uint64_t poll_ms)
{
    pause_ms((unsigned)poll_ms);
    int error = stream_same_process(&r->stream);
    if (!error && r->lasts)
        error = fail(r->lasts, "%s (R-16)", puro_word(r->lasts));
    return error ? error : look_around(r);
}
