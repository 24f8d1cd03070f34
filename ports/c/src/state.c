/* Entries and their fold (F-31, F-32, F-37), epochs (F-35, E-1), tokens (E-7 to E-9), names (F-11). */
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static view copy(view v)
{
    uint8_t *data = must_alloc(NULL, v.size);
    if (v.size)
        memcpy(data, v.data, v.size);
    return view_of(data, v.size);
}

static void free_entry(struct puro_entry *e)
{
    free((void *)e->kind.data);
    free((void *)e->key.data);
    free((void *)e->value.data);
}

void state_free(struct state *s)
{
    for (size_t i = 0; i < s->count; i++)
        free_entry(&s->list[i]);
    free(s->list);
    memset(s, 0, sizeof *s);
}

/* Where the entry stands, or is to stand. */
static size_t place_of(const struct state *s, view kind, view key, bool *there)
{
    size_t low = 0, high = s->count;
    *there = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = view_compare(s->list[middle].kind, kind);
        if (!order)
            order = view_compare(s->list[middle].key, key);
        if (!order) {
            *there = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void state_put(struct state *s, view kind, view key, view value)
{
    bool there;
    size_t at = place_of(s, kind, key, &there);
    if (there) {
        view fresh = copy(value);
        free((void *)s->list[at].value.data);
        s->list[at].value = fresh;
        return;
    }
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->list = must_alloc(s->list, s->cap * sizeof *s->list);
    }
    memmove(s->list + at + 1, s->list + at, (s->count - at) * sizeof *s->list);
    s->list[at] = (struct puro_entry){copy(kind), copy(key), copy(value)};
    s->count++;
}

void state_remove(struct state *s, view kind, view key)
{
    bool there;
    size_t at = place_of(s, kind, key, &there);
    if (!there)
        return;
    free_entry(&s->list[at]);
    s->count--;
    memmove(s->list + at, s->list + at + 1, (s->count - at) * sizeof *s->list);
}

const struct puro_entry *state_find(const struct state *s, const char *kind, view key)
{
    bool there;
    size_t at = place_of(s, view_text(kind), key, &there);
    return there ? &s->list[at] : NULL;
}

/* An entry `epoch` that is set or removed, in a block that begins at `first_offset` (F-32, F-35). Epochs begin in the
   order of their numbers, and none behind the block that tells of it. */
static int check_epoch(const struct state *s, const struct record *r, uint64_t first_offset)
{
    struct puro_entry e = {r->user.topic, r->user.key, r->user.value};
    struct epoch epoch, other;
    if (!view_is(e.kind, "epoch"))
        return PURO_OK;
    if (r->user.has_value ? !epoch_parse(&e, &epoch) : e.key.size != 4)
        return fail(PURO_DAMAGED, "an entry epoch does not fit (F-35)");
    if (r->user.has_value && epoch.first_offset > first_offset)
        return fail(PURO_DAMAGED, "an epoch begins behind the block that tells of it (F-35)");
    for (size_t i = 0; r->user.has_value && i < s->count; i++)
        if (view_is(s->list[i].kind, "epoch") && epoch_parse(&s->list[i], &other) &&
            ((other.number < epoch.number && other.first_offset > epoch.first_offset) ||
             (other.number > epoch.number && other.first_offset < epoch.first_offset)))
            return fail(PURO_DAMAGED, "epochs go back (F-35)");
    return PURO_OK;
}

/* Whether flag and record_count agree is not judged here (F-24): records are taken one by one. */
int state_fold(struct state *s, const struct start *start, view body)
{
    struct walk w;
    struct record r;
    bool got;
    walk_begin(&w, start, body);
    w.loose = true;
    for (;;) {
        int error = walk_next(&w, &r, &got);
        if (error || !got)
            return error;
        if (!r.control || !r.user.has_key)
            continue;
        if ((error = check_epoch(s, &r, start->first_offset)) != PURO_OK)
            return error;
        if (r.user.has_value)
            state_put(s, r.user.topic, r.user.key, r.user.value);
        else
            state_remove(s, r.user.topic, r.user.key);
    }
}

bool epoch_parse(const struct puro_entry *e, struct epoch *out)
{
    if (e->key.size != 4 || e->value.size != 32)
        return false;
    out->number = get32(e->key.data);
    out->first_offset = get64(e->value.data);
    memcpy(out->boot, e->value.data + 8, 16);
    out->time = get64(e->value.data + 24);
    return true;
}

void epoch_encode(struct buf *out, const struct epoch *e)
{
    uint8_t key[4], value[32];
    put32(key, e->number);
    put64(value, e->first_offset);
    memcpy(value + 8, e->boot, 16);
    put64(value + 24, e->time);
    view k = view_of(key, 4), v = view_of(value, 32);
    control_encode(out, "epoch", &k, &v);
}

/* F-35: in the order of their numbers, not of their keys. Without any entry it is 0, of an unknown boot (E-2). */
struct epoch state_epoch(const struct state *s)
{
    struct epoch newest = {0}, e;
    for (size_t i = 0; i < s->count; i++)
        if (view_is(s->list[i].kind, "epoch") && epoch_parse(&s->list[i], &e) && e.number >= newest.number)
            newest = e;
    return newest;
}

int token_check(const struct puro_token *t, const uint8_t id[16], const struct state *s, uint64_t next_offset)
{
    if (memcmp(t->stream_id, id, 16) != 0)
        return fail(PURO_REFUSED, "a token of another stream (E-8)");
    if (next_offset < t->offset)
        return fail(PURO_DIVERGED, "the stream ends before the token (E-7)");
    if (t->epoch == 0)
        return PURO_OK;
    if (t->epoch > state_epoch(s).number)
        return fail(PURO_DIVERGED, "the token's epoch was never there (E-7)");
    struct epoch e;
    for (size_t i = 0; i < s->count; i++)
        if (view_is(s->list[i].kind, "epoch") && epoch_parse(&s->list[i], &e) && e.number > t->epoch &&
            e.first_offset < t->offset)
            return fail(PURO_DIVERGED, "epoch %u begins before the token (E-7)", e.number);
    return PURO_OK;
}

bool position_parse(view value, struct position *out)
{
    if (value.size != 20)
        return false;
    out->epoch = get32(value.data);
    out->offset = get64(value.data + 4);
    out->time = get64(value.data + 12);
    return true;
}

/* Digits up to the colon, or up to the end. Leading zeros are fine (E-9). */
static bool take_decimal(view *in, uint64_t most, uint64_t *value)
{
    size_t digits = 0;
    *value = 0;
    while (in->size && in->data[0] >= '0' && in->data[0] <= '9') {
        uint64_t digit = in->data[0] - '0';
        if (*value > (most - digit) / 10)
            return false;
        *value = *value * 10 + digit;
        in->data++;
        in->size--;
        digits++;
    }
    return digits > 0;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int puro_token_parse(const char *text, size_t size, struct puro_token *out)
{
    int error = fail(PURO_REFUSED, "no token (E-9)");
    view in = view_of(text, size), colon;
    uint64_t epoch;
    for (int i = 0; i < 16; i++) {
        int high, low;
        if (in.size < 2 || (high = hex_digit(in.data[0])) < 0 || (low = hex_digit(in.data[1])) < 0)
            return error;
        out->stream_id[i] = (uint8_t)(high << 4 | low);
        in.data += 2;
        in.size -= 2;
    }
    if (!take(&in, 1, &colon) || colon.data[0] != ':' || !take_decimal(&in, UINT32_MAX, &epoch) ||
        !take(&in, 1, &colon) || colon.data[0] != ':' || !take_decimal(&in, UINT64_MAX, &out->offset) || in.size)
        return error;
    out->epoch = (uint32_t)epoch;
    return PURO_OK;
}

void puro_token_print(const struct puro_token *t, char text[PURO_TOKEN_TEXT])
{
    for (int i = 0; i < 16; i++)
        sprintf(text + 2 * i, "%02x", t->stream_id[i]);
    sprintf(text + 32, ":%u:%llu", t->epoch, (unsigned long long)t->offset);
}

bool puro_name_fits(view name)
{
    if (name.size < 1 || name.size > 200 || name.data[0] == '.')
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
              c == '-'))
            return false;
    }
    return true;
}
