/* Segment headers: format.md, chapter 4. */
#include "format.h"

#include <string.h>

static const uint8_t magic[8] = {0x8B, 'P', 'U', 'R', 'O', 0x0D, 0x0A, 0x1A};

/* F-12: magic, crc, version, features, in this order. */
int header_decode(view bytes, bool to_write, struct header *out)
{
    const uint8_t *p = bytes.data;
    if (bytes.size < sizeof magic || memcmp(p, magic, sizeof magic) != 0)
        return fail(PURO_FOREIGN, "not a segment: the magic is wrong (F-12)");
    if (bytes.size < HEADER_BYTES)
        return fail(PURO_DAMAGED, "shorter than a header (F-12)");
    if (crc_of(p, 60) != get32(p + 60))
        return fail(PURO_DAMAGED, "the header's crc is wrong (F-12)");
    if (get16(p + 8) != 1)
        return fail(PURO_NEWER, "version %u (F-12)", get16(p + 8));
    if (get16(p + 14) != 0 || (to_write && get16(p + 12) != 0))
        return fail(PURO_NEWER, "unknown features (F-12)");
    memcpy(out->stream_id, p + 16, 16);
    out->base_offset = get64(p + 32);
    out->created = get64(p + 40);
    out->sequence = get32(p + 48);
    out->generation = get32(p + 52);
    out->epoch = get32(p + 56);
    out->crc = get32(p + 60);
    return PURO_OK;
}

void header_encode(struct header *h, uint8_t out[HEADER_BYTES])
{
    memset(out, 0, HEADER_BYTES);
    memcpy(out, magic, sizeof magic);
    put16(out + 8, 1);
    memcpy(out + 16, h->stream_id, 16);
    put64(out + 32, h->base_offset);
    put64(out + 40, h->created);
    put32(out + 48, h->sequence);
    put32(out + 52, h->generation);
    put32(out + 56, h->epoch);
    h->crc = crc_of(out, 60);
    put32(out + 60, h->crc);
}
