#include "base/buffer.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

static bool reserve(ifm_buffer *self, size_t more)
{
    size_t need;
    if (!ifm_add_size(self->length, more, &need) || !ifm_add_size(need, 1, &need))
        return !(self->failed = true);
    if (need <= self->capacity)
        return true;
    size_t capacity = self->capacity < 64 ? 64 : self->capacity;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    char *data = realloc(self->data, capacity);
    if (data == NULL)
        return !(self->failed = true);
    self->data = data;
    self->capacity = capacity;
    return true;
}

void ifm_buffer_deinit(ifm_buffer *self)
{
    free(self->data);
    *self = (ifm_buffer){0};
}

void ifm_buffer_clear(ifm_buffer *self)
{
    self->length = 0;
    self->failed = false;
    if (self->data != NULL)
        self->data[0] = '\0';
}

void ifm_buffer_append(ifm_buffer *self, const void *bytes, size_t n)
{
    if (n == 0 || !reserve(self, n))
        return;
    memcpy(self->data + self->length, bytes, n);
    self->length += n;
    self->data[self->length] = '\0';
}

char *ifm_buffer_extend(ifm_buffer *self, size_t n)
{
    if (!reserve(self, n))
        return NULL;
    char *room = self->data + self->length;
    self->length += n;
    self->data[self->length] = '\0';
    return room;
}

void ifm_buffer_puts(ifm_buffer *self, const char *text)
{
    ifm_buffer_append(self, text, strlen(text));
}

void ifm_buffer_printf(ifm_buffer *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(self, (size_t)n)) {
        self->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(self->data + self->length, (size_t)n + 1, format, args);
    va_end(args);
    self->length += (size_t)n;
}

const char *ifm_buffer_text(const ifm_buffer *self)
{
    return self->data != NULL ? self->data : "";
}

char *ifm_buffer_take(ifm_buffer *self)
{
    char *data = self->failed ? NULL : self->data;
    if (data == NULL)
        free(self->data);
    *self = (ifm_buffer){0};
    return data;
}
