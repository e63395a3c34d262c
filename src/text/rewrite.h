/* The steps that rewrite a text: normalization, replacing, putting something in front. */
#ifndef IFM_TEXT_REWRITE_H
#define IFM_TEXT_REWRITE_H

#include "base/buffer.h"
#include "text/pattern.h"
#include "text/tables.h"

/* Does `step`, of any kind but SPLIT, to text[n], valid UTF-8, and appends the result to
 * *out. `strings` is what the step's strings lie in. `splitter` is the step's compiled
 * pattern, NULL where it needs none; `first` whether the text begins here. Errors: LIMIT,
 * NO_MEMORY. */
ifm_status ifm_rewrite(const ifm_text_step *step, const char *strings,
                       ifm_splitter *splitter, const char *text, size_t n, bool first,
                       ifm_buffer *out, ifm_error *err);

/* Whether the step leaves text[n] as it is, known without doing it. */
bool ifm_rewrite_is_idle(const ifm_text_step *step, const char *strings, const char *text,
                         size_t n, bool first);

/* Whether the step needs a compiled pattern. */
bool ifm_rewrite_has_pattern(const ifm_text_step *step);

#endif
