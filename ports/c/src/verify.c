/* Verification: protocol.md, chapter 11. It tells the verdict, and of the findings the first one of the worst weight.
   So a segment is left at its first damage: nothing behind it can change the verdict (K-2). */
#include "verify.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void found(struct verifier *v, enum weight weight, const struct segment *s, uint64_t position, const char *what)
{
    unsigned worse = weight == DAMAGE ? DAMAGE : weight == NOT_READ ? DAMAGE | NOT_READ : DAMAGE | NOT_READ | REPAIR;
    if (!(v->found & worse))
        snprintf(v->why, sizeof v->why, "segment %u at %llu: %s", s ? s->sequence : 0, (unsigned long long)position,
                 what);
    v->found |= weight;
}

struct place {
    uint64_t position, highest; /* before the block */
    uint32_t epoch;             /* the newest one before it */
    uint64_t opening_durable;
};

/* K-9, K-10, and what makes a reader stop. The tip has taken the block already. */
static const char *check_block(struct verifier *v, const struct segment *s, const struct tip *t, struct place *p)
{
    const struct start *b = &t->block.start;
    bool first = t->blocks == 1, compacted = s->header.generation > 0;
    if (t->fold_error)
        return "its control records cannot be folded (K-10)";
    if (first && b->kind != CHECKPOINT)
        return "the first block is no checkpoint (F-25)";
    if (b->kind != RECORDS) {
        bool seen = !first || v->before || s->sequence == 0; /* all records blocks before it */
        uint64_t highest = !first ? p->highest : v->before ? v->highest : 0;
        if (seen && b->timestamp != highest)
            return "its timestamp is not the highest before it (F-22)";
    }
    if (t->opening) {
        if (first)
            p->opening_durable = b->durable_to;
        if (b->durable_to != p->opening_durable)
            return "durable_to of the opening checkpoints differ (F-23)";
        if (b->epoch != s->header.epoch)
            return "its epoch is not the header's (K-9)";
    } else {
        if (!compacted && p->opening_durable != t->opening_end)
            return "durable_to of the opening checkpoints is not their end (F-23)";
        if (b->durable_to > p->position)
            return "durable_to is beyond the block (K-9)";
        if (b->epoch != state_epoch(&t->state).number)
            return "its epoch is not the newest (E-5)";
    }
    if (compacted && t->sealed && p->opening_durable != t->position)
        return "durable_to of the opening checkpoints is not the segment end's end (F-38)";
    return walk_all(b, t->block.body) != PURO_OK ? puro_text() : NULL; /* K-14, though only R-15 asks for it here */
}

/* K-12, K-13. Returns whether the end moved on meanwhile. */
static bool check_end(struct verifier *v, const struct segment *s, struct tip *t)
{
    enum label label = UNREADABLE;
    uint64_t length;
    int error = classify(s, t, 0, v->boot, &label, &length);
    if (!error && label != CLEAN) {
        enum finding what; /* a writer may be writing: a second look, a moment later */
        pause_ms(10);
        uint64_t position = t->position;
        error = tip_step(t, s, &what);
        if (!error && t->position != position)
            return true;
        if (!error)
            error = classify(s, t, 0, v->boot, &label, &length);
    }
    if (error)
        found(v, NOT_READ, s, t->position, puro_text());
    else if (label == DAMAGED)
        found(v, DAMAGE, s, t->position, "the recovery table says damaged");
    else if (label != CLEAN)
        found(v, REPAIR, s, t->position, label_words[label]);
    return false;
}

