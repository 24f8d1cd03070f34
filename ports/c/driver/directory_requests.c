/* Requests about directories, and handles. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

struct handle {
    char *name;
    struct puro_writer *writer;
    struct puro_consumer *consumer;
};
static struct handle handles[256];

static void close_handle(struct handle *h)
{
    puro_writer_close(h->writer);
    puro_consumer_close(h->consumer);
    free(h->name);
    memset(h, 0, sizeof *h);
}

void close_handles(void)
{
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        if (handles[i].name)
            close_handle(&handles[i]);
}

/* The handle of that name, or a free place for it. */
static struct handle *find_handle(const char *name)
{
    struct handle *found = NULL;
    for (size_t i = 0; name && i < sizeof handles / sizeof *handles; i++) {
        if (handles[i].name && strcmp(handles[i].name, name) == 0)
            return &handles[i];
        if (!handles[i].name && !found)
            found = &handles[i];
    }
    return found;
}

static void name_handle(struct handle *h, const char *name)
{
    h->name = must_alloc(NULL, strlen(name) + 1);
    strcpy(h->name, name);
}

/* A text that becomes a C string: one with a NUL in it is made one that nobody accepts. */
static const char *want_name(struct request *q, const char *name)
{
    const struct json *j = json_get(q->json, name);
    if (!j || j->type != JSON_TEXT)
        return NULL;
    return strlen(j->text) == j->size ? j->text : "";
}

static struct puro_world world_of(struct request *q)
{
    struct puro_world w = {.lock_ms = want_number(q, "lock_ms", 10000)};
    view boot = bytes_of(q, "boot"), random = bytes_of(q, "random");
    w.fixed_clock = json_get(q->json, "clock") != NULL;
    w.clock = want_number(q, "clock", 0);
    w.fixed_boot = boot.size == 16;
    if (w.fixed_boot)
        memcpy(w.boot, boot.data, 16);
    w.fixed_random = random.size == 16;
    if (w.fixed_random)
        memcpy(w.random, random.data, 16);
    if (!w.lock_ms)
        w.lock_ms = 1; /* 0 is the library's own choice */
    return w;
}

/* A handle's clock and patience are those of each request; its boot is that of the first. */
static void renew(struct puro_world *kept, const struct puro_world *now)
{
    kept->fixed_clock = now->fixed_clock;
    kept->clock = now->clock;
    kept->lock_ms = now->lock_ms;
}

struct used_writer {
    struct puro_writer *writer;
    bool once;
};

static int use_writer(struct request *q, struct used_writer *u)
{
    struct puro_world w = world_of(q);
    const char *name = want_text(q, "handle", NULL);
    struct handle *h = find_handle(name);
    u->once = !h;
    if (h && h->writer) {
        u->writer = h->writer;
        renew(puro_writer_world(h->writer), &w);
        return PURO_OK;
    }
    int error = puro_writer_open(want_text(q, "dir", ""), &w, &u->writer);
    if (!error && h) {
        name_handle(h, name);
        h->writer = u->writer;
    }
    return error;
}

static void done_with(struct used_writer *u)
{
    if (u->once)
        puro_writer_close(u->writer);
}

static int do_create(struct request *q, struct buf *out)
{
    struct puro_world w = world_of(q);
    const struct json *settings = json_get(q->json, "settings");
    size_t count = settings ? settings->count : 0;
    struct puro_option *options = own(q, must_alloc(NULL, count * sizeof *options));
    for (size_t i = 0; i < count; i++)
        options[i] = (struct puro_option){settings->names[i], settings->items[i].text ? settings->items[i].text : ""};
    bool made;
    int error = puro_create(want_text(q, "dir", ""), options, count, &w, &made);
    json_name(out, "made");
    json_raw(out, made ? "true," : "false,");
    return error;
}

