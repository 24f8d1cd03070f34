/* The directory of a stream: names, listings, whose segments they are (format.md, chapter 3; O-5, O-8, V-11). */
#include "engine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

void segment_name(uint32_t sequence, const char *suffix, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, "%010u.puro%s", sequence, suffix);
}

static bool on_network(int fd) /* M-1 */
{
    static const uint32_t kinds[] = {0x6969,     0x517B,     0xFF534D42, 0xFE534D42, 0x5346414F, 0x6B414653, 0x73757245,
                                     0x564C,     0x00C36400, 0x01021997, 0x0BD00BD0, 0x01161970, 0x7461636F, 0x65735546};
    struct statfs f;
    if (fstatfs(fd, &f) < 0)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if ((uint32_t)f.f_type == kinds[i])
            return true;
    return false;
}

int stream_open(struct stream *s, const char *path, const struct puro_world *w)
{
    memset(s, 0, sizeof *s);
    s->pid = getpid();
    s->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dirfd < 0)
        return errno == ENOENT ? fail(PURO_NOT_A_STREAM, "no such directory") : fail_system("opening the directory");
    if (fstat(s->dirfd, &s->st) < 0)
        return fail_system("fstat");
    if (!w->allow_network && on_network(s->dirfd))
        return fail(PURO_REFUSED, "a network file system (M-1)");
    return PURO_OK;
}

void stream_close(struct stream *s)
{
    if (s->dirfd >= 0)
        close(s->dirfd);
    s->dirfd = -1;
}

int stream_same_process(const struct stream *s)
{
    return s->pid == getpid() ? PURO_OK : fail(PURO_REFUSED, "a handle of the parent process (L-3)");
}

/* F-7. Returns what follows the ten digits and ".puro", or NULL. */
static const char *parse_name(const char *name, uint64_t *number)
{
    *number = 0;
    for (int i = 0; i < 10; i++) {
        if (name[i] < '0' || name[i] > '9')
            return NULL;
        *number = *number * 10 + (uint64_t)(name[i] - '0');
    }
    if (strncmp(name + 10, ".puro", 5) != 0 || *number > UINT32_MAX)
        return NULL;
    return name + 15;
}

static void listing_add(struct listing *l, uint32_t number)
{
    if ((l->count & (l->count - 1)) == 0) /* 0, or full: a power of two */
        l->numbers = must_alloc(l->numbers, (l->count ? l->count * 2 : 1) * sizeof *l->numbers);
    l->numbers[l->count++] = number;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool has_name(int dirfd, uint32_t sequence)
{
    char name[NAME_SIZE];
    struct stat st;
    segment_name(sequence, "", name);
    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* V-11: the first name of each hole is looked up by itself; one that is there belongs to the listing, and so on. */
static void complete(int dirfd, struct listing *l)
{
    if (!l->count) /* qsort of NULL is undefined */
        return;
    qsort(l->numbers, l->count, sizeof *l->numbers, by_number);
    size_t listed = l->count;
    for (size_t i = 0; i + 1 < listed; i++)
        for (uint32_t n = l->numbers[i] + 1; n != l->numbers[i + 1] && has_name(dirfd, n); n++)
            listing_add(l, n);
    qsort(l->numbers, l->count, sizeof *l->numbers, by_number);
}

int list(int dirfd, struct listing *l)
{
    static const char *const known[] = {".", "..", "writer.lock", "steward.lock", "consumers", "lost", "lost+found"};
    memset(l, 0, sizeof *l);
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        int error = fail_system("opening the directory");
        if (fd >= 0)
            close(fd);
        return error;
    }
    struct dirent *e;
    while (errno = 0, (e = readdir(d)) != NULL) {
        uint64_t number;
        const char *suffix = parse_name(e->d_name, &number);
        if (suffix && !*suffix) {
            listing_add(l, (uint32_t)number);
            continue;
        }
        bool ours = suffix && (strcmp(suffix, ".new") == 0 || strcmp(suffix, ".compact") == 0);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            ours |= strcmp(e->d_name, known[i]) == 0;
        l->foreign |= !ours;
    }
    int error = errno ? fail_system("listing the directory") : PURO_OK;
    closedir(d);
    if (!error)
        complete(dirfd, l);
    return error;
}

void listing_free(struct listing *l)
{
    free(l->numbers);
    memset(l, 0, sizeof *l);
}

int segment_open(int dirfd, uint32_t sequence, bool to_write, struct segment *s)
{
    char name[NAME_SIZE];
    uint8_t raw[HEADER_BYTES];
    size_t got;
    segment_name(sequence, "", name);
    s->sequence = sequence;
    s->fd = openat(dirfd, name, (to_write ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (s->fd < 0) {
        if (errno == ENOENT)
            return MISSING;
        if (errno == ELOOP || errno == EISDIR || errno == ENXIO || errno == ENODEV)
            return fail(PURO_REFUSED, "%s is no regular file (F-8)", name);
        return fail_system(name);
    }
    int error = PURO_OK;
    if (fstat(s->fd, &s->st) < 0)
        error = fail_system(name);
    else if (!S_ISREG(s->st.st_mode))
        error = fail(PURO_REFUSED, "%s is no regular file (F-8)", name);
    else if ((error = read_at(s->fd, 0, raw, sizeof raw, &got)) == PURO_OK)
        error = header_decode(view_of(raw, got), to_write, &s->header);
    if (error == PURO_FOREIGN)
        error = PURO_DAMAGED; /* F-9: under a segment's name that is damage */
    if (error)
        segment_close(s);
    return error;
}

void segment_close(struct segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

int segment_of(const struct stream *s, uint32_t sequence, bool to_write, struct segment *out)
{
    int error = segment_open(s->dirfd, sequence, to_write, out);
    if (error)
        return error;
    if (out->header.sequence == sequence && memcmp(out->header.stream_id, s->id, 16) == 0)
        return PURO_OK;
    segment_close(out);
    return fail(STRAY, "segment %u is of another stream, or of another place (F-9)", sequence);
}

/* F-9: which stream this file says it is of. *says is false where it says nothing. */
static int whose(int dirfd, uint32_t sequence, bool *says, uint8_t id[16])
{
    struct segment s;
    int error = segment_open(dirfd, sequence, false, &s);
    *says = !error && s.header.sequence == sequence;
    if (*says)
        memcpy(id, s.header.stream_id, 16);
    if (!error)
        segment_close(&s);
    return error == PURO_DAMAGED || error == MISSING ? PURO_OK : error;
}

static int by_id(const void *a, const void *b) { return memcmp(a, b, 16); }

int stream_identify(struct stream *s, const struct listing *l)
{
    if (!l->count)
        return fail(PURO_NOT_A_STREAM, "there is no segment (O-2)");
    bool says = false;
    uint8_t low[16], high[16];
    int error = PURO_OK;
    for (size_t i = 0; i < l->count && !says; i++)
        if ((error = whose(s->dirfd, l->numbers[i], &says, low)) != PURO_OK)
            return error;
    if (!says)
        return fail(PURO_DAMAGED, "no file says which stream it is of (F-9)");
    says = false;
    for (size_t i = l->count; i-- > 0 && !says;)
        if ((error = whose(s->dirfd, l->numbers[i], &says, high)) != PURO_OK)
            return error;
    memcpy(s->id, low, 16);
    if (says && memcmp(low, high, 16) == 0)
        return PURO_OK;
    uint8_t(*ids)[16] = must_alloc(NULL, l->count * 16);
    size_t count = 0, most = 0;
    bool draw = false;
    for (size_t i = 0; i < l->count && !error; i++) {
        error = whose(s->dirfd, l->numbers[i], &says, ids[count]);
        count += says;
    }
    qsort(ids, count, 16, by_id);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && by_id(ids[from], ids[to]) == 0; to++)
            ;
        draw = to - from == most || (draw && to - from < most);
        if (to - from > most) {
            most = to - from;
            memcpy(s->id, ids[from], 16);
        }
    }
    free(ids);
    if (!error && draw)
        return fail(PURO_NOT_A_STREAM, "the segments are of two streams, and as many of each (F-9)");
    return error;
}

int stream_active(const struct stream *s, const struct listing *l, bool to_write, struct segment *out)
{
    for (size_t i = l->count; i-- > 0;) {
        int error = segment_of(s, l->numbers[i], to_write, out);
        if (error != STRAY && error != MISSING)
            return error;
    }
    return fail(PURO_NOT_A_STREAM, "there is no segment of the stream (F-9)");
}

int later_there(const struct stream *s, uint32_t sequence, bool *there)
{
    struct segment later;
    *there = false;
    int error = sequence == UINT32_MAX ? STRAY : segment_of(s, sequence + 1, false, &later);
    struct listing l = {0};
    if (error == MISSING || error == STRAY) {
        error = list(s->dirfd, &l);
        for (size_t i = 0; i < l.count && !error && !*there; i++) {
            if (l.numbers[i] <= sequence)
                continue;
            error = segment_of(s, l.numbers[i], false, &later);
            *there = error == PURO_OK;
            if (error == MISSING || error == STRAY)
                error = PURO_OK;
        }
        listing_free(&l);
    } else {
        *there = error == PURO_OK;
    }
    if (*there)
        segment_close(&later);
    return error;
}

int name_leads(int dirfd, const char *name, const struct stat *to, bool *leads, struct stat *now)
{
    struct stat st;
    if (!now)
        now = &st;
    *leads = false;
    if (fstatat(dirfd, name, now, AT_SYMLINK_NOFOLLOW) == 0)
        *leads = same_file(now, to);
    else if (errno != ENOENT)
        return fail_system(name);
    return PURO_OK;
}
