/* What a program in C can do, rightly and wrongly. `checks DIR`; ends at the first surprise. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <puro.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(holds) \
    do { \
        if (!(holds)) { \
            const puro_error *last = puro_last_error(); \
            fprintf(stderr, "%s:%d: %s\n  %s\n", __FILE__, __LINE__, #holds, last ? last->message : ""); \
            exit(1); \
        } \
    } while (0)

static const char *dir;

static puro_new_record make(const char *key, const char *value)
{
    puro_new_record record = {0};
    record.topic = puro_text("in");
    record.key = puro_text(key);
    record.value = puro_text(value);
    return record;
}

static int is(puro_bytes bytes, const char *text)
{
    return bytes.data && bytes.len == strlen(text) && !memcmp(bytes.data, text, bytes.len);
}

static puro_producer *producer_of(const char *path)
{
    puro_producer *producer;
    CHECK(puro_producer_open(path, NULL, &producer) == PURO_OK);
    return producer;
}

/* A key, an empty value, headers of one name, a delete marker: what went in comes out. */
static void records_come_back_as_they_went_in(puro_producer *producer)
{
    puro_header headers[2] = {{puro_text("by"), puro_text("a")}, {puro_text("by"), puro_text("")}};
    puro_new_record first = make("k", ""), marker = make("k", NULL), none = make(NULL, NULL);
    first.headers = headers;
    first.header_count = 2;
    puro_appended appended;
    CHECK(puro_append(producer, &first, &appended) == PURO_OK);
    CHECK(appended.first_offset == 0 && appended.record_count == 1 && !appended.duplicate);
    CHECK(puro_append(producer, &marker, NULL) == PURO_OK);
    CHECK(puro_append(producer, &none, NULL) == PURO_BAD_RECORD); /* a marker needs a key */
    CHECK(puro_last_error()->blame == PURO_BLAME_CALLER && puro_last_error()->was_appended == 0);

    puro_consumer *consumer;
    puro_record record;
    CHECK(puro_consumer_open(dir, NULL, &consumer) == PURO_OK);
    CHECK(puro_next(consumer, 0, &record) == PURO_OK);
    CHECK(record.offset == 0 && record.timestamp_ms == appended.timestamp_ms);
    CHECK(is(record.topic, "in") && is(record.key, "k") && is(record.value, ""));
    CHECK(record.header_count == 2 && is(record.headers[0].value, "a") && is(record.headers[1].name, "by"));
    CHECK(puro_next(consumer, 0, &record) == PURO_OK && record.value.data == NULL);
    CHECK(puro_next(consumer, 1, &record) == PURO_NOTHING);
    puro_consumer_free(consumer);
}

/* Decide, and append only if nobody was faster; try again, and be appended once. */
static void conditions_hold(puro_producer *producer)
{
    puro_token token;
    puro_appended first, again;
    puro_new_record record = make("seat", "taken");
    puro_batch *batch;
    size_t count;
    uint64_t sequence;
    CHECK(puro_producer_token(producer, &token) == PURO_OK);
    CHECK(puro_append(producer, &record, NULL) == PURO_OK); /* somebody else, say */
    CHECK(puro_batch_open(&batch) == PURO_OK && puro_batch_push(batch, &record) == PURO_OK);
    CHECK(puro_batch_count(batch, &count) == PURO_OK && count == 1);
    puro_conditions if_end = {0};
    if_end.if_end = &token;
    CHECK(puro_append_batch(producer, batch, &if_end, NULL) == PURO_CONFLICT);
    CHECK(puro_last_error()->blame == PURO_BLAME_ENVIRONMENT);
    CHECK(strstr(puro_last_error()->way_out, "decide again"));

    puro_conditions once = {0};
    once.identity = "shop-1";
    once.sequence = 1;
    CHECK(puro_last_sequence(producer, "shop-1", &sequence) == PURO_NOTHING);
    CHECK(puro_append_batch(producer, batch, &once, &first) == PURO_OK && !first.duplicate);
    CHECK(puro_append_batch(producer, batch, &once, &again) == PURO_OK && again.duplicate);
    CHECK(again.first_offset == first.first_offset);
    CHECK(puro_last_sequence(producer, "shop-1", &sequence) == PURO_OK && sequence == 1);

    char text[PURO_TOKEN_TEXT];
    CHECK(puro_token_format(&again.token, text) == PURO_OK);
    CHECK(puro_token_parse(text, &token) == PURO_OK && token.offset == again.token.offset);
    CHECK(puro_token_parse("yesterday", &token) == PURO_MISUSE);
    puro_consumer *consumer;
    puro_consumer_options from = {0};
    from.start.kind = PURO_START_KIND_TOKEN;
    from.start.token = token;
    CHECK(puro_consumer_open(dir, &from, &consumer) == PURO_OK);
    puro_consumer_free(consumer);
    from.start.token.offset += 100; /* as if its history had been lost */
    CHECK(puro_consumer_open(dir, &from, &consumer) == PURO_DIVERGED && consumer == NULL);
    CHECK(puro_last_error()->blame == PURO_BLAME_DATA);
    CHECK(puro_batch_clear(batch) == PURO_OK);
    CHECK(puro_append_batch(producer, batch, NULL, NULL) == PURO_BAD_RECORD);
    puro_batch_free(batch);
}

