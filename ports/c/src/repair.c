/* Repair: protocol.md, chapter 5, and A-5. */
#include "writer.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void report(struct puro_writer *w, enum label label, uint64_t bytes) /* */
{
    w->repairs = must_alloc(w->repairs, (w->repair_count + 1) * sizeof *w->repairs);
    w->repairs[w->repair_count++] =
        (struct puro_repair){label_words[label], w->segment.sequence, w->tip.position, bytes};
}

/* The sync makes nothing known: so the bytes do not show who cut. */
static int cut(struct puro_writer *w)
{
    if (ftruncate(w->segment.fd, (off_t)w->tip.position) < 0)
        return fail_system("ftruncate");
    uint64_t known = w->known;
    int error = sync_locked(w);
    w->known = known;
    return error;
}

int repair_end(struct puro_writer *w)
{
    bool later;
    uint64_t length;
    enum label label;
    int error = later_there(&w->stream, w->segment.sequence, &later); /* A-5, 1 */
    if (!error && later) {
        if (w->sync_failed && (error = mend(w)) != PURO_OK)
            return error;
        return writer_open_anew(w);
    }
    if (!error && !w->scanned)
        error = writer_scan(w, false); /* A-5, 2 */
    if (!error)
        error = classify(&w->segment, &w->tip, w->known_ever, w->world.boot, &label, &length);
    if (error)
        return error; /* */
    switch (label) {
    case DAMAGED:
        return fail(PURO_DAMAGED, "segment %u at %llu: damaged, nothing is changed (X-2)", w->segment.sequence,
                    (unsigned long long)w->tip.position);
    case UNSEEN:
        if ((error = cut(w)) == PURO_OK)
            report(w, label, length - w->tip.position);
        return error;
    case LOST:
        if ((error = save_tail(&w->stream, &w->segment, w->tip.position, length)) != PURO_OK)
            return error;
        w->named = true; /* X-4 has synced the directory */
        if ((error = cut(w)) != PURO_OK)
            return error;
        report(w, label, length - w->tip.position);
        w->looked = true; /* nothing is behind */
        return w->tip.sealed ? PURO_OK : raise_epoch(w);
    default:
        return PURO_OK;
    }
}

/* O-9: where writer.lock is missing and the end is clean, no file is made. */
int puro_repair(struct puro_writer *w)
{
    uint64_t length;
    enum label label;
    w->repair_count = 0;
    int error = writer_use(w);
    if (error)
        return error;
    if (w->segment.st.st_nlink == 1 && faccessat(w->stream.dirfd, "writer.lock", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && !w->tip.sealed &&
        classify(&w->segment, &w->tip, w->known_ever, w->world.boot, &label, &length) == PURO_OK && label == CLEAN)
        return PURO_OK;
    if ((error = writer_lock(w)) != PURO_OK)
        return error;
    error = catch_up(w);
    writer_unlock(w);
    return error;
}
