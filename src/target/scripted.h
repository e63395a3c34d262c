/* A target that plays records written beforehand: for tests of everything above. */
#ifndef IFM_TARGET_SCRIPTED_H
#define IFM_TARGET_SCRIPTED_H

#include "target/target.h"

/* One request's outcome. */
typedef struct ifm_script_line {
    ifm_start start; /* what must be asked for */
    ifm_status status;
    const int64_t *token_ns; /* [n_tokens], borrowed */
    size_t n_tokens;
} ifm_script_line;

/* Plays lines[n] (borrowed) in order, then fails with LIMIT. */
ifm_status ifm_scripted_new(const ifm_script_line *lines, size_t n,
                            ifm_target_facts *facts, ifm_target **out, ifm_error *err);

#endif
