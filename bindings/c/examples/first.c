/* A first stream: appends some records, and reads what is there. `first DIR` */
#include <puro.h>
#include <stdio.h>

static int fails(const char *what)
{
    const puro_error *error = puro_last_error();
    fprintf(stderr, "%s: %s (%d); %s\n", what, error->message, error->code, error->way_out);
    return 1;
}

int main(int argc, char **argv)
{
    const char *dir = argc > 1 ? argv[1] : "events";
    if (puro_abi_version() != PURO_ABI_VERSION) return 1;

    puro_producer *producer;
    if (puro_producer_open(dir, NULL, &producer)) return fails("open");
    puro_new_record order = {0};
    order.topic = puro_text("orders");
    order.key = puro_text("customer-7");
    order.value = puro_text("3 apples");
    if (puro_append(producer, &order, NULL)) return fails("append");

    puro_batch *batch; /* one transaction, across topics */
    puro_header by = {puro_text("by"), puro_text("shop")};
    puro_new_record audit = {0};
    audit.topic = puro_text("audit");
    audit.value = puro_text("apples reserved");
    audit.headers = &by;
    audit.header_count = 1;
    if (puro_batch_open(&batch)) return fails("batch");
    if (puro_batch_push(batch, &order) || puro_batch_push(batch, &audit)) return fails("push");
    if (puro_append_batch(producer, batch, NULL, NULL)) return fails("append a batch");
    if (puro_sync(producer)) return fails("sync"); /* now it survives the loss of power, too */

    puro_consumer *consumer; /* any other process, any time */
    if (puro_consumer_open(dir, NULL, &consumer)) return fails("open");
    puro_record record;
    puro_code code;
    while ((code = puro_next(consumer, 0, &record)) == PURO_OK)
        printf("%llu %.*s %.*s\n", (unsigned long long)record.offset,
               (int)record.topic.len, (const char *)record.topic.data,
               (int)record.value.len, (const char *)record.value.data);
    if (code != PURO_NOTHING) return fails("read");

    puro_consumer_free(consumer);
    puro_batch_free(batch);
    puro_producer_free(producer);
    return 0;
}
