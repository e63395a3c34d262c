/*
 * The inside of reading a configuration: what the families share.
 *
 * A reader starts from a zeroed ifm_config whose `family` is set. Numbers that a file lacks
 * are those that Transformers has for them.
 */
#ifndef IFM_MODEL_CONFIG_PARTS_H
#define IFM_MODEL_CONFIG_PARTS_H

#include <jansson.h>

#include "model/config.h"

/* The whole configuration of one family from the object `json`; `file` is for messages. */
ifm_status ifm_config_gpt2(const json_t *json, const char *file, ifm_config *config,
                           ifm_error *err);
ifm_status ifm_config_llama(const json_t *json, const char *file, ifm_config *config,
                            ifm_error *err);
/* The part of it that says how positions turn queries and keys; head_dim is set. */
ifm_status ifm_config_rope(const json_t *json, const char *file, ifm_config *config,
                           ifm_error *err);

/* A count under `key`, 1 … max; one that is absent and 0 in *value is an error. */
typedef struct ifm_config_size {
    const char *key;
    int32_t max;
    int32_t *value;
} ifm_config_size;
ifm_status ifm_config_sizes(const json_t *json, const char *file,
                            const ifm_config_size *sizes, size_t n, ifm_error *err);

/* A switch under `key`; *value is the default before. */
typedef struct ifm_config_switch {
    const char *key;
    bool *value;
} ifm_config_switch;
ifm_status ifm_config_switches(const json_t *json, const char *file,
                               const ifm_config_switch *switches, size_t n,
                               ifm_error *err);

/* The epsilon of norms under `key`, 0 … 1; `fallback` when it is absent. */
ifm_status ifm_config_epsilon(const json_t *json, const char *file, const char *key,
                              double fallback, ifm_config *config, ifm_error *err);

/* bos_token_id and eos_token_id (one or a list); -1 as default: none. n_vocab is set. */
ifm_status ifm_config_special_ids(const json_t *json, const char *file, int32_t bos,
                                  int32_t eos, ifm_config *config, ifm_error *err);

/* Adds a token that ends a text, once; one outside the vocabulary is left out: small models
 * often keep the id of a large one, which then never occurs. Errors: LIMIT. */
ifm_status ifm_config_add_eos(ifm_config *config, int64_t id, const char *file,
                              ifm_error *err);

/* What is true of every family: H D within bounds, G a divisor of H, and so on. */
ifm_status ifm_config_check(const ifm_config *config, const char *file, ifm_error *err);

#endif