static int do_append(struct request *q, struct buf *out)
{
    struct used_writer u;
    struct puro_token token;
    struct puro_appended done;
    size_t count;
    const struct json *durable = json_get(q->json, "durable");
    const char *if_end = want_text(q, "if_end", NULL);
    struct puro_append how = {.durable = !durable ? -1 : durable->type == JSON_TRUE,
                              .identity = want_name(q, "identity"),
                              .sequence = want_number(q, "sequence", 0)};
    struct puro_record *records = want_records(q, &count);
    int error = use_writer(q, &u);
    if (error)
        return error;
    if (if_end) {
        error = puro_token_parse(if_end, strlen(if_end), &token);
        how.if_end = &token;
    }
    if (!error)
        error = puro_append(u.writer, records, count, &how, &done);
    if (!error) {
        json_number(out, "first_offset", done.first_offset);
        json_number(out, "count", done.count);
        if (done.duplicate)
            json_raw(out, "\"duplicate\":true,");
    }
    done_with(&u);
    return error;
}

static int do_set(struct request *q, struct buf *out)
{
    struct used_writer u;
    const char *name = want_name(q, "name");
    (void)out;
    int error = use_writer(q, &u);
    if (error)
        return error;
    error = puro_set(u.writer, name ? name : "", want_name(q, "value"));
    done_with(&u);
    return error;
}

/* Not by a handle: a repair opens the stream anew. */
static int do_repair(struct request *q, struct buf *out)
{
    struct puro_world w = world_of(q);
    struct puro_writer *writer;
    int error = puro_writer_open(want_text(q, "dir", ""), &w, &writer);
    if (error)
        return error;
    error = puro_repair(writer);
    size_t count;
    const struct puro_repair *repairs = puro_repairs(writer, &count);
    json_name(out, "repairs");
    json_raw(out, "[");
    for (size_t i = 0; i < count; i++) {
        json_raw(out, "{");
        json_text(out, "label", repairs[i].label);
        json_number(out, "position", repairs[i].position);
        json_end(out, '}');
    }
    json_end(out, ']');
    puro_writer_close(writer);
    return error;
}

static int take_records(struct puro_consumer *c, uint64_t take, struct buf *out)
{
    json_name(out, "records");
    json_raw(out, "[");
    int error = PURO_OK;
    bool got = true;
    for (uint64_t i = 0; i < take && !error && got; i++) {
        struct puro_record r;
        error = puro_consume(c, &r, &got);
        if (!error && got)
            put_record(out, &r, true);
    }
    json_end(out, ']');
    return error;
}

static int do_consume(struct request *q, struct buf *out)
{
    struct puro_world w = world_of(q);
    const char *handle = want_text(q, "handle", NULL), *name = want_name(q, "name");
    struct handle *h = find_handle(handle);
    struct puro_consumer *c = h ? h->consumer : NULL;
    size_t count;
    struct puro_record *records = want_records(q, &count);
    int error = PURO_OK;
    if (c)
        renew(puro_consumer_world(c), &w);
    else
        error = puro_consumer_open(want_text(q, "dir", ""), name ? name : "", &w, &c);
    if (error)
        return error;
    if (h && !h->consumer) {
        name_handle(h, handle);
        h->consumer = c;
    }
    error = take_records(c, want_number(q, "take", 0), out);
    if (!error && (want_truth(q, "commit") || count))
        error = puro_commit(c, records, count);
    struct puro_token token;
    puro_consumer_token(c, &token);
    put_token(out, &token);
    if (!h)
        puro_consumer_close(c);
    return error;
}

static int do_info(struct request *q, struct buf *out)
{
    struct puro_world w = world_of(q);
    struct puro_info info;
    int error = puro_info(want_text(q, "dir", ""), &w, &info);
    if (error)
        return error;
    json_hex(out, "stream_id", info.stream_id, 16);
    json_number(out, "segment", info.segment);
    json_number(out, "end", info.end);
    json_number(out, "next_offset", info.next_offset);
    json_number(out, "epoch", info.epoch);
    json_name(out, "state");
    json_raw(out, "[");
    for (size_t i = 0; i < info.count; i++) {
        const struct puro_entry *e = &info.state[i];
        json_raw(out, "[");
        json_hex(out, NULL, e->kind.data, e->kind.size);
        json_hex(out, NULL, e->key.data, e->key.size);
        json_hex(out, NULL, e->value.data, e->value.size);
        json_end(out, ']');
    }
    json_end(out, ']');
    puro_info_free(&info);
    return PURO_OK;
}

