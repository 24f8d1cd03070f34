/* Settings: F-34 and F-53. */
#include "state.h"

#include <stdio.h>
#include <string.h>

enum type { NUMBER, TRUTH, CLEANUP };
static const struct setting {
    const char *name, *standard;
    enum type type;
    uint64_t least, most;
} settings[] = {
    {"segment_bytes", "67108864", NUMBER, 4096, 1099511627776},
    {"retention_ms", "0", NUMBER, 0, UINT64_MAX},
    {"retention_bytes", "0", NUMBER, 0, UINT64_MAX},
    {"roll_ms", "0", NUMBER, 0, UINT64_MAX},
    {"cleanup", "delete", CLEANUP, 0, 0},
    {"marker_grace_ms", "86400000", NUMBER, 0, UINT64_MAX},
    {"pin_grace_ms", "300000", NUMBER, 0, UINT64_MAX},
    {"expiry_ms", "604800000", NUMBER, 0, UINT64_MAX},
    {"keep_unconsumed", "false", TRUTH, 0, 0},
    {"keep_unconsumed_limit_bytes", "0", NUMBER, 0, UINT64_MAX},
    {"keep_unconsumed_limit_ms", "0", NUMBER, 0, UINT64_MAX},
    {"durable", "false", TRUTH, 0, 0},
};

/* cleanup:TOPIC has the standard of cleanup here; NULL is returned for what is no setting. */
static const struct setting *find(view name)
{
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (view_is(name, settings[i].name))
            return &settings[i];
    static const struct setting topic = {"cleanup:", NULL, CLEANUP, 0, 0};
    return name.size > 8 && memcmp(name.data, "cleanup:", 8) == 0 ? &topic : NULL;
}

/* F-34: decimal, without sign or leading zeros. */
static bool parse(view text, uint64_t *value)
{
    *value = 0;
    if (!text.size || (text.size > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = text.data[i] - '0';
        if (digit > 9 || *value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    return true;
}

static bool can_be(const struct setting *s, view value)
{
    uint64_t number;
    switch (s->type) {
    case NUMBER:
        return parse(value, &number) && number >= s->least && number <= s->most;
    case TRUTH:
        return view_is(value, "true") || view_is(value, "false");
    default:
        return view_is(value, "delete") || view_is(value, "compact") || view_is(value, "compact,delete");
    }
}

bool puro_setting(view name, view value, char text[32])
{
    const struct setting *s = find(name);
    if (!s)
        return false;
    if (can_be(s, value))
        snprintf(text, 32, "%.*s", (int)value.size, (const char *)value.data);
    else if (s->standard)
        strcpy(text, s->standard);
    else
        return false;
    return true;
}

int setting_check(view name, view value)
{
    const struct setting *s = find(name);
    if (!s || !can_be(s, value))
        return fail(PURO_REFUSED, "a setting that cannot be (F-53)");
    return PURO_OK;
}

static view what_holds(const struct state *state, const char *name)
{
    const struct setting *s = find(view_text(name));
    const struct puro_entry *e = state_find(state, "setting", view_text(name));
    return e && can_be(s, e->value) ? e->value : view_text(s->standard);
}

uint64_t setting_number(const struct state *state, const char *name)
{
    uint64_t value = 0;
    parse(what_holds(state, name), &value);
    return value;
}

bool setting_true(const struct state *state, const char *name) { return view_is(what_holds(state, name), "true"); }
