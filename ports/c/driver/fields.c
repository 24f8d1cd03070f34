/* Fields of requests, and members of answers. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

const char *want_text(struct request *q, const char *name, const char *otherwise)
{
    const struct json *j = json_get(q->json, name);
    return j && j->type == JSON_TEXT ? j->text : otherwise;
}

uint64_t want_number(struct request *q, const char *name, uint64_t otherwise)
{
    const struct json *j = json_get(q->json, name);
    return j && j->type == JSON_NUMBER ? j->number : otherwise;
}

bool want_truth(struct request *q, const char *name)
{
    const struct json *j = json_get(q->json, name);
    return j && j->type == JSON_TRUE;
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0; }

bool want_bytes(struct request *q, const struct json *j, view *out)
{
    *out = view_of(NULL, 0);
    if (!j || j->type != JSON_TEXT)
        return false;
    uint8_t *p = own(q, must_alloc(NULL, j->size / 2));
    for (size_t i = 0; i < j->size / 2; i++)
        p[i] = (uint8_t)(digit(j->text[2 * i]) << 4 | digit(j->text[2 * i + 1]));
    *out = view_of(p, j->size / 2);
    return true;
}

view bytes_of(struct request *q, const char *name)
{
    view v;
    want_bytes(q, json_get(q->json, name), &v);
    return v;
}

struct puro_record to_record(struct request *q, const struct json *j)
{
    struct puro_record r = {0};
    struct puro_pairs pairs = {0};
    want_bytes(q, json_get(j, "topic"), &r.topic);
    r.has_key = want_bytes(q, json_get(j, "key"), &r.key);
    r.has_value = want_bytes(q, json_get(j, "value"), &r.value);
    const struct json *headers = json_get(j, "headers");
    for (size_t i = 0; headers && i < headers->count; i++) {
        view name = view_of(NULL, 0), value = name;
        if (headers->items[i].count == 2) {
            want_bytes(q, &headers->items[i].items[0], &name);
            want_bytes(q, &headers->items[i].items[1], &value);
        }
        puro_add_pair(&pairs, name, value);
    }
    r.headers = view_of(own(q, pairs.data), pairs.size);
    r.header_count = pairs.count;
    return r;
}

struct puro_record *want_records(struct request *q, size_t *count)
{
    const struct json *list = json_get(q->json, "records");
    *count = list ? list->count : 0;
    struct puro_record *records = own(q, must_alloc(NULL, *count * sizeof *records));
    for (size_t i = 0; i < *count; i++)
        records[i] = to_record(q, &list->items[i]);
    return records;
}

void put_record(struct buf *out, const struct puro_record *r, bool with_time)
{
    json_raw(out, "{");
    json_hex(out, "topic", r->topic.data, r->topic.size);
    if (r->has_key)
        json_hex(out, "key", r->key.data, r->key.size);
    if (r->has_value)
        json_hex(out, "value", r->value.data, r->value.size);
    if (r->header_count) {
        view rest = r->headers, name, value;
        json_name(out, "headers");
        json_raw(out, "[");
        while (puro_next_pair(&rest, &name, &value)) {
            json_raw(out, "[");
            json_hex(out, NULL, name.data, name.size);
            json_hex(out, NULL, value.data, value.size);
            json_end(out, ']');
        }
        json_end(out, ']');
    }
    json_number(out, "offset", r->offset);
    if (with_time)
        json_number(out, "time", r->time);
    json_end(out, '}');
}

void put_start(struct buf *out, const struct start *s)
{
    json_number(out, "kind", s->kind);
    json_number(out, "flags", s->flags);
    json_number(out, "body_len", s->body_len);
    json_number(out, "record_count", s->record_count);
    json_number(out, "prev_crc", s->prev_crc);
    json_number(out, "first_offset", s->first_offset);
    json_number(out, "timestamp", s->timestamp);
    json_number(out, "durable_to", s->durable_to);
    json_number(out, "epoch", s->epoch);
}

void put_token(struct buf *out, const struct puro_token *t)
{
    char text[PURO_TOKEN_TEXT];
    puro_token_print(t, text);
    json_text(out, "token", text);
}
