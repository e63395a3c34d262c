#include "probe/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool ifm_text_file_read(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t length = 0;
    ssize_t n;
    while (length + 1 < size && (n = read(fd, text + length, size - 1 - length)) > 0)
        length += (size_t)n;
    close(fd);
    while (length > 0 && text[length - 1] == '\n')
        length--;
    text[length] = '\0';
    return length > 0;
}

static bool integer(const char *text, int64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return end != text && errno == 0;
}

bool ifm_text_file_integer(const char *path, int64_t *value)
{
    char text[64];
    return ifm_text_file_read(path, text, sizeof text) && integer(text, value);
}

bool ifm_text_integer_after(const char *text, const char *key, int64_t *value)
{
    size_t n = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, n) == 0)
            return integer(line + n + strspn(line + n, ": \t"), value);
    }
    return false;
}
