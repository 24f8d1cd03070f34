/* What a producer remembers, and the parts of an append: protocol.md, chapters 4 to 7. */
#ifndef PURO_WRITER_H
#define PURO_WRITER_H

#include "engine.h"

struct puro_writer {
    struct puro_world world;
    struct stream stream;
    struct segment segment;
    struct tip tip;
    int lock;            /* writer.lock while it is held, else -1 */
    uint64_t known;      /* of this segment, up to where it is known to be on disk: goes into durable_to */
    uint64_t known_ever; /* the same for the recovery table: never less while the segment stays open */
    bool looked;         /* all behind the end was looked at under the lock (Z-6) */
    bool scanned;        /* read from the header on, under this hold of the lock */
    bool named;          /* the segment's name is on disk: made here, or the directory was synced (V-7) */
    bool raised;         /* an epoch was raised since this writer was opened (E-2) */
    bool sync_failed;    /* of this segment: to be mended before a sync is believed */
    struct puro_repair *repairs;
    size_t repair_count;
};

/* A batch: a body, and what it says of itself. decide is asked under the lock, at the committed end (A-16, C-2, C-4):
   it may add entries, refuse, or set done where nothing is to be appended. */
struct batch {
    struct buf body;
    uint32_t count;
    bool control, done;
    int (*decide)(struct puro_writer *w, struct batch *b, void *context);
    void *context;
    uint64_t first_offset;
};

/* writer.c */
int writer_use(struct puro_writer *w); /* L-3 */
int writer_enter(struct puro_writer *w, struct segment *s, bool made);
int writer_open_anew(struct puro_writer *w); /* O-3: the active segment, from its header on */
int writer_lock(struct puro_writer *w);
void writer_unlock(struct puro_writer *w);
int writer_scan(struct puro_writer *w, bool wrong); /* */
uint64_t writer_entry_time(const struct puro_writer *w); /* C-5 */

/* look.c */
int catch_up(struct puro_writer *w); /* */

/* write.c */
int write_block(struct puro_writer *w, enum kind kind, view body, uint32_t count, bool control, uint32_t epoch,
                bool may_roll);
bool must_raise(const struct puro_writer *w); /* E-2 */
int raise_epoch(struct puro_writer *w);   /* E-3 */
int sync_locked(struct puro_writer *w);   /* a sync under the lock; mends at once where it fails */
int mend(struct puro_writer *w);          /* */
int append_batch(struct puro_writer *w, struct batch *b, int durable);

/* roll.c */
int roll(struct puro_writer *w, uint64_t then); /* V-1 to V-6; then: bytes of the block that is to follow */

/* repair.c */
int repair_end(struct puro_writer *w); /* A-5, chapter 5 */

#endif
