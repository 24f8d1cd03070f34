/* Locks: protocol.md, chapter 2. All are open-file-description locks, so L-2 and L-9 need nothing. */
#include "engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int lock_try(int fd, enum lock_kind kind, bool *had)
{
    struct flock l = {.l_type = kind == SHARED ? F_RDLCK : kind == EXCLUSIVE ? F_WRLCK : F_UNLCK, .l_whence = SEEK_SET};
    int answer;
    do
        answer = fcntl(fd, F_OFD_SETLK, &l);
    while (answer < 0 && errno == EINTR);
    *had = answer == 0;
    return answer == 0 || errno == EAGAIN || errno == EACCES ? PURO_OK : fail_system("locking");
}

/* F-44: a regular file with one name. Made where it is missing (O-9: like what it stands beside). */
static int open_lock_file(int dirfd, const char *name, const struct stat *like, int *fd, struct stat *st)
{
    int flags = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    for (int i = 0; i < 100; i++) {
        *fd = openat(dirfd, name, flags);
        if (*fd < 0 && errno == ENOENT) {
            *fd = openat(dirfd, name, flags | O_CREAT | O_EXCL, 0666);
            if (*fd < 0 && errno == EEXIST)
                continue;
            if (*fd >= 0 && like)
                make_alike(*fd, like);
        }
        break;
    }
    if (*fd < 0) {
        struct stat dir;
        int why = errno;
        if (why == ENOENT && fstat(dirfd, &dir) == 0 && dir.st_nlink == 0)
            return fail(PURO_REMOVED, "the directory was removed (L-4)");
        if (why == ELOOP || why == EISDIR || why == ENXIO || why == ENODEV)
            return fail(PURO_REFUSED, "%s is no regular file (F-44)", name);
        errno = why;
        return fail_system(name);
    }
    int error = PURO_OK;
    if (fstat(*fd, st) < 0)
        error = fail_system(name);
    else if (!S_ISREG(st->st_mode) || st->st_nlink > 1)
        error = fail(PURO_REFUSED, "%s is no regular file with one name (F-44)", name);
    if (error) {
        close(*fd);
        *fd = -1;
    }
    return error;
}

/* L-4: the name must lead to the file that was locked; else the look begins again, also while it is waited for. */
int lock_file(int dirfd, const char *name, uint64_t wait_ms, const struct stat *like, int *fd)
{
    uint64_t begun = monotonic_ms();
    for (;;) {
        struct stat st;
        bool had, leads;
        int error = open_lock_file(dirfd, name, like, fd, &st);
        if (error)
            return error;
        do {
            error = lock_try(*fd, EXCLUSIVE, &had);
            if (!error)
                error = name_leads(dirfd, name, &st, &leads, NULL);
            if (!error && leads && !had) {
                if (monotonic_ms() - begun >= wait_ms)
                    error = fail(PURO_BUSY, "%s is held (L-8)", name);
                else
                    pause_ms(2);
            }
        } while (!error && leads && !had);
        if (!error && leads) {
            struct timespec now;
            clock_gettime(CLOCK_REALTIME, &now);
            if (now.tv_sec - st.st_mtim.tv_sec > 43200) /* L-4: its times are of the last day */
                futimens(*fd, NULL);
            return PURO_OK;
        }
        close(*fd); /* lets go of the lock, too */
        *fd = -1;
        if (error)
            return error;
    }
}

/* A forked child may hold the same open file: the lock is given back by name, and not by the close alone. In the child
   itself nothing is done but to close (L-3). */
void lock_close(const struct stream *s, int *fd)
{
    bool had;
    if (*fd < 0)
        return;
    if (s->pid == getpid())
        lock_try(*fd, UNLOCK, &had);
    close(*fd);
    *fd = -1;
}

void lock_hint(int fd, uint64_t now)
{
    char text[1024] = {0}, line[96];
    unsigned long long start = 0;
    int stat_fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (stat_fd >= 0) {
        ssize_t size = read(stat_fd, text, sizeof text - 1);
        char *at = size > 0 ? strrchr(text, ')') : NULL; /* behind field 2, which may hold anything */
        if (at)
            sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start);
        close(stat_fd);
    }
    int size = snprintf(line, sizeof line, "%ld %llu %llu\n", (long)getpid(), start, (unsigned long long)now);
    if (ftruncate(fd, 0) == 0)
        write_at(fd, 0, line, (size_t)size); /* a hint, never trusted */
}

int segment_pin(const struct stream *s, uint32_t sequence, uint64_t wait_ms, struct segment *out)
{
    char name[NAME_SIZE];
    segment_name(sequence, "", name);
    uint64_t begun = monotonic_ms();
    for (int i = 0; i < 100; i++) { /* */
        bool had = false, leads = false;
        int error = segment_of(s, sequence, false, out);
        if (error)
            return error;
        while (!error && !had) {
            error = lock_try(out->fd, SHARED, &had);
            if (!error && !had) {
                if (monotonic_ms() - begun >= wait_ms)
                    error = fail(PURO_BUSY, "%s is held (L-8)", name);
                pause_ms(2);
            }
        }
        if (!error)
            error = name_leads(s->dirfd, name, &out->st, &leads, NULL);
        if (!error && leads)
            return PURO_OK;
        segment_close(out);
        if (error)
            return error;
    }
    return fail(PURO_SYSTEM, "%s does not keep its file (R-14)", name);
}
