/*
 * The compiled cache: a block of tables.h in a file, so that opening a tokenizer again is
 * mapping it.
 *
 * A file's name is the hash of the source's path; inside stands the key in full: the path
 * (a directory or a GGUF file), and size, time and inode of every source file. A file that does not fit, is
 * damaged, or is of another version is as good as none, and gets replaced. It is written
 * beside its place and renamed, so that readers and other writers never see half of it.
 */
#ifndef IFM_TEXT_CACHE_H
#define IFM_TEXT_CACHE_H

#include "base/buffer.h"
#include "os/file.h"
#include "text/source.h"
#include "text/tables.h"

/* Describes the source's files as they are now. False without memory. */
bool ifm_cache_key(const ifm_source *source, ifm_buffer *key);

/* Where the block for `key` belongs; `cache_dir` as in ifm_tokenizer_options. On the heap;
 * NULL when there is no place for caches (no HOME). */
char *ifm_cache_path(const char *cache_dir, const ifm_buffer *key);

/* Maps the block, if it is there, sound, and has this key. The caller closes *mapping. */
bool ifm_cache_open(const char *path, const ifm_buffer *key, ifm_mapping *mapping,
                    ifm_tables *tables);

/* Writes a block. False if that is not possible: the cache is then simply not there.
 * Thread-safe, also against other processes. */
bool ifm_cache_write(const char *path, const ifm_tables_header *block);

/* Whether a source file is so young that another change might leave its time as it is:
 * file systems count time in ticks of up to 10 ms. Such a state must not be remembered. */
bool ifm_cache_is_too_fresh(const ifm_buffer *key);

#endif
