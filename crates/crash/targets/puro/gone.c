/* Loaded before the C library: when a directory was synced for the first time, somebody else deletes
   the lowest segment, and is killed before it has synced that. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int fd) {
    static int is_gone;
    struct stat meta;
    int done = (int)syscall(SYS_fsync, fd);
    if (!is_gone && fstat(fd, &meta) == 0 && S_ISDIR(meta.st_mode))
        is_gone = unlinkat(fd, "0000000000.puro", 0) == 0;
    return done;
}
