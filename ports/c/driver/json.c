#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct input {
    const char *at, *end;
};

static void blank(struct input *in)
{
    while (in->at < in->end && strchr(" \t\r\n", *in->at) && *in->at)
        in->at++;
}

static bool next_is(struct input *in, char c)
{
    blank(in);
    if (in->at >= in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

static bool word(struct input *in, const char *text)
{
    size_t size = strlen(text);
    if ((size_t)(in->end - in->at) < size || memcmp(in->at, text, size) != 0)
        return false;
    in->at += size;
    return true;
}

static void utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_u8(out, (uint8_t)(0xC0 | c >> 6));
        buf_u8(out, (uint8_t)(0x80 | (c & 0x3F)));
    } else if (c < 0x10000) {
        buf_u8(out, (uint8_t)(0xE0 | c >> 12));
        buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
        buf_u8(out, (uint8_t)(0x80 | (c & 0x3F)));
    } else {
        buf_u8(out, (uint8_t)(0xF0 | c >> 18));
        buf_u8(out, (uint8_t)(0x80 | (c >> 12 & 0x3F)));
        buf_u8(out, (uint8_t)(0x80 | (c >> 6 & 0x3F)));
        buf_u8(out, (uint8_t)(0x80 | (c & 0x3F)));
    }
}

static bool four(struct input *in, uint32_t *c)
{
    *c = 0;
    for (int i = 0; i < 4; i++, in->at++) {
        if (in->at >= in->end)
            return false;
        char d = *in->at;
        int v = d >= '0' && d <= '9' ? d - '0' : d >= 'a' && d <= 'f' ? d - 'a' + 10 : d >= 'A' && d <= 'F' ? d - 'A' + 10 : -1;
        if (v < 0)
            return false;
        *c = *c << 4 | (uint32_t)v;
    }
    return true;
}

static bool escape(struct input *in, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (in->at >= in->end)
        return false;
    char c = *in->at++;
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        buf_u8(out, (uint8_t)to[simple - from]);
        return true;
    }
    uint32_t high, low;
    if (c != 'u' || !four(in, &high))
        return false;
    if (high >= 0xD800 && high < 0xDC00) {
        if (!word(in, "\\u") || !four(in, &low) || low < 0xDC00 || low > 0xDFFF)
            return false;
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    }
    utf8(out, high);
    return true;
}

static bool text(struct input *in, char **out, size_t *size)
{
    struct buf b = {0};
    bool good = next_is(in, '"');
    while (good) {
        const char *from = in->at;
        while (in->at < in->end && *in->at != '"' && *in->at != '\\')
            in->at++;
        buf_add(&b, from, (size_t)(in->at - from));
        if (in->at >= in->end)
            good = false;
        else if (*in->at++ == '"')
            break;
        else
            good = escape(in, &b);
    }
    *size = b.size;
    buf_u8(&b, 0);
    *out = (char *)b.data;
    return good;
}

static bool value(struct input *in, struct json *j, int depth);

static bool members(struct input *in, struct json *j, int depth)
{
    char close = j->type == JSON_OBJECT ? '}' : ']';
    if (next_is(in, close))
        return true;
    do {
        j->items = must_alloc(j->items, (j->count + 1) * sizeof *j->items);
        j->names = must_alloc(j->names, (j->count + 1) * sizeof *j->names);
        struct json *item = &j->items[j->count];
        memset(item, 0, sizeof *item);
        j->names[j->count++] = NULL;
        size_t size;
        if (j->type == JSON_OBJECT && (!text(in, &j->names[j->count - 1], &size) || !next_is(in, ':')))
            return false;
        if (!value(in, item, depth + 1))
            return false;
    } while (next_is(in, ','));
    return next_is(in, close);
}

static bool value(struct input *in, struct json *j, int depth)
{
    blank(in);
    if (in->at >= in->end || depth > 64)
        return false;
    if (*in->at == '"') {
        j->type = JSON_TEXT;
        return text(in, &j->text, &j->size);
    }
    if (*in->at == '{' || *in->at == '[') {
        j->type = *in->at++ == '{' ? JSON_OBJECT : JSON_LIST;
        return members(in, j, depth);
    }
    if (*in->at >= '0' && *in->at <= '9') {
        j->type = JSON_NUMBER;
        while (in->at < in->end && *in->at >= '0' && *in->at <= '9')
            j->number = j->number * 10 + (uint64_t)(*in->at++ - '0');
        return true;
    }
    j->type = word(in, "true") ? JSON_TRUE : word(in, "false") ? JSON_FALSE : JSON_NULL;
    return j->type != JSON_NULL || word(in, "null");
}

bool json_parse(const char *line, size_t size, struct json *out)
{
    struct input in = {line, line + size};
    memset(out, 0, sizeof *out);
    return value(&in, out, 0);
}

void json_free(struct json *j)
{
    for (size_t i = 0; i < j->count; i++) {
        json_free(&j->items[i]);
        free(j->names[i]);
    }
    free(j->items);
    free(j->names);
    free(j->text);
}

const struct json *json_get(const struct json *object, const char *name)
{
    for (size_t i = 0; object && object->type == JSON_OBJECT && i < object->count; i++)
        if (strcmp(object->names[i], name) == 0)
            return object->items[i].type == JSON_NULL ? NULL : &object->items[i];
    return NULL;
}

bool json_text_is(const struct json *j, const char *what)
{
    return j && j->type == JSON_TEXT && j->size == strlen(what) && memcmp(j->text, what, j->size) == 0;
}

void json_raw(struct buf *out, const char *raw) { buf_add(out, raw, strlen(raw)); }

void json_name(struct buf *out, const char *name)
{
    json_raw(out, "\"");
    json_raw(out, name);
    json_raw(out, "\":");
}

void json_number(struct buf *out, const char *name, uint64_t number)
{
    char digits[32];
    json_name(out, name);
    snprintf(digits, sizeof digits, "%llu,", (unsigned long long)number);
    json_raw(out, digits);
}

void json_text(struct buf *out, const char *name, const char *what)
{
    if (name)
        json_name(out, name);
    json_raw(out, "\"");
    for (; *what; what++) {
        unsigned char c = (unsigned char)*what;
        char escaped[8];
        snprintf(escaped, sizeof escaped, c < 0x20 || c >= 0x7f ? "\\u%04x" : c == '"' || c == '\\' ? "\\%c" : "%c", c);
        json_raw(out, escaped);
    }
    json_raw(out, "\",");
}

void json_hex(struct buf *out, const char *name, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    if (name)
        json_name(out, name);
    json_raw(out, "\"");
    buf_room(out, 2 * size);
    for (size_t i = 0; i < size; i++) {
        out->data[out->size++] = (uint8_t)digits[p[i] >> 4];
        out->data[out->size++] = (uint8_t)digits[p[i] & 15];
    }
    json_raw(out, "\",");
}

void json_end(struct buf *out, char bracket)
{
    if (out->size && out->data[out->size - 1] == ',')
        out->size--;
    buf_u8(out, (uint8_t)bracket);
    buf_u8(out, ',');
}
