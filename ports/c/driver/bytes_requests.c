/* Requests about bytes: no file is touched. */
#include "driver.h"
#include "state.h"

#include <string.h>

static int do_varint(struct request *q, struct buf *out)
{
    view in = bytes_of(q, "bytes");
    size_t size = in.size;
    uint64_t value;
    if (!take_varint(&in, &value))
        return fail(PURO_DAMAGED, "no varint (F-2)");
    json_number(out, "value", value);
    json_number(out, "length", size - in.size);
    return PURO_OK;
}

static int do_header(struct request *q, struct buf *out)
{
    struct header h;
    int error = header_decode(bytes_of(q, "bytes"), want_truth(q, "write"), &h);
    if (error)
        return error;
    json_hex(out, "stream_id", h.stream_id, 16);
    json_number(out, "base_offset", h.base_offset);
    json_number(out, "created", h.created);
    json_number(out, "sequence", h.sequence);
    json_number(out, "generation", h.generation);
    json_number(out, "epoch", h.epoch);
    return PURO_OK;
}

static int do_to_header(struct request *q, struct buf *out)
{
    uint8_t raw[HEADER_BYTES];
    view id = bytes_of(q, "stream_id");
    struct header h = {.base_offset = want_number(q, "base_offset", 0),
                       .created = want_number(q, "created", 0),
                       .sequence = (uint32_t)want_number(q, "sequence", 0),
                       .generation = (uint32_t)want_number(q, "generation", 0),
                       .epoch = (uint32_t)want_number(q, "epoch", 0)};
    if (id.size != 16)
        return fail(PURO_REFUSED, "no id");
    memcpy(h.stream_id, id.data, 16);
    header_encode(&h, raw);
    json_hex(out, "bytes", raw, sizeof raw);
    return PURO_OK;
}

static int do_start(struct request *q, struct buf *out)
{
    view in = bytes_of(q, "bytes");
    struct start s;
    if (in.size < START_BYTES ||
        !start_stands(in.data, (uint32_t)want_number(q, "header_crc", 0), want_number(q, "position", 0), &s))
        return fail(PURO_DAMAGED, "no start stands here (F-43)");
    put_start(out, &s);
    return PURO_OK;
}

static int do_block(struct request *q, struct buf *out)
{
    static const char *const words[] = {"nothing", "invalid", "valid", "good", "committed"};
    struct chain before = {(uint32_t)want_number(q, "prev_crc", 0), want_number(q, "next_offset", 0)};
    struct block b;
    enum finding what =
        block_check(bytes_of(q, "bytes"), (uint32_t)want_number(q, "header_crc", 0), want_number(q, "position", 0),
                    before, (uint32_t)want_number(q, "generation", 0), &b);
    json_text(out, "is", words[what]);
    if (what >= VALID) {
        json_number(out, "crc", b.crc);
        json_name(out, "start");
        json_raw(out, "{");
        put_start(out, &b.start);
        json_end(out, '}');
    }
    return PURO_OK;
}

static int do_to_block(struct request *q, struct buf *out)
{
    struct buf bytes = {0};
    struct start s = {.signal = (uint8_t)want_number(q, "signal", HIGH),
                      .kind = (uint8_t)want_number(q, "kind", 0),
                      .flags = want_truth(q, "control"),
                      .record_count = (uint32_t)want_number(q, "record_count", 0),
                      .prev_crc = (uint32_t)want_number(q, "prev_crc", 0),
                      .first_offset = want_number(q, "first_offset", 0),
                      .timestamp = want_number(q, "timestamp", 0),
                      .durable_to = want_number(q, "durable_to", 0),
                      .epoch = (uint32_t)want_number(q, "epoch", 0)};
    view body = bytes_of(q, "body");
    if (body.size > MAX_BODY)
        return fail(PURO_REFUSED, "too large a body (F-16)");
    block_encode(&bytes, &s, body, (uint32_t)want_number(q, "header_crc", 0), want_number(q, "position", 0));
    json_hex(out, "bytes", bytes.data, bytes.size);
    buf_free(&bytes);
    return PURO_OK;
}

static int do_records(struct request *q, struct buf *out)
{
    struct start s = {.kind = (uint8_t)want_number(q, "kind", RECORDS),
                      .flags = want_truth(q, "control"),
                      .record_count = (uint32_t)want_number(q, "record_count", 0),
                      .first_offset = want_number(q, "first_offset", 0)};
    struct walk w;
    struct record r;
    bool got = true;
    int error = PURO_OK;
    walk_begin(&w, &s, bytes_of(q, "body"));
    json_name(out, "records");
    json_raw(out, "[");
    while (!error && got) {
        error = walk_next(&w, &r, &got);
        if (!error && got && !r.control)
            put_record(out, &r.user, false);
    }
    json_end(out, ']');
    return error;
}

static int do_to_record(struct request *q, struct buf *out)
{
    struct buf bytes = {0};
    struct puro_record r = to_record(q, q->json);
    int error = record_encode(&bytes, &r, false);
    if (!error)
        json_hex(out, "bytes", bytes.data, bytes.size);
    buf_free(&bytes);
    return error;
}

static int do_token(struct request *q, struct buf *out)
{
    const struct json *text = json_get(q->json, "text");
    struct puro_token t;
    char printed[PURO_TOKEN_TEXT];
    int error = puro_token_parse(text ? text->text : "", text ? text->size : 0, &t);
    if (error)
        return error;
    puro_token_print(&t, printed);
    json_hex(out, "stream_id", t.stream_id, 16);
    json_number(out, "epoch", t.epoch);
    json_number(out, "offset", t.offset);
    json_text(out, "text", printed);
    return PURO_OK;
}

int answer_bytes(struct request *q, const char *what, struct buf *out)
{
    if (strcmp(what, "crc") == 0) {
        view in = bytes_of(q, "bytes");
        json_number(out, "crc", crc_of(in.data, in.size));
        return PURO_OK;
    }
    if (strcmp(what, "to_varint") == 0) {
        struct buf b = {0};
        buf_varint(&b, want_number(q, "value", 0));
        json_hex(out, "bytes", b.data, b.size);
        buf_free(&b);
        return PURO_OK;
    }
    if (strcmp(what, "setting") == 0) {
        char text[32];
        if (puro_setting(bytes_of(q, "name"), bytes_of(q, "value"), text))
            json_text(out, "value", text);
        return PURO_OK;
    }
    if (strcmp(what, "name") == 0) {
        const struct json *name = json_get(q->json, "name");
        return name && puro_name_fits(view_of(name->text, name->size)) ? PURO_OK : fail(PURO_REFUSED, "F-11");
    }
    static const struct {
        const char *what;
        int (*answer)(struct request *, struct buf *);
    } rest[] = {{"varint", do_varint},     {"header", do_header}, {"to_header", do_to_header},
                {"start", do_start},       {"block", do_block},   {"to_block", do_to_block},
                {"records", do_records},   {"to_record", do_to_record}, {"token", do_token}};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        if (strcmp(what, rest[i].what) == 0)
            return rest[i].answer(q, out);
    return UNSUPPORTED;
}
