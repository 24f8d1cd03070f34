// What a port prints, by the one in C:
//   gcc -O1 -D_GNU_SOURCE -Iports/c/src -o /tmp/port-c crates/crash/targets/puro/port.c ports/c/src/*.c
//   crates/crash/targets/run port /tmp/port-c
#include <stdio.h>

#include "puro.h"

static void die(const char *what, int error) {
    fprintf(stderr, "%s: %s: %s\n", what, puro_word(error), puro_text());
    _Exit(1);
}

int main(void) {
    struct puro_world world = {0};
    char value[700];
    bool made;
    setvbuf(stdout, NULL, _IOLBF, 0);
    int error = puro_create("s", &(struct puro_option){"segment_bytes", "4096"}, 1, &world, &made);
    if (error != PURO_OK)
        die("create", error);
    puts("s created");
    /* Four writers, two records each: every one opens the stream anew, and repairs what it finds. */
    for (int number = 1; number <= 8;) {
        struct puro_writer *writer;
        error = puro_writer_open("s", &world, &writer);
        if (error != PURO_OK)
            die("open", error);
        for (int last = number + 1; number <= last; number++) {
            int length = snprintf(value, sizeof value, "record %d %0600d", number, 0);
            struct puro_record record = {.topic = {(const uint8_t *)"t", 1}, .has_value = true};
            record.value.data = (const uint8_t *)value;
            record.value.size = (size_t)length;
            struct puro_appended done;
            error = puro_append(writer, &record, 1, &(struct puro_append){.durable = 1}, &done);
            if (error != PURO_OK)
                die("append", error);
            printf("s record %d\n", number);
        }
        puro_writer_close(writer);
    }
    return 0;
}
