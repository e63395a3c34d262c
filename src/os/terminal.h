/* What a stream is connected to: a person's terminal, or a file or pipe. */
#ifndef IFM_OS_TERMINAL_H
#define IFM_OS_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* A terminal that understands cursor movement (not TERM=dumb). */
bool ifm_terminal_is(FILE *stream);

/* Columns of the terminal behind `stream`; `otherwise` when there is none. */
int ifm_terminal_width(FILE *stream, int otherwise);
/* And its lines. */
int ifm_terminal_height(FILE *stream, int otherwise);

/* Whether to write colour: a terminal, and the person did not set NO_COLOR
 * (https://no-color.org: any value but the empty one). */
bool ifm_terminal_colour(FILE *stream);

/* Whether the environment's locale (LC_ALL, else LC_CTYPE, else LANG) is a UTF-8 one, so
 * that more than ASCII can be shown. */
bool ifm_terminal_unicode(void);

#endif
