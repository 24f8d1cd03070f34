/* The recovery table, and saved tails: protocol.md, chapter 5. Nothing of the segment is changed here. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const label_words[] = {"unreadable", "damaged", "clean", "unseen", "lost"};

enum { CHUNK = 65536 }; /* a multiple of 64: no start is cut in two */

struct behind {
    bool any;       /* a start stands there */
    bool whole;     /* a block there is valid and high */
    uint64_t known; /* the highest durable_to */
};

/* The set *behind*, from position from on. A block is checked only where the answer can matter, and one within a block
   that was checked is not checked, too: so each byte is read twice at most. */
static int look_behind(const struct segment *s, uint64_t from, bool check, struct behind *b)
{
    uint8_t chunk[CHUNK];
    struct buf bytes = {0};
    uint64_t checked = from;
    size_t got = sizeof chunk;
    int error = PURO_OK;
    memset(b, 0, sizeof *b);
    for (uint64_t at = from; got == sizeof chunk && !error; at += got) {
        error = read_at(s->fd, at, chunk, sizeof chunk, &got);
        for (size_t i = 0; !error && i + START_BYTES <= got; i += UNIT) {
            struct start start;
            if (!start_stands(chunk + i, s->header.crc, at + i, &start))
                continue;
            b->any = true;
            if (start.durable_to > b->known)
                b->known = start.durable_to;
            if (!check || start.signal != HIGH || at + i < checked || b->whole)
                continue;
            enum finding what;
            struct block block;
            error = block_read(s, at + i, (struct chain){0, 0}, &bytes, &what, &block);
            b->whole = !error && what >= VALID;
            if (bytes.size > START_BYTES) /* its bytes were read */
                checked = at + i + bytes.size;
        }
    }
    buf_free(&bytes);
    return error;
}

int classify(const struct segment *s, const struct tip *t, uint64_t known, const uint8_t boot[16], enum label *label,
             uint64_t *length)
{
    uint64_t P = t->position, first, extent = UNIT;
    uint8_t at_p[START_BYTES];
    size_t got;
    struct start start;
    struct behind behind;
    struct epoch newest = state_epoch(&t->state);
    bool this_boot = boot_known(boot) && memcmp(boot, newest.boot, 16) == 0; /* M-7 */
    *label = UNREADABLE;
    int error = file_size(s->fd, length);
    if (!error)
        error = read_at(s->fd, P, at_p, sizeof at_p, &got);
    if (error)
        return error;
    if (got == sizeof at_p && start_stands(at_p, s->header.crc, P, &start))
        extent = block_length(start.body_len); /* */
    if ((error = look_behind(s, P + extent, this_boot, &behind)) != PURO_OK ||
        (error = zero_behind(s->fd, P, &first)) != PURO_OK)
        return error;
    if (t->durable_to > known)
        known = t->durable_to;
    if (behind.known > known)
        known = behind.known;
    *label = LOST; /* the first row that applies */
    if (t->fold_error || !t->blocks || !t->opens || known > P || (behind.whole && this_boot))
        *label = DAMAGED;
    else if (*length <= P || first == UINT64_MAX)
        *label = CLEAN;
    else if (at_p[0] == LOW && !behind.any && this_boot)
        *label = UNSEEN;
    return PURO_OK;
}

/* --- saved tails: X-4, F-41 --- */

/* Crc of the bytes, and how many of them take room: stretches that are all zero become holes. */
static int measure(int fd, uint64_t from, uint64_t to, uint32_t *crc, uint64_t *room)
{
    uint8_t chunk[CHUNK];
    *crc = 0;
    *room = 0;
    while (from < to) {
        size_t size = to - from < CHUNK ? (size_t)(to - from) : CHUNK, got;
        int error = read_at(fd, from, chunk, size, &got);
        if (error || got < size)
            return error ? error : fail(PURO_SYSTEM, "the file became shorter");
        *crc = crc_more(*crc, chunk, size);
        *room += all_zero(chunk, size) ? 0 : size;
        from += size;
    }
    return PURO_OK;
}

/* Whether the file holds a beginning of the bytes, or all of them. */
static bool is_beginning(int tail, int fd, uint64_t from, uint64_t to)
{
    uint8_t a[CHUNK], b[CHUNK];
    uint64_t size, at = 0;
    if (file_size(tail, &size) || size > to - from)
        return false;
    while (at < size) {
        size_t n = size - at < CHUNK ? (size_t)(size - at) : CHUNK, got_a, got_b;
        if (read_at(tail, at, a, n, &got_a) || read_at(fd, from + at, b, n, &got_b) || got_a < n || got_b < n ||
            memcmp(a, b, n) != 0)
            return false;
        at += n;
    }
    return true;
}

static int open_tail(int lost, const char *stem, const struct segment *s, uint64_t from, uint64_t to, int *fd)
{
    for (unsigned i = 0; i < 1000000; i++) {
        char name[96];
        struct stat st;
        int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
        if (i)
            snprintf(name, sizeof name, "%s-%u.tail", stem, i);
        else
            snprintf(name, sizeof name, "%s.tail", stem);
        *fd = openat(lost, name, flags | O_CREAT | O_EXCL, 0666);
        if (*fd >= 0) {
            make_alike(*fd, &s->st);
            return PURO_OK;
        }
        if (errno != EEXIST)
            return fail_system("making a saved tail");
        *fd = openat(lost, name, flags);
        if (*fd < 0)
            continue;
        if (fstat(*fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && is_beginning(*fd, s->fd, from, to))
            return PURO_OK;
        close(*fd);
    }
    return fail(PURO_SYSTEM, "no name is left for a saved tail");
}

static int copy_tail(int from_fd, uint64_t from, uint64_t to, int into)
{
    uint8_t chunk[CHUNK];
    int error = PURO_OK;
    for (uint64_t at = from; at < to && !error;) {
        size_t size = to - at < CHUNK ? (size_t)(to - at) : CHUNK, got;
        error = read_at(from_fd, at, chunk, size, &got);
        if (!error && got < size)
            error = fail(PURO_SYSTEM, "the file became shorter");
        if (!error && !all_zero(chunk, size))
            error = write_at(into, at - from, chunk, size);
        at += size;
    }
    if (!error && ftruncate(into, (off_t)(to - from)) < 0)
        error = fail_system("ftruncate of a saved tail");
    return error;
}

int save_tail(const struct stream *s, const struct segment *seg, uint64_t from, uint64_t to)
{
    char stem[64];
    uint32_t crc;
    uint64_t room;
    int tail = -1, error = measure(seg->fd, from, to, &crc, &room);
    if (error || (error = room_for(seg->fd, room)) != PURO_OK)
        return error;
    bool made = mkdirat(s->dirfd, "lost", 0777) == 0;
    int lost = openat(s->dirfd, "lost", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); /* O-5 */
    if (lost < 0)
        return errno == ELOOP || errno == ENOTDIR ? fail(PURO_REFUSED, "lost is no directory (O-5)") : fail_system("lost/");
    if (made)
        make_alike(lost, &s->st);
    snprintf(stem, sizeof stem, "%010u-%020llu-%08x", seg->sequence, (unsigned long long)from, crc);
    error = open_tail(lost, stem, seg, from, to, &tail);
    if (!error)
        error = copy_tail(seg->fd, from, to, tail);
    if (!error)
        error = sync_file(tail);
    if (!error)
        error = sync_directory(lost);
    if (!error)
        error = sync_directory(s->dirfd);
    if (tail >= 0)
        close(tail);
    close(lost);
    return error;
}
