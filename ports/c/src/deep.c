/* Checkpoints and indexes of topics: K-14. Indexes are looked at in any case, for a reader that believes one stops where
   it is wrong (F-47, R-15). */
#include "verify.h"

#include <stdlib.h>
#include <string.h>

static void forget_topics(struct deep *d)
{
    for (size_t i = 0; i < d->count; i++)
        free((void *)d->topics[i].topic.data);
    d->count = 0;
}

void deep_begin(struct verifier *v, const struct segment *s)
{
    struct deep *d = &v->deep;
    (void)s;
    forget_topics(d);
    state_free(&d->checkpoint);
    d->last.size = 0;
    d->open = false;
    d->pieces = 0;
    d->from = HEADER_BYTES;
}

void deep_free(struct verifier *v)
{
    forget_topics(&v->deep);
    free(v->deep.topics);
    state_free(&v->deep.checkpoint);
    buf_free(&v->deep.last);
}

/* One entry of a checkpoint: ascending by kind and then by key, each once, none removed (F-37). */
static const char *take_entry(struct deep *d, const struct record *r)
{
    struct buf *last = &d->last; /* length of the kind, kind, key */
    if (!r->user.has_value)
        return "a checkpoint removes an entry (F-37)";
    if (last->size) {
        size_t kind_size = get32(last->data);
        int order = view_compare(view_of(last->data + 4, kind_size), r->user.topic);
        if (!order)
            order = view_compare(view_of(last->data + 4 + kind_size, last->size - 4 - kind_size), r->user.key);
        if (order >= 0)
            return "a checkpoint's entries are not in order (F-37)";
    }
    last->size = 0;
    buf_u32(last, (uint32_t)r->user.topic.size);
    buf_add(last, r->user.topic.data, r->user.topic.size);
    buf_add(last, r->user.key.data, r->user.key.size);
    state_put(&d->checkpoint, r->user.topic, r->user.key, r->user.value);
    return NULL;
}

static bool same_state(const struct state *a, const struct state *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (view_compare(a->list[i].kind, b->list[i].kind) || view_compare(a->list[i].key, b->list[i].key) ||
            view_compare(a->list[i].value, b->list[i].value))
            return false;
    return true;
}

void deep_end(struct verifier *v, const struct segment *s)
{
    struct deep *d = &v->deep;
    if (!d->open)
        return;
    if (v->deep_asked && !d->whole)
        found(v, DAMAGE, s, d->position, "a checkpoint is not the state (F-37)");
    state_free(&d->checkpoint);
    d->last.size = 0;
    d->open = false;
    d->pieces = 0;
}

static void remember_topic(struct deep *d, view topic, uint64_t position)
{
    for (size_t i = d->count; i-- > 0 && d->topics[i].position == position;)
        if (view_compare(d->topics[i].topic, topic) == 0)
            return;
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->topics = must_alloc(d->topics, d->cap * sizeof *d->topics);
    }
    uint8_t *copy = must_alloc(NULL, topic.size);
    memcpy(copy, topic.data, topic.size);
    d->topics[d->count++] = (struct topic_block){view_of(copy, topic.size), position};
}

static int by_topic(const void *a, const void *b)
{
    const struct topic_block *x = a, *y = b;
    int order = view_compare(x->topic, y->topic);
    return order ? order : x->position < y->position ? -1 : x->position > y->position;
}

/* F-42, F-47: all of the topics and blocks and nothing else, or nothing. */
static const char *check_index(struct deep *d, view value)
{
    static const char wrong[] = "an index of topics does not say what stands there (F-42)";
    view from, topic;
    size_t i = 0;
    if (!take(&value, 8, &from) || get64(from.data) != d->from)
        return wrong;
    if (!value.size)
        return NULL; /* it says nothing */
    if (d->count)
        qsort(d->topics, d->count, sizeof *d->topics, by_topic);
    while (value.size) {
        uint64_t size, count, step, at = d->from;
        if (!take_varint(&value, &size) || !take(&value, size, &topic) || !take_varint(&value, &count) || count < 1)
            return wrong;
        for (uint64_t n = 0; n < count; n++, i++) {
            if (!take_varint(&value, &step) || i == d->count || step > d->topics[i].position / UNIT)
                return wrong;
            at += step * UNIT;
            if (d->topics[i].position != at || view_compare(d->topics[i].topic, topic) != 0)
                return wrong;
        }
        if (i < d->count && view_compare(d->topics[i].topic, topic) == 0)
            return wrong; /* blocks are left out */
    }
    return i == d->count ? NULL : wrong;
}

void deep_block(struct verifier *v, const struct segment *s, const struct tip *t)
{
    struct deep *d = &v->deep;
    const struct start *b = &t->block.start;
    uint64_t position = t->position - t->block.length;
    const char *wrong = NULL;
    struct walk w;
    struct record r;
    bool got = true, index = false;
    view value = {0};
    if (b->kind != CHECKPOINT && d->open) {
        deep_end(v, s);
        d->from = position;
        forget_topics(d);
    }
    if (b->kind == CHECKPOINT) {
        d->open = true;
        d->pieces++;
        d->position = position;
    }
    walk_begin(&w, b, t->block.body);
    while (!wrong && walk_next(&w, &r, &got) == PURO_OK && got) {
        if (r.control && !r.user.has_key && view_is(r.user.topic, "topics")) { /* the last one counts */
            index = true;
            value = r.user.value;
        }
        bool gap = r.control && !r.user.has_key && view_is(r.user.topic, "gap");
        if (v->deep_asked && gap && (s->header.generation == 0 || b->kind != RECORDS))
            wrong = "a gap where none may stand (F-33)";
        else if (v->deep_asked && b->kind == CHECKPOINT && r.control && r.user.has_key)
            wrong = take_entry(d, &r);
        else if (b->kind == RECORDS && !r.control)
            remember_topic(d, r.user.topic, position);
    }
    if (b->kind == CHECKPOINT && v->deep_asked) /* an opening one holds what stood at the end of the segment before (F-37) */
        d->whole = t->opening ? !v->before || same_state(&d->checkpoint, &v->state)
                              : same_state(&d->checkpoint, &t->state);
    bool in_checkpoint = b->kind == CHECKPOINT && !t->opening && d->pieces == 1;
    if (!wrong && index && (in_checkpoint || b->kind == SEGMENT_END))
        wrong = check_index(d, value);
    if (wrong)
        found(v, DAMAGE, s, position, wrong);
}
