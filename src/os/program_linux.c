#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "os/program.h"

char *ifm_program_directory(void)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return NULL;
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    slash[slash == path] = '\0';
    return strdup(path);
}

char **ifm_program_environment(void)
{
    return environ;
}
