/* The part of C: see ../README.md. */
#include <inttypes.h>
#include <puro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(puro_code code)
{
    if (code == PURO_OK) return;
    fprintf(stderr, "%s\n", puro_last_error()->message);
    exit(74);
}

static puro_header by_c(void)
{
    puro_header by = {puro_text("by"), puro_text("c")};
    return by;
}

static void writes(puro_producer *producer, const char *identity, uint64_t count)
{
    puro_batch *batch;
    uint64_t last = 0;
    puro_header by = by_c();
    puro_last_sequence(producer, identity, &last);
    need(puro_batch_open(&batch));
    for (uint64_t sequence = last + 1; sequence <= count; sequence++) {
        need(puro_batch_clear(batch));
        for (const char *half = "ab"; *half; half++) {
            char value[200];
            snprintf(value, sizeof value, "%s:%" PRIu64 ":%c", identity, sequence, *half);
            puro_new_record record = {puro_text("in"), puro_text(identity), puro_text(value), &by, 1};
            need(puro_batch_push(batch, &record));
        }
        puro_conditions once = {0};
        once.identity = identity;
        once.sequence = sequence;
        once.durable = PURO_CHOICE_YES;
        need(puro_append_batch(producer, batch, &once, NULL));
    }
    puro_batch_free(batch);
}

static void relays(puro_producer *producer, const char *stream, const char *name)
{
    puro_consumer *consumer;
    puro_batch *batch;
    puro_record record;
    puro_header by = by_c();
    puro_bytes topics[2] = {puro_text("in"), puro_text("stop")};
    puro_consumer_options options = {0};
    options.topics = topics;
    options.topic_count = 2;
    options.name = name;
    options.commit_by_hand = true;
    options.owner_wait_ms = -1;
    need(puro_consumer_open(stream, &options, &consumer));
    need(puro_batch_open(&batch));
    for (;;) {
        need(puro_next(consumer, -1, &record));
        if (record.topic.len == 4) break;
        puro_new_record out = {puro_text("out"), puro_text(NULL), record.value, &by, 1};
        puro_conditions position = {0};
        position.position = consumer;
        need(puro_batch_clear(batch));
        need(puro_batch_push(batch, &out));
        need(puro_append_batch(producer, batch, &position, NULL));
    }
    need(puro_consumer_close(consumer));
    puro_consumer_free(consumer);
    puro_batch_free(batch);
}

static void print_hex(puro_bytes bytes)
{
    putchar(bytes.data ? 'x' : '-');
    for (size_t i = 0; i < bytes.len; i++) printf("%02x", bytes.data[i]);
}

static void reads(const char *stream)
{
    puro_consumer *consumer;
    const puro_record *records;
    size_t count;
    need(puro_consumer_open(stream, NULL, &consumer));
    while (puro_next_block(consumer, 0, &records, &count) == PURO_OK)
        for (const puro_record *it = records; it < records + count; it++) {
            printf("%" PRIu64 "\t%" PRIu64 "\t%.*s\t", it->offset, it->timestamp_ms,
                   (int)it->topic.len, (const char *)it->topic.data);
            print_hex(it->key);
            putchar('\t');
            print_hex(it->value);
            putchar('\t');
            for (size_t i = 0; i < it->header_count; i++) {
                const puro_header *header = it->headers + i;
                printf("%s%.*s=", i ? "," : "", (int)header->name.len, (const char *)header->name.data);
                print_hex(header->value);
            }
            putchar('\n');
        }
    puro_consumer_free(consumer);
}

int main(int argc, char **argv)
{
    if (argc < 3) return 64;
    const char *verb = argv[1], *stream = argv[2];
    if (strcmp(verb, "read") == 0) {
        reads(stream);
        return 0;
    }
    puro_producer *producer;
    need(puro_producer_open(stream, NULL, &producer));
    if (strcmp(verb, "write") == 0) writes(producer, argv[3], strtoull(argv[4], NULL, 10));
    else relays(producer, stream, argv[3]);
    puro_producer_free(producer);
    return 0;
}
