/* An append, from the committed end on, chapter 6 (epochs), V-1, Z-7. */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { AGAIN = 1100 }; /* something stands where the block is to go: look at all behind (Z-7) */

/* what is not known to be on disk is written once more, with the bytes that the file gives now. Under the lock;
   the tip is the end as it is now. */
int mend(struct puro_writer *w)
{
    uint8_t chunk[65536];
    int error = PURO_OK;
    w->sync_failed = true;
    for (uint64_t at = w->known; at < w->tip.position && !error;) {
        uint64_t left = w->tip.position - at;
        size_t size = left < sizeof chunk ? (size_t)left : sizeof chunk, got;
        error = read_at(w->segment.fd, at, chunk, size, &got);
        if (!error && got < size)
            error = fail(PURO_SYSTEM, "the segment became shorter");
        if (!error)
            error = write_at(w->segment.fd, at, chunk, size);
        at += size;
    }
    if (!error)
        error = sync_file(w->segment.fd);
    if (error)
        return error;
    w->sync_failed = false;
    w->known = w->tip.position;
    return PURO_OK;
}

int sync_locked(struct puro_writer *w)
{
    if (w->sync_failed || sync_file(w->segment.fd) != PURO_OK)
        return mend(w);
    w->known = w->tip.position;
    return PURO_OK;
}

/* a favour, unless there is no room for the block anyway. */
static int reserve(struct puro_writer *w, uint64_t length)
{
    if (fallocate(w->segment.fd, FALLOC_FL_KEEP_SIZE, (off_t)w->tip.position, (off_t)length) < 0 && errno == ENOSPC)
        return room_for(w->segment.fd, length);
    return PURO_OK;
}

/* Z-7: the block's bytes and 64 more behind the end are zero, or not there. */
static int nothing_in_the_way(struct puro_writer *w, uint64_t length)
{
    uint8_t chunk[65536];
    for (uint64_t at = w->tip.position, end = at + length + UNIT; at < end;) {
        size_t size = end - at < sizeof chunk ? (size_t)(end - at) : sizeof chunk, got;
        int error = read_at(w->segment.fd, at, chunk, size, &got);
        if (error)
            return error;
        if (!all_zero(chunk, got)) {
            w->looked = false;
            return AGAIN;
        }
        if (got < size)
            break;
        at += size;
    }
    return PURO_OK;
}

static int give_up(struct puro_writer *w, int error) /* not appended */
{
    if (ftruncate(w->segment.fd, (off_t)w->tip.position) < 0)
        w->looked = false; /* it stays low, for the next repair */
    return error;
}

/* the bytes, then the signal. */
static int put(struct puro_writer *w, const struct buf *bytes)
{
    static const uint8_t high = HIGH;
    int error = write_at(w->segment.fd, w->tip.position, bytes->data, bytes->size);
    if (error)
        return give_up(w, error);
    error = write_at(w->segment.fd, w->tip.position, &high, 1);
    if (!error)
        return PURO_OK;
    uint8_t back;
    size_t got;
    if (read_at(w->segment.fd, w->tip.position, &back, 1, &got) || got != 1) {
        w->looked = false;
        return fail(PURO_SYSTEM, "unknown: neither written nor read (A-13)");
    }
    return back == HIGH ? PURO_OK : give_up(w, error);
}

static bool fits(const struct puro_writer *w, uint64_t length) /* V-1 */
{
    const struct tip *t = &w->tip;
    return t->position == t->opening_end ||
           t->position + length - t->opening_end <= setting_number(&t->state, "segment_bytes");
}

