/* Verification: protocol.md, chapter 11. */
#ifndef PURO_VERIFY_H
#define PURO_VERIFY_H

#include "engine.h"

enum weight { DAMAGE = 1, NOT_READ = 2, REPAIR = 4 }; /* K-2 */

/* What is seen of a segment beyond its chain, where it was asked to look deep (K-14). */
struct topic_block {
    view topic; /* its own bytes */
    uint64_t position;
};
struct deep {
    struct state checkpoint; /* of the checkpoint that is being read, over its blocks (F-51) */
    struct buf last;         /* kind and key of its last entry, to see the order */
    bool open;               /* a checkpoint is being read */
    bool whole;        /* so far it is the whole state */
    unsigned pieces;   /* blocks of it */
    uint64_t position; /* of the last one */
    struct topic_block *topics;
    size_t count, cap;
    uint64_t from; /* F-42: the end of the checkpoint before */
};

struct verifier {
    struct stream stream;
    const uint8_t *boot;
    bool deep_asked;
    unsigned found; /* weights */
    char why[256];  /* the first finding of the worst weight */
    /* what the segment before leads to, where that was sound (F-49, F-22) */
    bool before;
    uint64_t next_offset, highest;
    uint32_t epoch;
    struct state state;
    struct deep deep;
};

void found(struct verifier *v, enum weight weight, const struct segment *s, uint64_t position, const char *what);
void deep_begin(struct verifier *v, const struct segment *s);
/* A block that the tip has taken. */
void deep_block(struct verifier *v, const struct segment *s, const struct tip *t);
void deep_end(struct verifier *v, const struct segment *s); /* no more of this checkpoint comes */
void deep_free(struct verifier *v);

#endif
