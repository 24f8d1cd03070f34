/* The next segment, and the first: chapter 7, O-1, O-2. */
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* All bytes of a segment that is made: header and opening checkpoints (F-37, F-51). */
static int encode_segment(struct header *h, const struct state *state, uint64_t timestamp, struct buf *out)
{
    uint8_t raw[HEADER_BYTES];
    header_encode(h, raw);
    buf_add(out, raw, sizeof raw);
    struct buf body = {0}, fitted = {0}, entry = {0};
    int error = PURO_OK;
    size_t end = 0; /* durable_to is where the last one ends (F-23): tried until it is so */
    for (bool right = false; !right && !error;) {
        uint32_t crc = h->crc;
        size_t i = 0;
        out->size = HEADER_BYTES;
        do {
            bool padded;
            body.size = 0;
            while (i < state->count) {
                const struct puro_entry *e = &state->list[i];
                struct puro_record r = {
                    .topic = e->kind, .has_key = true, .key = e->key, .has_value = true, .value = e->value};
                entry.size = 0;
                record_encode(&entry, &r, true);
                if (body.size && body.size + entry.size > CHECKPOINT_BODY)
                    break;
                buf_add(&body, entry.data, entry.size);
                i++;
            }
            if ((error = body_fit(view_of(body.data, body.size), h->crc, out->size, &fitted, &padded)) != PURO_OK)
                break;
            struct start s = {.signal = HIGH,
                              .kind = CHECKPOINT,
                              .flags = fitted.size > 0,
                              .prev_crc = crc,
                              .first_offset = h->base_offset,
                              .timestamp = timestamp,
                              .durable_to = end,
                              .epoch = h->epoch};
            block_encode(out, &s, view_of(fitted.data, fitted.size), h->crc, out->size);
            crc = get32(out->data + out->size - 4);
        } while (i < state->count);
        right = out->size == end;
        end = out->size;
    }
    buf_free(&body);
    buf_free(&fitted);
    buf_free(&entry);
    return error;
}