int write_block(struct puro_writer *w, enum kind kind, view body, uint32_t count, bool control, uint32_t epoch,
                bool may_roll)
{
    struct buf fitted = {0}, bytes = {0};
    bool padded;
    int error = body_fit(body, w->segment.header.crc, w->tip.position, &fitted, &padded);
    if (!error && may_roll && !fits(w, block_length(fitted.size))) {
        error = roll(w, block_length(fitted.size));
        if (!error) /* V-1 is not asked again; the pad is made anew */
            error = body_fit(body, w->segment.header.crc, w->tip.position, &fitted, &padded);
    }
    uint64_t length = block_length(fitted.size);
    if (!error && w->tip.chain.next_offset > UINT64_MAX - count)
        error = fail(PURO_REFUSED, "no offset is left (F-18)");
    if (!error)
        error = nothing_in_the_way(w, length);
    if (!error)
        error = reserve(w, length);
    if (!error) {
        struct block b = {.start = {.signal = LOW,
                                    .kind = (uint8_t)kind,
                                    .flags = control || padded,
                                    .body_len = (uint32_t)fitted.size,
                                    .record_count = count,
                                    .prev_crc = w->tip.chain.crc,
                                    .first_offset = w->tip.chain.next_offset,
                                    .timestamp = kind == RECORDS ? world_clock(&w->world) : w->tip.highest, /* F-22 */
                                    .durable_to = w->known,
                                    .epoch = epoch}};
        block_encode(&bytes, &b.start, view_of(fitted.data, fitted.size), w->segment.header.crc, w->tip.position);
        b.body = view_of(bytes.data + START_BYTES, fitted.size);
        b.length = length;
        b.crc = get32(bytes.data + length - 4);
        if ((error = put(w, &bytes)) == PURO_OK) {
            tip_take(&w->tip, &b);
            error = w->tip.fold_error;
        }
    }
    buf_free(&fitted);
    buf_free(&bytes);
    return error;
}

int raise_epoch(struct puro_writer *w)
{
    struct epoch e = state_epoch(&w->tip.state);
    struct buf body = {0};
    if (e.number == UINT32_MAX)
        return fail(PURO_REFUSED, "no epoch is left (E-3)");
    e.number++;
    e.first_offset = w->tip.chain.next_offset;
    memcpy(e.boot, w->world.boot, 16);
    e.time = world_clock(&w->world);
    epoch_encode(&body, &e);
    int error = write_block(w, RECORDS, view_of(body.data, body.size), 0, true, e.number, false);
    buf_free(&body);
    if (!error) {
        w->raised = true;
        error = sync_locked(w);
    }
    return error;
}

bool must_raise(const struct puro_writer *w) /* E-2 */
{
    struct epoch newest = state_epoch(&w->tip.state);
    return boot_known(w->world.boot) ? memcmp(newest.boot, w->world.boot, 16) != 0 : !w->raised;
}

/* the names, the epoch, and whether it is on disk (V-7, E-2, E-4). */
static int prepare(struct puro_writer *w)
{
    int error = PURO_OK;
    if (!w->named && (error = sync_directory(w->stream.dirfd)) == PURO_OK)
        w->named = true;
    if (error)
        return error;
    if (must_raise(w))
        error = raise_epoch(w);
    if (!error && w->tip.raise_end > w->known)
        error = sync_locked(w);
    return error;
}

/* A-11, behind the unlocking. What was told to fail is mended under the lock. */
static int make_durable(struct puro_writer *w)
{
    uint64_t end = w->tip.position;
    if (!w->sync_failed && w->known >= end)
        return PURO_OK;
    if (!w->sync_failed && sync_file(w->segment.fd) == PURO_OK) {
        w->known = end;
        return PURO_OK;
    }
    w->sync_failed = true;
    int error = writer_lock(w);
    if (!error)
        error = catch_up(w); /* its end now counts; a segment that is left is mended there */
    if (!error && w->sync_failed)
        error = mend(w);
    writer_unlock(w);
    return error ? fail(PURO_SYSTEM, "appended, not durable (A-12)") : PURO_OK;
}

int append_batch(struct puro_writer *w, struct batch *b, int durable)
{
    size_t size = b->body.size;
    bool control = b->control;
    int error = writer_use(w);
    if (!error)
        error = writer_lock(w);
    if (error)
        return error;
    for (int i = 0; i < 100; i++) {
        b->body.size = size;
        b->control = control;
        error = catch_up(w);
        if (!error && b->decide)
            error = b->decide(w, b, b->context);
        if (error || b->done)
            break;
        if ((error = prepare(w)) == PURO_OK) {
            b->first_offset = w->tip.chain.next_offset;
            error = write_block(w, RECORDS, view_of(b->body.data, b->body.size), b->count, b->control,
                                state_epoch(&w->tip.state).number, true);
        }
        if (error != AGAIN)
            break;
    }
    if (durable < 0)
        durable = setting_true(&w->tip.state, "durable");
    writer_unlock(w);
    if (error == AGAIN)
        error = fail(PURO_SYSTEM, "the end does not come to rest (Z-7)");
    return !error && durable ? make_durable(w) : error;
}
