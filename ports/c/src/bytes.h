/* Integers, varints, buffers, CRC-32C, and how a failure is told. */
#ifndef PURO_BYTES_H
#define PURO_BYTES_H

#include "puro.h"

typedef struct puro_view view;

/* Bytes that grow. Where memory is lacking the process ends: see README.md. */
struct buf {
    uint8_t *data;
    size_t size, cap;
};
void *must_alloc(void *old, size_t size);
void buf_room(struct buf *b, size_t more); /* room for so many bytes behind the ones there */
void buf_add(struct buf *b, const void *bytes, size_t size);
void buf_zeros(struct buf *b, size_t count);
void buf_u8(struct buf *b, uint8_t value);
void buf_u32(struct buf *b, uint32_t value);
void buf_u64(struct buf *b, uint64_t value);
void buf_varint(struct buf *b, uint64_t value); /* F-2, shortest form */
void buf_free(struct buf *b);

/* F-1 */
uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
uint64_t get64(const uint8_t *p);
void put16(uint8_t *p, uint16_t value);
void put32(uint8_t *p, uint32_t value);
void put64(uint8_t *p, uint64_t value);

bool take_varint(view *in, uint64_t *value);      /* F-2; false: refused */
bool take(view *in, uint64_t size, view *out);    /* the next bytes; false: there are not so many */
view view_of(const void *data, size_t size);
view view_text(const char *text);
bool view_is(view a, const char *text);
int view_compare(view a, view b); /* bytewise */
bool all_zero(const uint8_t *p, size_t size);

/* F-3. crc_more goes on from what crc_more or crc_of gave; 0 begins. */
uint32_t crc_of(const void *bytes, size_t size);
uint32_t crc_more(uint32_t crc, const void *bytes, size_t size);

int fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));
int fail_system(const char *what); /* PURO_SYSTEM with errno's words */

#endif
