/* A small JSON reader and writer, for the kit's driver alone. */
#ifndef DRIVER_JSON_H
#define DRIVER_JSON_H

#include "bytes.h"

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT };
struct json {
    enum json_type type;
    uint64_t number;
    char *text; /* with a NUL behind it; size does not count that */
    size_t size;
    struct json *items; /* of an object: values, with names beside them */
    char **names;
    size_t count;
};
bool json_parse(const char *text, size_t size, struct json *out);
void json_free(struct json *j);
const struct json *json_get(const struct json *object, const char *name); /* NULL where absent, or null */
bool json_text_is(const struct json *j, const char *text);

/* Answers are put together in a buffer: every member with a comma behind it, which json_end takes away. */
void json_raw(struct buf *out, const char *text);
void json_name(struct buf *out, const char *name);
void json_number(struct buf *out, const char *name, uint64_t value);
void json_text(struct buf *out, const char *name, const char *text); /* name may be NULL: in a list */
void json_hex(struct buf *out, const char *name, const void *bytes, size_t size);
void json_end(struct buf *out, char bracket);

#endif
