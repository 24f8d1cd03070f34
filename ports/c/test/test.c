/* Quick tests of what the kit does not see, and of the whole: `make test`. */
#include "format.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(what)                                                                                  \
    do {                                                                                             \
        if (!(what)) {                                                                               \
            printf("%s:%d: %s (%s)\n", __FILE__, __LINE__, #what, puro_text());                      \
            exit(1);                                                                                 \
        }                                                                                            \
    } while (0)

static const struct puro_world world; /* the system's own */
static char base[64], dir[96];

static void fresh(const char *name, const struct puro_option *options, size_t count)
{
    bool made;
    snprintf(dir, sizeof dir, "%s/%s", base, name);
    CHECK(puro_create(dir, options, count, &world, &made) == PURO_OK && made);
}

static struct puro_writer *writer(void)
{
    struct puro_writer *w;
    CHECK(puro_writer_open(dir, &world, &w) == PURO_OK);
    return w;
}

static struct puro_reader *reader(enum puro_from kind, uint64_t number)
{
    struct puro_reader *r;
    CHECK(puro_reader_open(dir, (struct puro_from_place){.kind = kind, .number = number}, &world, &r) == PURO_OK);
    return r;
}

static int append(struct puro_writer *w, const char *value)
{
    struct puro_record r = {.topic = view_text("t"), .has_value = true, .value = view_text(value)};
    struct puro_append how = {.durable = 0};
    struct puro_appended done;
    return puro_append(w, &r, 1, &how, &done);
}

static size_t count_from(enum puro_from kind, uint64_t number)
{
    struct puro_reader *r = reader(kind, number);
    struct puro_record record;
    bool got = true;
    size_t n = 0;
    while (got) {
        CHECK(puro_read(r, &record, &got) == PURO_OK);
        n += got;
    }
    puro_reader_close(r);
    return n;
}

static bool verdict_is(const char *what)
{
    const char *verdict;
    CHECK(puro_verify(dir, &world, true, &verdict) == PURO_OK);
    return strcmp(verdict, what) == 0;
}

static void test_bytes(void)
{
    uint64_t value;
    view overlong = view_of("\x80\x00", 2);
    CHECK(crc_of("123456789", 9) == 0xE3069283); /* F-3 */
    CHECK(!take_varint(&overlong, &value));      /* F-2 */
    /* F-43: a value that holds a start for the place where it comes to stand is shifted by a pad */
    struct buf body = {0}, forged = {0}, fitted = {0};
    struct start s = {.kind = RECORDS, .signal = HIGH, .record_count = 1};
    bool padded;
    block_encode(&forged, &s, view_text("x"), 7, 256);
    buf_zeros(&body, 16); /* the body begins 48 bytes behind position 192 */
    buf_add(&body, forged.data, forged.size);
    CHECK(body_fit(view_of(body.data, body.size), 7, 192, &fitted, &padded) == PURO_OK && padded);
    buf_free(&body);
    buf_free(&forged);
    buf_free(&fitted);
}

static void test_append_and_read(void)
{
    fresh("append", NULL, 0);
    struct puro_writer *a = writer(), *b = writer();
    CHECK(append(a, "1") == PURO_OK && append(b, "2") == PURO_OK && append(a, "3") == PURO_OK);
    CHECK(count_from(PURO_BEGINNING, 0) == 3 && count_from(PURO_OFFSET, 2) == 1 && count_from(PURO_END, 0) == 0);
    CHECK(verdict_is("sound"));
    puro_writer_close(a);
    puro_writer_close(b);
}

/* F-51: a state that takes several blocks, carried over a rollover and read again. */
static void test_large_state(void)
{
    static const struct puro_option small[] = {{"segment_bytes", "4096"}};
    fresh("state", small, 1);
    struct puro_writer *w = writer();
    char name[1024];
    for (int i = 0; i < 1200; i++) {
        int n = snprintf(name, sizeof name, "cleanup:%04d", i);
        memset(name + n, 'x', 900);
        name[n + 900] = 0;
        if (i == 0) /* one block for each is slow in a segment of 4 KiB */
            CHECK(puro_set(w, "segment_bytes", "100000000") == PURO_OK);
        CHECK(puro_set(w, name, "compact") == PURO_OK);
    }
    CHECK(puro_set(w, "segment_bytes", "4096") == PURO_OK);
    CHECK(append(w, "1") == PURO_OK && append(w, "2") == PURO_OK);
    struct puro_info info;
    CHECK(puro_info(dir, &world, &info) == PURO_OK && info.segment == 1 && info.count == 1202);
    puro_info_free(&info);
    CHECK(count_from(PURO_BEGINNING, 0) == 2 && verdict_is("sound"));
    puro_writer_close(w);
}

/* L-3: a handle is refused in a forked child, and what the child does to it takes nothing from the parent. */
static void test_fork(void)
{
    fresh("fork", NULL, 0);
    struct puro_writer *w = writer();
    struct puro_consumer *c, *other;
    CHECK(puro_consumer_open(dir, "name", &world, &c) == PURO_OK);
    pid_t child = fork();
    if (child == 0) {
        int answer = append(w, "child");
        puro_writer_close(w);
        puro_consumer_close(c);
        _exit(answer == PURO_REFUSED ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK(puro_consumer_open(dir, "name", &world, &other) == PURO_BUSY);
    CHECK(append(w, "parent") == PURO_OK && count_from(PURO_BEGINNING, 0) == 1);
    puro_consumer_close(c);
    CHECK(puro_consumer_open(dir, "name", &world, &other) == PURO_OK);
    puro_consumer_close(other);
    puro_writer_close(w);
}

static void change(const char *file, uint64_t at, const void *bytes, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    int fd = open(path, O_WRONLY);
    CHECK(fd >= 0 && pwrite(fd, bytes, size, (off_t)at) == (ssize_t)size);
    close(fd);
}

static void test_repair(void)
{
    fresh("repair", NULL, 0);
    struct puro_writer *w = writer();
    CHECK(append(w, "1") == PURO_OK && append(w, "2") == PURO_OK);
    puro_writer_close(w);
    change("0000000000.puro", 320, "\0", 1); /* the second block did not come to be committed */
    CHECK(verdict_is("repairable"));
    size_t count;
    w = writer();
    CHECK(puro_repair(w) == PURO_OK);
    CHECK(strcmp(puro_repairs(w, &count)[0].label, "unseen") == 0 && count == 1);
    CHECK(count_from(PURO_BEGINNING, 0) == 1 && verdict_is("sound"));
    puro_writer_close(w);
}

/* a reader that waits is told when its past is another, and when the stream is gone. */
static void test_wait(void)
{
    fresh("wait", NULL, 0);
    struct puro_writer *w = writer();
    CHECK(append(w, "1") == PURO_OK && append(w, "2") == PURO_OK);
    puro_writer_close(w);
    struct puro_reader *r = reader(PURO_BEGINNING, 0);
    struct puro_record record;
    bool got = true;
    while (got)
        CHECK(puro_read(r, &record, &got) == PURO_OK);
    CHECK(puro_wait(r, 1) == PURO_OK);
    char path[256], moved[256];
    snprintf(path, sizeof path, "%s/0000000000.puro", dir);
    CHECK(truncate(path, 320) == 0);
    CHECK(puro_wait(r, 1) == PURO_OK); /* nobody has repaired yet */
    w = writer();
    CHECK(append(w, "other") == PURO_OK);
    CHECK(puro_wait(r, 1) == PURO_DIVERGED && puro_read(r, &record, &got) == PURO_DIVERGED); /* */
    puro_reader_close(r);
    r = reader(PURO_BEGINNING, 0);
    snprintf(moved, sizeof moved, "%s-moved", dir);
    CHECK(rename(dir, moved) == 0);
    CHECK(puro_wait(r, 1) == PURO_REMOVED);
    CHECK(append(w, "goes on where the directory went (O-8)") == PURO_OK);
    puro_reader_close(r);
    puro_writer_close(w);
}

static void test_consumer(void)
{
    fresh("consumer", NULL, 0);
    struct puro_writer *w = writer();
    struct puro_consumer *c;
    struct puro_record record;
    bool got;
    CHECK(append(w, "1") == PURO_OK && append(w, "2") == PURO_OK);
    for (int i = 0; i < 2; i++) {
        CHECK(puro_consumer_open(dir, "billing", &world, &c) == PURO_OK);
        CHECK(puro_consume(c, &record, &got) == PURO_OK && got && record.offset == (uint64_t)i);
        CHECK(puro_commit(c, NULL, 0) == PURO_OK);
        puro_consumer_close(c);
    }
    puro_writer_close(w);
}

int main(void)
{
    char command[128];
    strcpy(base, "/tmp/puro-test-XXXXXX");
    CHECK(mkdtemp(base));
    test_bytes();
    test_append_and_read();
    test_large_state();
    test_fork();
    test_repair();
    test_wait();
    test_consumer();
    snprintf(command, sizeof command, "rm -r %s", base);
    CHECK(system(command) == 0);
    puts("all passed");
    return 0;
}
