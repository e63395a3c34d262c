/* What an ifm_tokenizer is made of, for the files of this room. */
#ifndef IFM_TEXT_TOKENIZER_H
#define IFM_TEXT_TOKENIZER_H

#include "inferometer/tokenizer.h"
#include "os/file.h"
#include "text/bpe.h"
#include "text/pattern.h"
#include "text/source.h"
#include "text/tables.h"

struct ifm_tokenizer {
    ifm_tables tables;
    ifm_mapping mapping;      /* the tables, when they came from the cache */
    ifm_tables_header *owned; /* the tables, when they were compiled just now */
    bool merges_checked;
    ifm_tables_header *repaired; /* the merges, when those of the cache were damaged */
    ifm_source source;           /* the source files, for that */
    char *cache_path;            /* NULL: there is none */
    ifm_splitter splitters[IFM_MAX_STEPS]; /* all zero where a step has no pattern */
    ifm_buffer scratch[IFM_MAX_STEPS];     /* what steps that rewrite make */
    ifm_splitter word;                     /* made when an added token must stand alone */
    ifm_bpe bpe;
};

/* A tokenizer on a block that was compiled or checked; takes it, also when it fails.
 * Errors: FORMAT, UNSUPPORTED, NO_MEMORY. */
ifm_status ifm_tokenizer_from_block(ifm_tables_header *block, ifm_tokenizer **out,
                                    ifm_error *err);

/* To be asked before a merge is looked for: whether the cache's are sound; those that are
 * not are read from the source files again. Errors: as of opening. */
ifm_status ifm_tokenizer_check_merges(ifm_tokenizer *self, ifm_error *err);

/* Gives back what a very long text needed. */
void ifm_tokenizer_shrink(ifm_tokenizer *self);

#endif
