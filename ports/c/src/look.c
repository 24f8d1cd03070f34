/* Is the remembered end still the committed end?. */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct look {
    bool leads;      /* the name leads to the open file */
    nlink_t names;   /* of that file */
    bool remembered; /* the eight bytes before the end */
    bool zero;       /* what was seen behind it */
};

static int look(struct puro_writer *w, struct look *l)
{
    char name[NAME_SIZE];
    uint8_t bytes[8 + UNIT];
    size_t got;
    struct stat st = {0};
    segment_name(w->segment.sequence, "", name);
    int error = name_leads(w->stream.dirfd, name, &w->segment.st, &l->leads, &st);
    if (!error)
        error = read_at(w->segment.fd, w->tip.position - 8, bytes, sizeof bytes, &got);
    if (error)
        return error;
    l->names = st.st_nlink;
    l->remembered = got >= 8 && memcmp(bytes, w->tip.eight, 8) == 0;
    l->zero = got <= 8 || all_zero(bytes + 8, got - 8);
    return PURO_OK;
}

/* one other name is no reason, the segment's own temporary one. That is removed. */
static int one_name(struct puro_writer *w, nlink_t names)
{
    char name[NAME_SIZE];
    bool leads;
    if (names <= 1)
        return PURO_OK;
    segment_name(w->segment.sequence, ".new", name);
    int error = name_leads(w->stream.dirfd, name, &w->segment.st, &leads, NULL);
    if (error)
        return error;
    if (names == 2 && leads) {
        if (unlinkat(w->stream.dirfd, name, 0) == 0 || errno == ENOENT)
            return PURO_OK;
        return fail_system(name);
    }
    return fail(PURO_REFUSED, "the active segment has more than one name (A-19)");
}

/* a segment that is left is mended first, where its sync failed. */
static int leave(struct puro_writer *w) { return w->sync_failed ? mend(w) : PURO_OK; }

/* Behind a segment end: on into the next segment, if there is one. *moved tells. */
static int step_into_next(struct puro_writer *w, bool *moved)
{
    struct segment next;
    bool later = false;
    *moved = false;
    int error = w->segment.sequence == UINT32_MAX ? MISSING
                                                  : segment_of(&w->stream, w->segment.sequence + 1, true, &next);
    if (error == MISSING || error == STRAY) {
        error = later_there(&w->stream, w->segment.sequence, &later);
        if (error || !later)
            return error;
        *moved = true;
        error = leave(w);
        return error ? error : writer_open_anew(w);
    }
    if (error)
        return error;
    if (next.header.base_offset != w->tip.chain.next_offset)
        error = fail(PURO_DAMAGED, "segment %u does not begin where the one before ends (F-49)", next.sequence);
    if (!error)
        error = leave(w);
    if (error) {
        segment_close(&next);
        return error;
    }
    *moved = true;
    return writer_enter(w, &next, false);
}

/* A-3, and what must follow it. *again: another segment, or another end: look once more. */
static int step_over(struct puro_writer *w, const struct look *l, bool *again)
{
    uint64_t first;
    enum finding what = COMMITTED;
    int error = PURO_OK;
    *again = true;
    while (!error && what == COMMITTED)
        error = tip_step(&w->tip, &w->segment, &what);
    if (!error && w->tip.fold_error)
        error = fail(PURO_DAMAGED, "the state cannot be folded (F-24, F-32)");
    if (!error && what == VALID && !w->scanned)
        return writer_scan(w, true); /* it does not continue the chain */
    if (error)
        return error;
    if (w->tip.durable_to > w->known)
        w->known = w->tip.durable_to;
    if (w->tip.sealed) {
        bool moved;
        if ((error = step_into_next(w, &moved)) != PURO_OK || moved)
            return error;
    }
    if (!l->leads)
        return fail(PURO_REMOVED, "the active segment has lost its name (A-2, A-22)");
    if ((error = one_name(w, l->names)) != PURO_OK || (error = zero_behind(w->segment.fd, w->tip.position, &first)) != PURO_OK)
        return error;
    if (first != UINT64_MAX || w->known_ever > w->tip.position || w->known > w->tip.position || !w->tip.opens)
        return repair_end(w); /* A-5 (and F-25), and it comes before A-6 */
    w->looked = true;
    if (w->tip.sealed)
        return roll(w, 0); /* finish */
    *again = false;
    return PURO_OK;
}

int catch_up(struct puro_writer *w)
{
    for (int i = 0; i < 1000; i++) {
        struct look l;
        bool again;
        if (w->known > w->known_ever)
            w->known_ever = w->known;
        int error = look(w, &l);
        if (error)
            return error;
        if (!l.remembered) {
            if ((error = writer_scan(w, true)) != PURO_OK) /* */
                return error;
            continue;
        }
        bool clean = l.leads && l.names == 1 && !w->tip.sealed && l.zero && w->looked && w->tip.opens &&
                     w->known_ever <= w->tip.position;
        if (clean)
            return PURO_OK; /* A-2, 5 */
        if ((error = step_over(w, &l, &again)) != PURO_OK || !again)
            return error;
    }
    return fail(PURO_SYSTEM, "the end does not come to rest");
}
