/* System calls on files, each taken up again where it was interrupted or did less. */
#include "engine.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

int read_at(int fd, uint64_t position, void *into, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        if (position + *got > INT64_MAX)
            return PURO_OK; /* no file is that long */
        ssize_t n = pread(fd, (uint8_t *)into + *got, size - *got, (off_t)(position + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_system("reading");
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return PURO_OK;
}

int write_at(int fd, uint64_t position, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pwrite(fd, (const uint8_t *)bytes + done, size - done, (off_t)(position + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail_system("writing");
        done += (size_t)n;
    }
    return PURO_OK;
}

int sync_file(int fd)
{
    int answer;
    do
        answer = fdatasync(fd);
    while (answer < 0 && errno == EINTR);
    return answer < 0 ? fail_system("fdatasync") : PURO_OK;
}

int sync_directory(int fd)
{
    int answer;
    do
        answer = fsync(fd);
    while (answer < 0 && errno == EINTR);
    return answer < 0 ? fail_system("fsync of a directory") : PURO_OK;
}

int file_size(int fd, uint64_t *size)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return fail_system("fstat");
    *size = (uint64_t)st.st_size;
    return PURO_OK;
}

int zero_behind(int fd, uint64_t from, uint64_t *first)
{
    uint8_t chunk[65536];
    *first = UINT64_MAX;
    for (;;) {
        size_t got;
        int error = read_at(fd, from, chunk, sizeof chunk, &got);
        if (error)
            return error;
        for (size_t i = 0; i < got; i++)
            if (chunk[i]) {
                *first = from + i;
                return PURO_OK;
            }
        if (got < sizeof chunk)
            return PURO_OK;
        from += got;
    }
}

int room_for(int fd, uint64_t bytes)
{
    struct statvfs v;
    if (fstatvfs(fd, &v) < 0)
        return fail_system("fstatvfs");
    if (v.f_bavail < bytes / v.f_frsize + 1)
        return fail(PURO_SYSTEM, "no space for %llu bytes", (unsigned long long)bytes);
    return PURO_OK;
}

/* As far as the system lets the process give files away: a failure is none. The mode comes last, and is not widened to
   a group that could not be given. */
void make_alike(int fd, const struct stat *like)
{
    mode_t mode = like->st_mode & 07777;
    struct stat now;
    if (fstat(fd, &now) < 0)
        return;
    if ((now.st_uid != like->st_uid || now.st_gid != like->st_gid) && fchown(fd, like->st_uid, like->st_gid) < 0 &&
        fchown(fd, (uid_t)-1, like->st_gid) < 0)
        mode &= ~(mode_t)0070;
    if ((now.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
        return;
}

bool same_file(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }
