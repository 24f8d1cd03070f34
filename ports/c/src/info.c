/* Looking, and changing nothing: what a stream is, and what a repair would find. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

struct looked {
    struct stream stream;
    struct segment segment;
    struct tip tip;
};

static int look_at(const char *path, const struct puro_world *world, struct looked *l)
{
    struct listing names = {0};
    memset(l, 0, sizeof *l);
    l->segment.fd = -1;
    int error = stream_open(&l->stream, path, world);
    if (!error)
        error = list(l->stream.dirfd, &names);
    if (!error)
        error = stream_identify(&l->stream, &names);
    listing_free(&names);
    if (!error)
        error = stream_tip(&l->stream, &l->segment, &l->tip);
    return error;
}

static void forget(struct looked *l)
{
    segment_close(&l->segment);
    stream_close(&l->stream);
    tip_free(&l->tip);
}

int puro_info(const char *path, const struct puro_world *world, struct puro_info *out)
{
    struct looked *l = must_alloc(NULL, sizeof *l);
    memset(out, 0, sizeof *out);
    int error = look_at(path, world, l);
    if (!error && l->tip.fold_error)
        error = fail(PURO_DAMAGED, "the state cannot be folded (F-24)");
    out->owner = l;
    if (error) {
        puro_info_free(out);
        return error;
    }
    memcpy(out->stream_id, l->stream.id, 16);
    out->segment = l->segment.sequence;
    out->epoch = state_epoch(&l->tip.state).number;
    out->end = l->tip.position;
    out->next_offset = l->tip.chain.next_offset;
    out->state = l->tip.state.list;
    out->count = l->tip.state.count;
    return PURO_OK;
}

void puro_info_free(struct puro_info *info)
{
    if (info->owner)
        forget(info->owner);
    free(info->owner);
    memset(info, 0, sizeof *info);
}

int puro_classify(const char *path, const struct puro_world *world, const char **label, uint64_t *end,
                  uint64_t *length)
{
    struct looked l;
    struct puro_world w = *world;
    enum label found = UNREADABLE;
    world_boot(&w);
    int error = look_at(path, &w, &l);
    if (!error) {
        *end = l.tip.position;
        error = classify(&l.segment, &l.tip, 0, w.boot, &found, length);
    }
    *label = label_words[found];
    forget(&l);
    return error;
}
