/* One request a line from stdin, one answer a line to stdout. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const requests[] = {"hello",   "crc",      "varint", "to_varint", "header", "to_header", "start",
                                       "block",   "to_block", "records", "to_record", "setting", "name",    "token",
                                       "info",    "classify", "read",   "verify",    "create", "append",    "set",
                                       "repair",  "consume",  "close"};

void *own(struct request *q, void *memory)
{
    q->owned = must_alloc(q->owned, (q->count + 1) * sizeof *q->owned);
    return q->owned[q->count++] = memory;
}

static int hello(struct buf *out)
{
    json_text(out, "name", "c");
    json_name(out, "requests");
    json_raw(out, "[");
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        json_text(out, NULL, requests[i]);
    json_end(out, ']');
    return PURO_OK;
}

static void answer(const struct json *json, struct buf *out)
{
    struct request q = {json, NULL, 0};
    const char *what = want_text(&q, "do", "");
    json_raw(out, "{");
    int error = strcmp(what, "hello") == 0 ? hello(out) : answer_bytes(&q, what, out);
    if (error == UNSUPPORTED)
        error = answer_directory(&q, what, out);
    if (error) {
        out->size = 0;
        json_raw(out, "{");
        json_text(out, "error", error == UNSUPPORTED ? "unsupported" : puro_word(error));
        json_text(out, "text", error == UNSUPPORTED ? "" : puro_text());
    }
    json_end(out, '}');
    out->data[out->size - 1] = '\n'; /* in place of the comma */
    for (size_t i = 0; i < q.count; i++)
        free(q.owned[i]);
    free(q.owned);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t size;
    while ((size = getline(&line, &room, stdin)) > 0) {
        struct json json;
        struct buf out = {0};
        if (json_parse(line, (size_t)size, &json))
            answer(&json, &out);
        else
            json_raw(&out, "{\"error\":\"refused\",\"text\":\"no JSON\"}\n");
        fwrite(out.data, 1, out.size, stdout);
        fflush(stdout);
        buf_free(&out);
        json_free(&json);
    }
    close_handles();
    free(line);
    return 0;
}
