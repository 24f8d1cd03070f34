/* Clock and boot id: what decides over bytes besides the call. */
#include "engine.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t milliseconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

uint64_t world_clock(const struct puro_world *w) { return w->fixed_clock ? w->clock : milliseconds(CLOCK_REALTIME); }

uint64_t monotonic_ms(void) { return milliseconds(CLOCK_MONOTONIC); }

void pause_ms(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    nanosleep(&t, NULL);
}

/* M-9: the 32 digits in their order, two to a byte, without the hyphens. Whatever else stands there is unknown. */
void world_boot(struct puro_world *w)
{
    if (w->fixed_boot)
        return;
    w->fixed_boot = true;
    memset(w->boot, 0, 16);
    char text[64] = {0};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    uint8_t boot[16] = {0};
    int digits = 0;
    for (ssize_t i = 0; i < size && text[i] != '\n'; i++) {
        if (text[i] == '-')
            continue;
        if (digits == 32 || !isxdigit((unsigned char)text[i]))
            return;
        int c = tolower((unsigned char)text[i]);
        boot[digits / 2] = (uint8_t)(boot[digits / 2] << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
        digits++;
    }
    if (digits == 32)
        memcpy(w->boot, boot, 16);
}

bool boot_known(const uint8_t boot[16]) { return !all_zero(boot, 16); }