/* K-13: nothing is behind a segment end. A stray under the next name stops everybody. */
static void check_sealed(struct verifier *v, const struct segment *s, const struct tip *t)
{
    char name[NAME_SIZE];
    struct stat st;
    found(v, REPAIR, s, t->position, "sealed, and the next segment is not made (K-13)");
    if (s->sequence == UINT32_MAX)
        return;
    segment_name(s->sequence + 1, "", name);
    if (fstatat(v->stream.dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        found(v, DAMAGE, s, t->position, "a stray has the next segment's name (K-13)");
}

static void check_segment(struct verifier *v, const struct segment *s, bool active)
{
    struct tip t;
    struct place p = {0};
    enum finding what;
    uint64_t first;
    const char *wrong = NULL;
    int error;
    if (v->before && s->header.base_offset != v->next_offset)
        found(v, DAMAGE, s, 0, "base_offset does not continue the segment before (F-49)");
    if (v->before && s->header.epoch != v->epoch)
        found(v, DAMAGE, s, 0, "the epoch does not continue the segment before (F-49)");
    memset(&t, 0, sizeof t);
    tip_begin(&t, s);
    deep_begin(v, s);
    for (bool again = true; again && !(v->found & DAMAGE);) {
        again = false;
        for (;;) {
            p.position = t.position;
            p.highest = t.highest;
            error = tip_step(&t, s, &what);
            if (error || what != COMMITTED)
                break;
            wrong = check_block(v, s, &t, &p);
            if (wrong) {
                found(v, DAMAGE, s, p.position, wrong);
                break;
            }
            deep_block(v, s, &t);
        }
        if (error)
            found(v, NOT_READ, s, t.position, puro_text());
        else if (!wrong && active)
            again = check_end(v, s, &t);
    }
    if (error || (v->found & DAMAGE)) {
        v->before = false;
        tip_free(&t);
        return;
    }
    deep_end(v, s);
    if (s->header.generation == 0 && p.opening_durable != t.opening_end)
        found(v, DAMAGE, s, HEADER_BYTES, "durable_to of the opening checkpoints is not their end (F-23)");
    if (active && t.sealed)
        check_sealed(v, s, &t);
    if (!active && !t.sealed)
        found(v, DAMAGE, s, t.position, "no committed block, in a sealed segment (K-11)");
    else if (!active && zero_behind(s->fd, t.position, &first) != PURO_OK)
        found(v, NOT_READ, s, t.position, puro_text());
    else if (!active && first != UINT64_MAX)
        found(v, DAMAGE, s, first, "bytes behind the segment end (K-11)");
    v->before = true;
    v->next_offset = t.chain.next_offset;
    v->highest = t.highest;
    v->epoch = state_epoch(&t.state).number;
    state_free(&v->state);
    v->state = t.state;
    memset(&t.state, 0, sizeof t.state);
    tip_free(&t);
}

/* K-3, K-5 to K-7, over all names first: what ends without a verdict must not be hidden by damage. Fills is with what
   each file is: PURO_OK, STRAY, MISSING, or why it cannot be opened. */
static int check_names(struct verifier *v, const struct listing *l, int *is)
{
    bool says = false, unread = false;
    for (size_t i = 0; i < l->count; i++) {
        struct segment s;
        is[i] = segment_open(v->stream.dirfd, l->numbers[i], false, &s);
        if (is[i] == PURO_NEWER)
            return PURO_NEWER;
        says |= !is[i] && s.header.sequence == l->numbers[i];
        unread |= is[i] == PURO_REFUSED || is[i] == PURO_SYSTEM;
        if (!is[i])
            segment_close(&s);
    }
    if (!says) {
        found(v, unread ? NOT_READ : DAMAGE, NULL, 0, "no file says which stream it is of (F-9)");
        return PURO_OK;
    }
    /* F-9 with what can be opened: the others are findings, no reason to stop */
    struct listing some = {must_alloc(NULL, l->count * sizeof *some.numbers), 0, false};
    for (size_t i = 0; i < l->count; i++)
        if (!is[i])
            some.numbers[some.count++] = l->numbers[i];
    int error = stream_identify(&v->stream, &some);
    listing_free(&some);
    uint32_t last = 0;
    bool any = false;
    for (size_t i = 0; i < l->count && !error; i++) {
        struct segment s = {.sequence = l->numbers[i], .fd = -1};
        if (!is[i] && (is[i] = segment_of(&v->stream, l->numbers[i], false, &s)) == PURO_OK)
            segment_close(&s);
        if (is[i] == PURO_REFUSED || is[i] == PURO_SYSTEM)
            found(v, NOT_READ, &s, 0, "it cannot be opened (K-5)");
        else if (is[i] == PURO_DAMAGED)
            found(v, DAMAGE, &s, 0, "its header is not valid (K-7)");
        if (is[i] == STRAY || is[i] == MISSING)
            continue; /* K-6; deleted meanwhile (K-4) */
        if (any && l->numbers[i] != last + 1)
            found(v, DAMAGE, &s, 0, "a segment is missing before it (K-5)");
        any = true;
        last = l->numbers[i];
    }
    return error;
}

static int check_stream(struct verifier *v, const struct listing *l, bool *grown)
{
    int *is = must_alloc(NULL, l->count * sizeof *is);
    int error = check_names(v, l, is);
    size_t active = l->count;
    for (size_t i = 0; i < l->count; i++)
        if (!is[i])
            active = i;
    for (size_t i = 0; i < l->count && !error && !(v->found & DAMAGE); i++) {
        struct segment s;
        if (is[i] == STRAY)
            continue;
        if (is[i] || segment_pin(&v->stream, l->numbers[i], 60000, &s)) { /* K-1, R-2 */
            v->before = false;
            continue;
        }
        check_segment(v, &s, i == active);
        segment_close(&s);
    }
    if (!error && active < l->count && !(v->found & DAMAGE)) {
        /* K-4: what was added meanwhile follows; what cannot be opened behind it proves nothing (K-5) */
        bool there;
        *grown = later_there(&v->stream, l->numbers[active], &there) == PURO_OK && there;
    }
    free(is);
    return error;
}

int puro_verify(const char *path, const struct puro_world *world, bool deep, const char **verdict)
{
    struct puro_world w = *world;
    struct verifier v;
    bool grown = true;
    int error = PURO_OK;
    world_boot(&w);
    *verdict = NULL;
    for (int i = 0; i < 10 && grown && !error; i++) {
        struct listing l = {0};
        memset(&v, 0, sizeof v);
        v.boot = w.boot;
        v.deep_asked = deep;
        grown = false;
        error = stream_open(&v.stream, path, &w);
        if (!error)
            error = list(v.stream.dirfd, &l);
        if (!error && !l.count)
            error = fail(PURO_NOT_A_STREAM, "there is no segment (K-3)");
        if (!error)
            error = check_stream(&v, &l, &grown);
        listing_free(&l);
        stream_close(&v.stream);
        state_free(&v.state);
        deep_free(&v);
    }
    if (error)
        return error;
    *verdict = v.found & DAMAGE ? "damaged" : v.found & NOT_READ ? "unreadable" : v.found & REPAIR ? "repairable" : "sound";
    fail(PURO_OK, "%s", v.why);
    return PURO_OK;
}
