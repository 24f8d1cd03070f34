/* The kit's driver (spec/kit.md): requests and their answers. */
#ifndef DRIVER_H
#define DRIVER_H

#include "format.h"
#include "json.h"

/* Memory of one request, freed behind it. */
struct request {
    const struct json *json;
    void **owned;
    size_t count;
};
void *own(struct request *q, void *memory);

const char *want_text(struct request *q, const char *name, const char *otherwise);
uint64_t want_number(struct request *q, const char *name, uint64_t otherwise);
bool want_truth(struct request *q, const char *name);
bool want_bytes(struct request *q, const struct json *j, view *out); /* false: absent */
view bytes_of(struct request *q, const char *name);
struct puro_record to_record(struct request *q, const struct json *j);
struct puro_record *want_records(struct request *q, size_t *count);
void put_record(struct buf *out, const struct puro_record *r, bool with_time);
void put_start(struct buf *out, const struct start *s);
void put_token(struct buf *out, const struct puro_token *t);

/* An answer's members into out; PURO_OK, an error, or UNSUPPORTED. */
enum { UNSUPPORTED = 2000 };
int answer_bytes(struct request *q, const char *what, struct buf *out);
int answer_directory(struct request *q, const char *what, struct buf *out);
void close_handles(void);

#endif
