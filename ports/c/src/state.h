/* The state of a stream (F-37): entries, epochs, settings, tokens. */
#ifndef PURO_STATE_H
#define PURO_STATE_H

#include "format.h"

/* Entries, ascending by kind, then by key. Their bytes are their own. */
struct state {
    struct puro_entry *list;
    size_t count, cap;
};
void state_free(struct state *s);
void state_put(struct state *s, view kind, view key, view value);
void state_remove(struct state *s, view kind, view key);
const struct puro_entry *state_find(const struct state *s, const char *kind, view key);
int state_fold(struct state *s, const struct start *start, view body); /* F-37, F-32 */

struct epoch {
    uint32_t number; /* 0: none */
    uint64_t first_offset;
    uint8_t boot[16];
    uint64_t time;
};
bool epoch_parse(const struct puro_entry *e, struct epoch *out); /* F-35 */
void epoch_encode(struct buf *out, const struct epoch *e);       /* the whole control record */
struct epoch state_epoch(const struct state *s);                 /* the newest */
/* E-7, E-8 */
int token_check(const struct puro_token *t, const uint8_t id[16], const struct state *s, uint64_t next_offset);

uint64_t setting_number(const struct state *s, const char *name); /* F-34, F-53 */
bool setting_true(const struct state *s, const char *name);
int setting_check(view name, view value); /* whether it can be */

struct position {
    uint32_t epoch;
    uint64_t offset, time;
};
bool position_parse(view value, struct position *out); /* F-36 */

#endif
