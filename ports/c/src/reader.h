/* What a reader remembers: protocol.md, chapter 8. */
#ifndef PURO_READER_H
#define PURO_READER_H

#include "engine.h"

struct place {
    uint64_t position;
    struct chain chain;
    uint8_t eight[8]; /* before position */
    uint32_t epoch;   /* of the block before (E-7) */
};

struct puro_reader {
    struct puro_world world;
    struct stream stream;
    struct segment segment; /* pinned */
    struct place place;
    struct buf bytes;   /* of the block that is delivered */
    struct block block;
    bool in_block;
    struct walk walk;
    uint64_t next;      /* offset of the next record to be given */
    uint64_t came_to;   /* where the last block that took offsets ends, and its crc */
    uint32_t came_crc;
    char *path;
    int lasts;          /* an answer that no later look can take back */
};

int reader_open(struct puro_reader *r, const char *path, const struct puro_world *world);
int reader_block(struct puro_reader *r, enum finding *what); /* hops, and tells damage; NOTHING: the end for now */
void reader_pass(struct puro_reader *r);                     /* on behind the block that was read */
int reader_seek(struct puro_reader *r, struct puro_from_place from);
int reader_enter(struct puro_reader *r, struct segment *s);
int stream_tip(const struct stream *s, struct segment *active, struct tip *tip); /* O-3, for whoever only looks */

#endif