/* A program with an event loop sleeps on a descriptor; it reads in blocks, by a name. */
static void a_loop_waits_and_a_name_goes_on(puro_producer *producer)
{
    puro_consumer *consumer, *second;
    const puro_record *records;
    size_t count, all = 0;
    int fd;
    puro_consumer_options options = {0};
    puro_bytes topic = puro_text("in");
    options.name = "billing";
    options.topics = &topic;
    options.topic_count = 1;
    options.commit_by_hand = true;
    CHECK(puro_consumer_open(dir, &options, &consumer) == PURO_OK);
    CHECK(puro_consumer_open(dir, &options, &second) == PURO_NAME_BUSY && second == NULL);
    CHECK(puro_consumer_fd(consumer, &fd) == PURO_OK && puro_consumer_clear(consumer) == PURO_OK);
    while (puro_next_block(consumer, 0, &records, &count) == PURO_OK) all += count;
    CHECK(all == 4);
    struct pollfd ready = {fd, POLLIN, 0};
    CHECK(poll(&ready, 1, 0) == 0);
    puro_new_record record = make("k", "woken");
    CHECK(puro_append(producer, &record, NULL) == PURO_OK);
    CHECK(poll(&ready, 1, 10000) == 1);
    CHECK(puro_wait(consumer, 10000) == PURO_OK);
    CHECK(puro_next_block(consumer, 0, &records, &count) == PURO_OK && count == 1);
    CHECK(is(records[0].value, "woken"));
    CHECK(puro_commit(consumer) == PURO_OK && puro_commit(consumer) == PURO_NOTHING);

    /* Output and position in one block. */
    puro_batch *nothing;
    puro_conditions position = {0};
    position.position = consumer;
    CHECK(puro_append(producer, &record, NULL) == PURO_OK);
    CHECK(puro_next_block(consumer, 10000, &records, &count) == PURO_OK);
    CHECK(puro_batch_open(&nothing) == PURO_OK);
    CHECK(puro_append_batch(producer, nothing, &position, NULL) == PURO_OK);
    puro_batch_free(nothing);
    CHECK(puro_consumer_close(consumer) == PURO_OK);
    CHECK(puro_consumer_open(dir, &options, &second) == PURO_OK);
    CHECK(puro_next_block(second, 0, &records, &count) == PURO_NOTHING && count == 0);
    puro_consumer_free(second);
    puro_consumer_free(consumer);
}