static int do_classify(struct request *q, struct buf *out)
{
    struct puro_world w = world_of(q);
    const char *label;
    uint64_t end, length;
    int error = puro_classify(want_text(q, "dir", ""), &w, &label, &end, &length);
    if (error)
        return error;
    json_text(out, "label", label);
    json_number(out, "end", end);
    json_number(out, "length", length);
    return PURO_OK;
}

static int do_verify(struct request *q, struct buf *out)
{
    struct puro_world w = world_of(q);
    const char *verdict;
    int error = puro_verify(want_text(q, "dir", ""), &w, want_truth(q, "deep"), &verdict);
    if (!error)
        json_text(out, "verdict", verdict);
    return error;
}

static int where_from(struct request *q, struct puro_from_place *from)
{
    const struct json *j = json_get(q->json, "from");
    memset(from, 0, sizeof *from);
    if (!j || json_text_is(j, "beginning"))
        return PURO_OK;
    if (j->type == JSON_NUMBER) {
        from->kind = PURO_OFFSET;
        from->number = j->number;
    } else if (json_text_is(j, "end")) {
        from->kind = PURO_END;
    } else if (j->type == JSON_TEXT && j->text[0] == '@') {
        from->kind = PURO_TIME;
        from->number = strtoull(j->text + 1, NULL, 10);
    } else {
        from->kind = PURO_TOKEN;
        return puro_token_parse(j->text ? j->text : "", j->size, &from->token);
    }
    return PURO_OK;
}

static bool wanted(const struct json *topics, struct request *q, view topic)
{
    for (size_t i = 0; topics && i < topics->count; i++) {
        view v;
        if (want_bytes(q, &topics->items[i], &v) && view_compare(v, topic) == 0)
            return true;
    }
    return !topics;
}

static int do_read(struct request *q, struct buf *out)
{
    struct puro_world w = world_of(q);
    struct puro_from_place from;
    struct puro_reader *reader;
    struct puro_record r;
    struct puro_token token;
    bool got = true;
    int error = where_from(q, &from);
    if (!error)
        error = puro_reader_open(want_text(q, "dir", ""), from, &w, &reader);
    if (error)
        return error;
    json_name(out, "records");
    json_raw(out, "[");
    while (!error && got)
        if ((error = puro_read(reader, &r, &got)) == PURO_OK && got &&
            wanted(json_get(q->json, "topics"), q, r.topic))
            put_record(out, &r, true);
    json_end(out, ']');
    puro_reader_token(reader, &token);
    put_token(out, &token);
    json_text(out, "then", error ? puro_word(error) : "end");
    if (error)
        json_text(out, "text", puro_text());
    puro_reader_close(reader);
    return PURO_OK;
}

static int do_close(struct request *q, struct buf *out)
{
    (void)out;
    struct handle *h = find_handle(want_text(q, "handle", NULL));
    if (h && h->name)
        close_handle(h);
    return PURO_OK;
}

int answer_directory(struct request *q, const char *what, struct buf *out)
{
    static const struct {
        const char *what;
        int (*answer)(struct request *, struct buf *);
    } all[] = {{"info", do_info},     {"classify", do_classify}, {"read", do_read},       {"verify", do_verify},
               {"create", do_create}, {"append", do_append},     {"set", do_set},         {"repair", do_repair},
               {"consume", do_consume}, {"close", do_close}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(what, all[i].what) == 0)
            return all[i].answer(q, out);
    return UNSUPPORTED;
}
