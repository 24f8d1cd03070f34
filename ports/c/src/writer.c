/* Opening a producer, its lock, and what it remembers. */
#include "writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int writer_use(struct puro_writer *w) { return stream_same_process(&w->stream); }

/* From here on w remembers this segment, and nothing of the one before. */
int writer_enter(struct puro_writer *w, struct segment *s, bool made)
{
    segment_close(&w->segment);
    w->segment = *s;
    s->fd = -1;
    w->known = w->known_ever = 0;
    w->looked = w->scanned = w->sync_failed = false;
    w->named = made;
    return writer_scan(w, true);
}

/* The header once more: a scan begins with it (O-3), and the recovery table asks for it. */
static int check_header(const struct puro_writer *w)
{
    uint8_t raw[HEADER_BYTES];
    size_t got;
    struct header now;
    int error = read_at(w->segment.fd, 0, raw, sizeof raw, &got);
    if (!error)
        error = header_decode(view_of(raw, got), true, &now);
    if (error == PURO_FOREIGN || (!error && now.crc != w->segment.header.crc))
        error = fail(PURO_DAMAGED, "the header of segment %u is another now", w->segment.sequence);
    return error;
}

/* Whether an epoch above the remembered one begins below the remembered offset: the case of E-7. */
static bool raised_below(const struct state *s, uint32_t epoch, uint64_t next_offset)
{
    struct epoch e;
    for (size_t i = 0; i < s->count; i++)
        if (view_is(s->list[i].kind, "epoch") && epoch_parse(&s->list[i], &e) && e.number > epoch &&
            e.first_offset < next_offset)
            return true;
    return false;
}

/* Reads the segment from its header on. wrong: what was remembered is not there any more. Then, and where the
   blocks end before the remembered end, what was known counts for the recovery table alone; and not even there
   where somebody repaired with a raise, which says that the history was lost. */
int writer_scan(struct puro_writer *w, bool wrong)
{
    uint64_t position = w->tip.position, next_offset = w->tip.chain.next_offset;
    uint32_t epoch = w->tip.epoch;
    int error = check_header(w);
    if (!error)
        error = tip_scan(&w->tip, &w->segment);
    if (error)
        return error;
    wrong |= w->tip.position < position;
    if (wrong)
        w->known = 0;
    if (wrong && raised_below(&w->tip.state, epoch, next_offset))
        w->known_ever = 0;
    if (w->tip.durable_to > w->known)
        w->known = w->tip.durable_to;
    w->scanned = w->lock >= 0;
    w->looked = false;
    return w->tip.fold_error ? fail(PURO_DAMAGED, "the state cannot be folded (F-24, F-32)") : PURO_OK;
}

int writer_open_anew(struct puro_writer *w)
{
    struct listing l;
    struct segment s = {.fd = -1};
    int error = list(w->stream.dirfd, &l);
    if (!error)
        error = stream_identify(&w->stream, &l);
    if (!error)
        error = stream_active(&w->stream, &l, true, &s);
    listing_free(&l);
    if (!error)
        error = writer_enter(w, &s, false);
    return error;
}

int puro_writer_open(const char *path, const struct puro_world *world, struct puro_writer **out)
{
    struct puro_writer *w = must_alloc(NULL, sizeof *w);
    memset(w, 0, sizeof *w);
    w->world = *world;
    world_boot(&w->world);
    w->lock = w->segment.fd = -1;
    int error = stream_open(&w->stream, path, world);
    if (!error)
        error = writer_open_anew(w);
    *out = w;
    if (error) {
        puro_writer_close(w);
        *out = NULL;
    }
    return error;
}

struct puro_world *puro_writer_world(struct puro_writer *w) { return &w->world; }

/* It only closes: also in a forked child (L-3). There are no zeros ahead to be cut off (Z-8). */
void puro_writer_close(struct puro_writer *w)
{
    if (!w)
        return;
    lock_close(&w->stream, &w->lock);
    segment_close(&w->segment);
    stream_close(&w->stream);
    tip_free(&w->tip);
    free(w->repairs);
    free(w);
}

int writer_lock(struct puro_writer *w)
{
    w->scanned = false;
    return lock_file(w->stream.dirfd, "writer.lock", w->world.lock_ms ? w->world.lock_ms : 60000, &w->segment.st,
                     &w->lock);
}

void writer_unlock(struct puro_writer *w)
{
    lock_close(&w->stream, &w->lock);
    w->scanned = false;
}

/* C-5: the higher of the own clock and the time at which the active segment began. */
uint64_t writer_entry_time(const struct puro_writer *w)
{
    uint64_t created = w->segment.header.created, opening = w->tip.opening_time;
    uint64_t began = created < opening ? created : opening, now = world_clock(&w->world);
    return now > began ? now : began;
}

const struct puro_repair *puro_repairs(const struct puro_writer *w, size_t *count)
{
    *count = w->repair_count;
    return w->repairs;
}
