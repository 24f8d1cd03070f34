// Durable appends of several processes: each syncs for itself, or they share syncs by a word that says up to
// where was synced (spec/rationale.md, 5).
//
//     gcc -O2 -o group_commit group_commit.c && ./group_commit 8 own 2 && ./group_commit 8 shared 2
//
// Blocks are written over zeros. Files are made in the current directory.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 192, MEBIBYTES = 64, MOST = 64 };

struct shared {
    volatile long end, synced, appends[MOST], syncs[MOST];
} *shared;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static void lock(int file, int how, int type) {
    struct flock range = {.l_type = type, .l_whence = SEEK_SET};
    fcntl(file, how, &range);
}

static void run(int who, int shares, double seconds) {
    int writer = open("group.lock", O_RDWR | O_CREAT, 0600), turn = open("group.sync", O_RDWR | O_CREAT, 0600);
    int file = open("group.data", O_RDWR);
    char block[BLOCK];
    memset(block, 'x', BLOCK);
    long appends = 0, syncs = 0;
    for (double stop = now() + seconds; now() < stop; appends++) {
        lock(writer, F_OFD_SETLKW, F_WRLCK);
        long end = shared->end;
        if (pwrite(file, block, BLOCK, end) != BLOCK || pwrite(file, "\xA5", 1, end + 20) != 1) exit(74);
        shared->end = end + BLOCK;
        lock(writer, F_OFD_SETLK, F_UNLCK);
        if (!shares) {
            fdatasync(file), syncs++;
        } else if (shared->synced < end + BLOCK) {
            lock(turn, F_OFD_SETLKW, F_WRLCK);
            if (shared->synced < end + BLOCK) {
                long to = shared->end;
                fdatasync(file), syncs++;
                shared->synced = to;
            }
            lock(turn, F_OFD_SETLK, F_UNLCK);
        }
    }
    shared->appends[who] = appends, shared->syncs[who] = syncs;
}

int main(int count, char **words) {
    int many = count == 4 ? atoi(words[1]) : 0;
    if (many < 1 || many > MOST) return fputs("group_commit PROCESSES own|shared SECONDS\n", stderr), 64;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double seconds = atof(words[3]);
    int file = open("group.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *zeros = calloc(1, 1 << 20);
    for (int each = 0; each < MEBIBYTES; each++)
        if (write(file, zeros, 1 << 20) != 1 << 20) return 74;
    fsync(file);
    for (int who = 0; who < many; who++)
        if (fork() == 0) run(who, !strcmp(words[2], "shared"), seconds), _exit(0);
    while (wait(NULL) > 0) {}
    long appends = 0, syncs = 0;
    for (int who = 0; who < many; who++) appends += shared->appends[who], syncs += shared->syncs[who];
    printf("%d processes, %s: %.0f appends/s, %.0f syncs/s\n", many, words[2], appends / seconds, syncs / seconds);
    unlink("group.data"), unlink("group.lock"), unlink("group.sync");
}
