/* Files: the directory of a stream, its segments, locks, and the tip of a segment. Shared by reader and writer. */
#ifndef PURO_ENGINE_H
#define PURO_ENGINE_H

#include "state.h"

#include <sys/stat.h>
#include <sys/types.h>

/* --- files (files.c) --- */
int read_at(int fd, uint64_t position, void *into, size_t size, size_t *got); /* less at the end only */
int write_at(int fd, uint64_t position, const void *bytes, size_t size);
int sync_file(int fd); /* fdatasync; a call that was interrupted is made again (M-6) */
int sync_directory(int fd);
int file_size(int fd, uint64_t *size);
int zero_behind(int fd, uint64_t from, uint64_t *first); /* F-56: first byte that is not zero, or UINT64_MAX */
int room_for(int fd, uint64_t bytes);                    /* V-2, X-4 */
void make_alike(int fd, const struct stat *like);        /* O-9 */
bool same_file(const struct stat *a, const struct stat *b);

/* --- world (world.c) --- */
uint64_t world_clock(const struct puro_world *w);
void world_boot(struct puro_world *w); /* M-7, M-9: from then on the boot is fixed */
bool boot_known(const uint8_t boot[16]);
uint64_t monotonic_ms(void);
void pause_ms(unsigned ms);

/* --- directory (directory.c) --- */
enum { MISSING = 1000, STRAY }; /* answers within the port, beside those of puro_error */
struct segment {
    int fd; /* -1: none */
    uint32_t sequence;
    struct header header;
    struct stat st; /* as it was opened */
};
struct stream {
    int dirfd;
    struct stat st;
    uint8_t id[16];
    pid_t pid; /* L-3 */
};
struct listing {
    uint32_t *numbers;
    size_t count;
    bool foreign; /* names that are none of F-10 */
};
#define NAME_SIZE 32
void segment_name(uint32_t sequence, const char *suffix, char name[NAME_SIZE]);
int stream_open(struct stream *s, const char *path, const struct puro_world *w); /* O-8, M-1; no id yet */
void stream_close(struct stream *s);
int stream_same_process(const struct stream *s); /* L-3 */
int list(int dirfd, struct listing *out);        /* V-11 */
void listing_free(struct listing *l);
int segment_open(int dirfd, uint32_t sequence, bool to_write, struct segment *out); /* O-5, F-54; MISSING */
void segment_close(struct segment *s);
int segment_of(const struct stream *s, uint32_t sequence, bool to_write, struct segment *out); /* + STRAY */
int stream_identify(struct stream *s, const struct listing *l);                                /* F-9 */
int stream_active(const struct stream *s, const struct listing *l, bool to_write, struct segment *out);
int later_there(const struct stream *s, uint32_t sequence, bool *there); /* */
int name_leads(int dirfd, const char *name, const struct stat *to, bool *leads, struct stat *now);

/* --- locks (lock.c) --- */
enum lock_kind { SHARED, EXCLUSIVE, UNLOCK };
int lock_try(int fd, enum lock_kind kind, bool *had); /* L-1 */
int lock_file(int dirfd, const char *name, uint64_t wait_ms, const struct stat *like, int *fd); /* L-4, F-44 */
void lock_close(const struct stream *s, int *fd); /* L-3 */
void lock_hint(int fd, uint64_t now);                                                            /* F-40 */
int segment_pin(const struct stream *s, uint32_t sequence, uint64_t wait_ms, struct segment *out); /* */

/* --- reading blocks, and the tip of a segment (tip.c) --- */
int block_read(const struct segment *s, uint64_t position, struct chain before, struct buf *bytes,
               enum finding *what, struct block *out);

/* What is remembered of the committed end (O-3), and all that a writer gathers on the way to it. */
struct tip {
    uint64_t position;
    struct chain chain;
    uint8_t eight[8];      /* before position */
    uint32_t epoch;        /* of the block before; the header's at first (E-7) */
    struct state state;    /* F-37 */
    int fold_error;        /* why the state is not known (F-24, F-32) */
    uint64_t durable_to;   /* the highest that was read */
    uint64_t highest;      /* timestamp of records blocks, with what the opening checkpoints carry on (F-22) */
    uint64_t opening_time; /* timestamp of the first opening checkpoint */
    uint64_t opening_end;  /* where the opening checkpoints end */
    uint64_t raise_end;    /* behind the block that set the newest epoch; 0: known to be on disk otherwise (E-4) */
    uint64_t blocks;
    bool opens;   /* the first block is a checkpoint (F-25) */
    bool opening; /* only opening checkpoints were seen */
    bool sealed;  /* the last block is a segment end: nothing follows it */
    struct buf bytes;
    struct block block; /* the last one */
};
void tip_begin(struct tip *t, const struct segment *s);
void tip_take(struct tip *t, const struct block *b);            /* one more committed block */
int tip_step(struct tip *t, const struct segment *s, enum finding *what); /* reads one; takes it if committed */
int tip_scan(struct tip *t, const struct segment *s);           /* from the header to the committed end */
void tip_free(struct tip *t);

/* --- the recovery table (recovery.c) --- */
enum label { UNREADABLE, DAMAGED, CLEAN, UNSEEN, LOST };
extern const char *const label_words[];
int classify(const struct segment *s, const struct tip *t, uint64_t known, const uint8_t boot[16], enum label *label,
             uint64_t *length);
int save_tail(const struct stream *s, const struct segment *seg, uint64_t from, uint64_t to); /* X-4, F-41 */

#endif
