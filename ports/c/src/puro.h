/* Puro in C11: the face of the port. See ../README.md; clauses are those of spec/format.md and spec/protocol.md. */
#ifndef PURO_H
#define PURO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a call answers. Every function that returns int returns one of these. */
enum puro_error {
    PURO_OK = 0,
    PURO_REFUSED,      /* what is asked for may not be */
    PURO_FOREIGN,      /* no segment: the magic is wrong (F-12) */
    PURO_DAMAGED,      /* what is stored breaks a rule */
    PURO_NEWER,        /* from a newer Puro (F-12, F-50) */
    PURO_NOT_A_STREAM, /* no segment, or segments of two streams (F-9) */
    PURO_DIVERGED,     /* the history of a token is gone (E-7) */
    PURO_OUT_OF_RANGE, /* the offset is not there (R-9, V-8) */
    PURO_REMOVED,      /* stream or segment are not there any more */
    PURO_BUSY,         /* a lock could not be had in time (L-8) */
    PURO_CONFLICT,     /* others were faster (A-16, C-2) */
    PURO_OLD_SEQUENCE, /* an identity is beyond this sequence (C-4) */
    PURO_SYSTEM,       /* the system refused; *appended, not durable*; *unknown* */
};

const char *puro_word(int error); /* the word of kit.md */
const char *puro_text(void);      /* what the last failed call of this thread says to people */

struct puro_view {
    const uint8_t *data;
    size_t size;
};

/* A record as users see it (format.md, chapter 6). The bytes belong to whoever made it; what a reader gives
   stands until its next call. Headers are encoded pairs: puro_add_pair makes them, puro_next_pair takes one off. */
struct puro_record {
    struct puro_view topic, key, value, headers;
    bool has_key, has_value;
    uint64_t header_count;
    uint64_t offset, time; /* of a record that was read */
};

struct puro_pairs {
    uint8_t *data;
    size_t size, cap;
    uint64_t count;
};
void puro_add_pair(struct puro_pairs *pairs, struct puro_view name, struct puro_view value);
bool puro_next_pair(struct puro_view *headers, struct puro_view *name, struct puro_view *value);
void puro_free_pairs(struct puro_pairs *pairs);

/* What decides over the bytes besides the call. All zero is the system's own, and 60 s for a lock. */
struct puro_world {
    bool fixed_clock, fixed_boot, fixed_random;
    uint64_t clock;     /* ms since 1970 (F-5) */
    uint8_t boot[16];   /* sixteen zeros: unknown (M-7) */
    uint8_t random[16]; /* id of a stream that is made */
    uint64_t lock_ms;   /* how long a lock is waited for; 0: 60 s */
    bool allow_network; /* M-1 */
};

struct puro_token {
    uint8_t stream_id[16];
    uint32_t epoch;
    uint64_t offset;
};
#define PURO_TOKEN_TEXT 66
int puro_token_parse(const char *text, size_t size, struct puro_token *out); /* E-9 */
void puro_token_print(const struct puro_token *token, char text[PURO_TOKEN_TEXT]);
bool puro_name_fits(struct puro_view name);                               /* F-11 */
bool puro_setting(struct puro_view name, struct puro_view value, char text[32]); /* F-53: what holds */

/* Creation (O-1). Settings are pairs of name and value. */
struct puro_option {
    const char *name, *value;
};
int puro_create(const char *path, const struct puro_option *options, size_t count, const struct puro_world *world,
                bool *made);

/* A producer: chapters 4 to 7 of the protocol. */
struct puro_writer;
struct puro_repair {
    const char *label; /* row of the recovery table */
    uint32_t segment;
    uint64_t position, bytes;
};
struct puro_append {
    int durable;                        /* 1, 0; -1: what the setting says */
    const struct puro_token *if_end;    /* */
    const char *identity;               /* C-4; with sequence */
    uint64_t sequence;
};
struct puro_appended {
    uint64_t first_offset;
    uint32_t count;
    bool duplicate;
};
int puro_writer_open(const char *path, const struct puro_world *world, struct puro_writer **out);
struct puro_world *puro_writer_world(struct puro_writer *writer);
int puro_append(struct puro_writer *writer, const struct puro_record *records, size_t count,
                const struct puro_append *how, struct puro_appended *out);
int puro_set(struct puro_writer *writer, const char *name, const char *value); /* C-6; NULL unsets */
int puro_repair(struct puro_writer *writer);
const struct puro_repair *puro_repairs(const struct puro_writer *writer, size_t *count); /* */
void puro_writer_close(struct puro_writer *writer);

/* A reader: chapter 8. */
struct puro_reader;
enum puro_from { PURO_BEGINNING, PURO_END, PURO_TOKEN, PURO_OFFSET, PURO_TIME };
struct puro_from_place {
    enum puro_from kind;
    struct puro_token token;
    uint64_t number; /* offset, or time */
};
int puro_reader_open(const char *path, struct puro_from_place from, const struct puro_world *world,
                     struct puro_reader **out);
/* *got: a record was read; without one and with PURO_OK the end is reached, for now. */
int puro_read(struct puro_reader *reader, struct puro_record *record, bool *got);
int puro_wait(struct puro_reader *reader, uint64_t poll_ms); /* then puro_read again */
void puro_reader_token(const struct puro_reader *reader, struct puro_token *out);
void puro_reader_close(struct puro_reader *reader);

/* A consumer with a name: chapter 9. */
struct puro_consumer;
int puro_consumer_open(const char *path, const char *name, const struct puro_world *world,
                       struct puro_consumer **out);
struct puro_world *puro_consumer_world(struct puro_consumer *consumer);
int puro_consume(struct puro_consumer *consumer, struct puro_record *record, bool *got);
int puro_commit(struct puro_consumer *consumer, const struct puro_record *records, size_t count);
void puro_consumer_token(const struct puro_consumer *consumer, struct puro_token *out);
void puro_consumer_close(struct puro_consumer *consumer);

/* Looking. */
struct puro_entry {
    struct puro_view kind, key, value;
};
struct puro_info {
    uint8_t stream_id[16];
    uint32_t segment, epoch;
    uint64_t end, next_offset;
    struct puro_entry *state;
    size_t count;
    void *owner;
};
int puro_info(const char *path, const struct puro_world *world, struct puro_info *out);
void puro_info_free(struct puro_info *info);
int puro_classify(const char *path, const struct puro_world *world, const char **label, uint64_t *end,
                  uint64_t *length);
int puro_verify(const char *path, const struct puro_world *world, bool deep, const char **verdict);

#endif