/* What is wrong with a call is told by a code, whatever it is. */
static void misuse_is_told(puro_producer *producer)
{
    puro_producer *none;
    puro_consumer *consumer;
    puro_record record;
    puro_new_record fine = make("k", "v"), torn = {0};
    CHECK(puro_producer_open(NULL, NULL, &none) == PURO_MISUSE);
    CHECK(strstr(puro_last_error()->message, "dir is NULL"));
    CHECK(puro_producer_open(dir, NULL, NULL) == PURO_MISUSE);
    CHECK(puro_append(NULL, &fine, NULL) == PURO_MISUSE && puro_append(producer, NULL, NULL) == PURO_MISUSE);
    torn.topic.len = 5; /* of no bytes */
    CHECK(puro_append(producer, &torn, NULL) == PURO_MISUSE);
    CHECK(puro_set(producer, "\xff", "1") == PURO_MISUSE && puro_set(producer, "no_such", "1") == PURO_BAD_SETTING);
    CHECK(puro_set(producer, "retention_ms", "86400000") == PURO_OK && puro_set(producer, "retention_ms", NULL) == PURO_OK);
    CHECK(puro_consumer_open("/nowhere/at/all", NULL, &consumer) == PURO_NOT_A_STREAM);
    puro_consumer_options odd = {0};
    odd.start.kind = 77;
    CHECK(puro_consumer_open(dir, &odd, &consumer) == PURO_MISUSE);
    odd.start.kind = PURO_START_KIND_OFFSET;
    odd.start.value = 1000;
    CHECK(puro_consumer_open(dir, &odd, &consumer) == PURO_OUT_OF_RANGE);
    CHECK(puro_consumer_open(dir, NULL, &consumer) == PURO_OK);
    CHECK(puro_commit(consumer) == PURO_MISUSE); /* it has no name */
    CHECK(puro_next(consumer, 0, NULL) == PURO_MISUSE);
    CHECK(puro_consumer_close(consumer) == PURO_OK);
    CHECK(puro_next(consumer, 0, &record) == PURO_MISUSE && puro_consumer_close(consumer) == PURO_MISUSE);
    CHECK(strstr(puro_last_error()->message, "closed"));
    puro_consumer_free(consumer);
    puro_consumer_free(NULL);
}

static void *waits(void *consumer)
{
    puro_record record;
    return (void *)(intptr_t)puro_next(consumer, -1, &record);
}

/* One thread waits; a second one that uses its handle is kept out, and the first goes on. */
static void a_second_thread_is_kept_out(puro_producer *producer)
{
    puro_consumer *consumer;
    puro_token token;
    pthread_t thread;
    void *code;
    puro_consumer_options end = {0};
    end.start.kind = PURO_START_KIND_END;
    CHECK(puro_consumer_open(dir, &end, &consumer) == PURO_OK);
    CHECK(pthread_create(&thread, NULL, waits, consumer) == 0);
    while (puro_consumer_token(consumer, &token) == PURO_OK) sched_yield();
    CHECK(strstr(puro_last_error()->message, "another thread"));
    puro_new_record record = make("k", "v");
    CHECK(puro_append(producer, &record, NULL) == PURO_OK);
    CHECK(pthread_join(thread, &code) == 0 && (intptr_t)code == PURO_OK);
    CHECK(puro_consumer_token(consumer, &token) == PURO_OK);
    puro_consumer_free(consumer);
}

/* A server forked with a stream open: the child is refused, and opens its own. */
static void a_fork_is_refused(puro_producer *producer)
{
    puro_consumer *consumer;
    puro_consumer_options named = {0};
    int status;
    named.name = "forked";
    CHECK(puro_consumer_open(dir, &named, &consumer) == PURO_OK);
    pid_t child = fork();
    if (child == 0) {
        puro_record record;
        puro_new_record fine = make("k", "of the child");
        if (puro_append(producer, &fine, NULL) != PURO_FORKED) _exit(1);
        if (puro_next(consumer, 0, &record) != PURO_FORKED) _exit(2);
        puro_consumer_free(consumer);
        puro_producer_free(producer);
        puro_producer *own;
        if (puro_producer_open(dir, NULL, &own) != PURO_OK) _exit(3);
        if (puro_append(own, &fine, NULL) != PURO_OK) _exit(4);
        puro_producer_free(own);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    puro_new_record fine = make("k", "of the parent");
    CHECK(puro_append(producer, &fine, NULL) == PURO_OK); /* its locks are still its own */
    CHECK(puro_consumer_close(consumer) == PURO_OK);
    puro_consumer_free(consumer);
}

int main(int argc, char **argv)
{
    if (argc != 2) return 64;
    dir = argv[1];
    CHECK(puro_abi_version() == PURO_ABI_VERSION && puro_version()[0] == '0');
    CHECK(puro_last_error() == NULL);
    puro_producer *producer = producer_of(dir);
    records_come_back_as_they_went_in(producer);
    conditions_hold(producer);
    a_loop_waits_and_a_name_goes_on(producer);
    misuse_is_told(producer);
    a_second_thread_is_kept_out(producer);
    a_fork_is_refused(producer);
    CHECK(puro_sync(producer) == PURO_OK && puro_producer_close(producer) == PURO_OK);
    CHECK(puro_sync(producer) == PURO_MISUSE);
    puro_producer_free(producer);
    puts("all as it should be");
    return 0;
}