static int write_new(const struct stream *s, const char *temporary, const struct buf *bytes, const struct stat *like,
                     struct segment *out)
{
    if (unlinkat(s->dirfd, temporary, 0) < 0 && errno != ENOENT && unlinkat(s->dirfd, temporary, AT_REMOVEDIR) < 0)
        return fail_system(temporary); /* F-45 */
    out->fd = openat(s->dirfd, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (out->fd < 0)
        return fail_system(temporary);
    if (like)
        make_alike(out->fd, like); /* O-9 */
    int error = write_at(out->fd, 0, bytes->data, bytes->size);
    if (!error)
        error = sync_file(out->fd);
    if (!error && fstat(out->fd, &out->st) < 0)
        error = fail_system(temporary);
    return error;
}

/* one more look before the rename makes the stale instant shorter. */
static int lock_named(const struct stream *s, int lock)
{
    struct stat st;
    bool leads;
    if (fstat(lock, &st) < 0)
        return fail_system("writer.lock");
    int error = name_leads(s->dirfd, "writer.lock", &st, &leads, NULL);
    return error || leads ? error : fail(PURO_BUSY, "writer.lock was taken away (L-4)");
}

/* V-4, V-5: under the temporary name first, synced, then named, and the name synced. A sync that fails here fails the
   whole: the file is made anew by whoever comes next, and a name that may not be on disk is synced by V-7. */
static int put_segment(const struct stream *s, const struct header *h, const struct buf *bytes, const struct stat *like,
                       int lock, struct segment *out)
{
    char name[NAME_SIZE], temporary[NAME_SIZE];
    struct stat st;
    segment_name(h->sequence, "", name);
    segment_name(h->sequence, ".new", temporary);
    out->sequence = h->sequence;
    out->header = *h;
    int error = write_new(s, temporary, bytes, like, out);
    if (!error && fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        error = fail(PURO_REFUSED, "%s is taken (V-5)", name);
    if (!error)
        error = lock_named(s, lock); /* */
    if (!error && renameat(s->dirfd, temporary, s->dirfd, name) < 0)
        error = fail_system(name);
    if (!error)
        error = sync_directory(s->dirfd);
    else
        unlinkat(s->dirfd, temporary, 0);
    if (error)
        segment_close(out);
    return error;
}

int roll(struct puro_writer *w, uint64_t then)
{
    char name[NAME_SIZE];
    struct stat st;
    struct segment next = {.fd = -1};
    struct buf bytes = {0};
    struct epoch newest = state_epoch(&w->tip.state);
    if (w->segment.sequence == UINT32_MAX)
        return fail(PURO_REFUSED, "no number is left for a segment (F-7)");
    segment_name(w->segment.sequence + 1, "", name);
    if (fstatat(w->stream.dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return fail(PURO_REFUSED, "%s is taken (V-10)", name);
    struct header h = {.base_offset = w->tip.chain.next_offset,
                       .created = world_clock(&w->world),
                       .sequence = w->segment.sequence + 1,
                       .epoch = newest.number}; /* F-49 */
    memcpy(h.stream_id, w->stream.id, 16);
    int error = encode_segment(&h, &w->tip.state, w->tip.highest, &bytes);
    if (!error)
        error = room_for(w->segment.fd, UNIT + bytes.size + then + 4096); /* V-2 */
    if (!error && !w->tip.sealed)
        error = write_block(w, SEGMENT_END, view_of(NULL, 0), 0, false, newest.number, false); /* V-3 */
    if (!error && ftruncate(w->segment.fd, (off_t)w->tip.position) < 0)
        error = fail_system("ftruncate");
    if (!error)
        error = sync_locked(w);
    if (!error)
        error = put_segment(&w->stream, &h, &bytes, &w->segment.st, w->lock, &next);
    buf_free(&bytes);
    return error ? error : writer_enter(w, &next, true);
}

/* --- creation: O-1, O-2 --- */

static int make_first(const struct stream *s, int lock, const struct puro_option *options, size_t count,
                      const struct puro_world *w)
{
    struct header h = {.created = world_clock(w), .epoch = 1};
    struct state state = {0};
    struct buf bytes = {0};
    struct segment first = {.fd = -1};
    uint8_t key[4], value[32] = {0};
    if (w->fixed_random)
        memcpy(h.stream_id, w->random, 16);
    else if (getrandom(h.stream_id, 16, 0) != 16)
        return fail_system("getrandom");
    put32(key, 1); /* E-1 */
    memcpy(value + 8, w->boot, 16);
    put64(value + 24, world_clock(w));
    state_put(&state, view_text("epoch"), view_of(key, 4), view_of(value, 32));
    for (size_t i = 0; i < count; i++)
        state_put(&state, view_text("setting"), view_text(options[i].name), view_text(options[i].value));
    int error = encode_segment(&h, &state, 0, &bytes);
    if (!error)
        error = put_segment(s, &h, &bytes, NULL, lock, &first);
    segment_close(&first);
    state_free(&state);
    buf_free(&bytes);
    return error;
}

/* Where there is a segment, there must be a stream (O-1, 1). */
static int look_for_others(struct stream *s, bool *there)
{
    struct listing l;
    int error = list(s->dirfd, &l);
    *there = l.count > 0;
    if (!error && !*there && l.foreign)
        error = fail(PURO_REFUSED, "the directory holds other files (O-2)");
    if (!error && *there)
        error = stream_identify(s, &l);
    listing_free(&l);
    return error;
}

static int sync_parent(const struct stream *s)
{
    int fd = openat(s->dirfd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_system("the directory above");
    int error = sync_directory(fd);
    close(fd);
    return error;
}

int puro_create(const char *path, const struct puro_option *options, size_t count, const struct puro_world *world,
                bool *made)
{
    struct puro_world w = *world;
    struct stream s = {.dirfd = -1};
    bool there = false;
    int lock = -1, error = PURO_OK;
    *made = false;
    world_boot(&w);
    for (size_t i = 0; i < count; i++)
        if ((error = setting_check(view_text(options[i].name), view_text(options[i].value))) != PURO_OK)
            return error;
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return fail_system(path);
    error = stream_open(&s, path, &w);
    if (!error)
        error = look_for_others(&s, &there);
    if (!error && !there)
        error = lock_file(s.dirfd, "writer.lock", w.lock_ms ? w.lock_ms : 60000, NULL, &lock);
    if (!error && !there)
        error = look_for_others(&s, &there);
    if (!error && !there && (error = sync_parent(&s)) == PURO_OK &&
        (error = make_first(&s, lock, options, count, &w)) == PURO_OK)
        *made = true;
    lock_close(&s, &lock);
    stream_close(&s);
    return error;
}
