#include <crt_externs.h>
#include <limits.h>
#include <mach-o/dyld.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/program.h"

char *ifm_program_directory(void)
{
    char raw[PATH_MAX], path[PATH_MAX];
    uint32_t size = sizeof raw;
    if (_NSGetExecutablePath(raw, &size) != 0 || realpath(raw, path) == NULL)
        return NULL;
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    slash[slash == path] = '\0';
    return strdup(path);
}

char **ifm_program_environment(void)
{
    return *_NSGetEnviron();
}
