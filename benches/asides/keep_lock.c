// What a writer's lock that is kept while nobody asks for it would give, and cost (spec/rationale.md, 4).
//
//     gcc -O2 -o keep_lock keep_lock.c && ./keep_lock alone-given-back 2
//
// Modes: alone-given-back, alone-kept: one writer. pair-given-back: two. pair-kept-told: the first keeps
// the lock until the second says that it waits. pair-kept-untold: the second knows nothing of that, as a
// port may; the first gives the lock back after 10 ms. Files are made in the current directory.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 192, MOST = 2000000 };
static const double LONGEST = 0.010;  // seconds that the lock is kept beside who cannot ask for it
static const int PAUSE_US = 60;       // for such a one to wake up

struct shared {
    volatile long end, appends[2];
    float seconds[2][MOST];
} *shared;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static int lock(int file, int how, int type) {
    struct flock range = {.l_type = type, .l_whence = SEEK_SET};
    return fcntl(file, how, &range);
}

static int somebody_waits(int file) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(file, F_OFD_GETLK, &range);
    return range.l_type != F_UNLCK;
}

// A look, a block, a signal.
static void append(int file) {
    static char block[BLOCK];
    struct stat status;
    fstat(file, &status);
    long end = shared->end;
    if (pwrite(file, block, BLOCK, end) != BLOCK || pwrite(file, "\xA5", 1, end + 20) != 1) exit(74);
    shared->end = end + BLOCK;
}

static void take(int writer, int waiting, int tells) {
    if (lock(writer, F_OFD_SETLK, F_WRLCK) == 0) return;
    if (tells) lock(waiting, F_OFD_SETLKW, F_RDLCK);
    lock(writer, F_OFD_SETLKW, F_WRLCK);
    if (tells) lock(waiting, F_OFD_SETLK, F_UNLCK);
}

static void run(int who, const char *mode, double seconds) {
    int writer = open("keep.lock", O_RDWR | O_CREAT, 0600), waiting = open("keep.waiting", O_RDWR | O_CREAT, 0600);
    int file = open("keep.data", O_RDWR | O_CREAT, 0600);
    int keeps = strstr(mode, "kept") && who == 0, untold = strstr(mode, "untold") != NULL, held = 0;
    double since = 0, stop = now() + seconds;
    long appends = 0;
    for (double begun; (begun = now()) < stop; appends++) {
        if (!held) take(writer, waiting, !keeps && !untold), since = begun, held = 1;
        append(file);
        if (!keeps) {
            lock(writer, F_OFD_SETLK, F_UNLCK), held = 0;
        } else if (somebody_waits(waiting)) {
            lock(writer, F_OFD_SETLK, F_UNLCK), held = 0;
            lock(waiting, F_OFD_SETLKW, F_WRLCK), lock(waiting, F_OFD_SETLK, F_UNLCK);  // until they have it
        } else if (untold && now() - since > LONGEST) {
            lock(writer, F_OFD_SETLK, F_UNLCK), held = 0, usleep(PAUSE_US);
        }
        if (appends < MOST) shared->seconds[who][appends] = now() - begun;
    }
    shared->appends[who] = appends;
}

static int by_size(const void *one, const void *other) {
    float a = *(const float *)one, b = *(const float *)other;
    return a < b ? -1 : a > b;
}

int main(int count, char **words) {
    if (count != 3) return fputs("keep_lock MODE SECONDS\n", stderr), 64;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double seconds = atof(words[2]);
    int writers = strstr(words[1], "pair") ? 2 : 1;
    unlink("keep.data");
    for (int who = 0; who < writers; who++)
        if (fork() == 0) run(who, words[1], seconds), _exit(0);
    while (wait(NULL) > 0) {}
    for (int who = 0; who < writers; who++) {
        long all = shared->appends[who], seen = all < MOST ? all : MOST;
        qsort(shared->seconds[who], seen, sizeof(float), by_size);
        printf("%-18s writer %d: %7.0f appends/s, p50 %5.1f us, p99 %7.1f us\n", words[1], who, all / seconds,
               shared->seconds[who][seen / 2] * 1e6, shared->seconds[who][seen * 99 / 100] * 1e6);
    }
    unlink("keep.data"), unlink("keep.lock"), unlink("keep.waiting");
}
