/* A consumer with a name and a position: L-10, C-2, C-3, C-9. */
#include "reader.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct puro_consumer {
    struct puro_reader *reader;
    struct puro_writer *writer;
    char *name;
    int lock;           /* consumers/NAME.lock */
    bool has;           /* the entry, as it was last read or written (C-2) */
    uint8_t value[20];
    int broken;         /* an error that stays until it is opened anew */
};

/* L-10: only tried. The directory is made if it is missing. */
static int take_name(struct puro_consumer *c, const struct puro_world *w)
{
    const struct stream *s = &c->writer->stream;
    char file[256];
    bool made = mkdirat(s->dirfd, "consumers", 0777) == 0;
    int dir = openat(s->dirfd, "consumers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); /* O-5 */
    if (dir < 0 && (errno == ELOOP || errno == ENOTDIR))
        return fail(PURO_REFUSED, "consumers is no directory (O-5)");
    if (dir < 0)
        return fail_system("consumers/");
    if (made)
        make_alike(dir, &s->st); /* O-9 */
    snprintf(file, sizeof file, "%s.lock", c->name);
    int error = lock_file(dir, file, 0, &c->writer->segment.st, &c->lock);
    close(dir);
    if (!error)
        lock_hint(c->lock, world_clock(w));
    return error;
}

/* What is no position counts as none (C-2). */
static const uint8_t *entry_of(const struct puro_consumer *c)
{
    const struct puro_entry *e = state_find(&c->writer->tip.state, "position", view_text(c->name));
    return e && e->value.size == 20 ? e->value.data : NULL;
}

static int find_place(struct puro_consumer *c, const char *path, const struct puro_world *world)
{
    struct puro_from_place from = {.kind = PURO_BEGINNING};
    struct position p;
    int error = writer_open_anew(c->writer); /* under the name's lock: what was read before counts for nothing (L-4) */
    if (error)
        return error;
    const uint8_t *value = entry_of(c);
    c->has = value && position_parse(view_of(value, 20), &p);
    if (c->has) {
        memcpy(c->value, value, 20);
        from.kind = PURO_TOKEN;
        from.token.epoch = p.epoch;
        from.token.offset = p.offset;
        memcpy(from.token.stream_id, c->writer->stream.id, 16);
    }
    return puro_reader_open(path, from, world, &c->reader); /* C-9: out of range is told */
}

int puro_consumer_open(const char *path, const char *name, const struct puro_world *world, struct puro_consumer **out)
{
    *out = NULL;
    if (!puro_name_fits(view_text(name)))
        return fail(PURO_REFUSED, "a name that cannot be (F-11)");
    struct puro_consumer *c = must_alloc(NULL, sizeof *c);
    memset(c, 0, sizeof *c);
    c->lock = -1;
    c->name = must_alloc(NULL, strlen(name) + 1);
    strcpy(c->name, name);
    int error = puro_writer_open(path, world, &c->writer);
    if (!error)
        error = take_name(c, world);
    if (!error)
        error = find_place(c, path, world);
    if (error) {
        puro_consumer_close(c);
        return error;
    }
    *out = c;
    return PURO_OK;
}

struct puro_world *puro_consumer_world(struct puro_consumer *c) { return &c->writer->world; }

void puro_consumer_close(struct puro_consumer *c)
{
    if (!c)
        return;
    puro_reader_close(c->reader);
    if (c->writer)
        lock_close(&c->writer->stream, &c->lock);
    puro_writer_close(c->writer);
    free(c->name);
    free(c);
}

int puro_consume(struct puro_consumer *c, struct puro_record *record, bool *got)
{
    return puro_read(c->reader, record, got);
}

void puro_consumer_token(const struct puro_consumer *c, struct puro_token *out) { puro_reader_token(c->reader, out); }

/* C-2, under the lock, behind A-5. */
static int decide(struct puro_writer *w, struct batch *b, void *context)
{
    struct puro_consumer *c = context;
    const uint8_t *now = entry_of(c);
    if ((now != NULL) != c->has || (now && memcmp(now, c->value, 20) != 0))
        return fail(PURO_CONFLICT, "somebody else has set the position (C-2)");
    struct puro_token t;
    puro_reader_token(c->reader, &t);
    int error = token_check(&t, w->stream.id, &w->tip.state, w->tip.chain.next_offset);
    if (error)
        return error;
    uint8_t value[20];
    put32(value, t.epoch);
    put64(value + 4, t.offset);
    put64(value + 12, writer_entry_time(w)); /* C-5 */
    view key = view_text(c->name), v = view_of(value, sizeof value);
    control_encode(&b->body, "position", &key, &v); /* behind the records (C-3) */
    b->control = true;
    return PURO_OK;
}

/* What was appended, durable or not, counts as written (C-2): the state says so, for the tip folded it. */
int puro_commit(struct puro_consumer *c, const struct puro_record *records, size_t count)
{
    struct batch b = {.count = (uint32_t)count, .decide = decide, .context = c};
    struct puro_token t;
    puro_reader_token(c->reader, &t);
    if (!count && c->has && get64(c->value + 4) == t.offset)
        return PURO_OK;
    int error = PURO_OK;
    for (size_t i = 0; i < count && !error; i++)
        error = record_encode(&b.body, &records[i], false);
    uint64_t before = c->writer->tip.position;
    uint32_t segment = c->writer->segment.sequence;
    if (!error)
        error = append_batch(c->writer, &b, -1);
    const uint8_t *now = entry_of(c);
    bool appended = !error || (error == PURO_SYSTEM && (c->writer->tip.position != before ||
                                                        c->writer->segment.sequence != segment));
    if (appended && now && get64(now + 4) == t.offset) {
        c->has = true;
        memcpy(c->value, now, 20);
    }
    buf_free(&b.body);
    return error;
}
