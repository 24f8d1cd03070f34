/* Replaces a file; `broken` leaves out the fsync of the new one. Linked statically. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void put(const char *name, const char *text, int safely)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || (safely && fsync(fd)))
        _exit(1);
    close(fd);
}

static void sync_directory(void)
{
    int fd = open(".", O_RDONLY);
    if (fd < 0 || fsync(fd))
        _exit(1);
    close(fd);
}

int main(int argc, char **argv)
{
    put("data", "old", 1);
    sync_directory();
    puts("old");
    fflush(stdout);
    put("tmp", "new", !(argc > 1 && !strcmp(argv[1], "broken")));
    if (rename("tmp", "data"))
        return 1;
    sync_directory();
    puts("new");
    return 0;
}
