/*
 * How positions turn queries and keys, as config.json says it:
 *     Transformers 4: "rope_theta": 500000.0, "rope_scaling": null or {"rope_type": …}
 *     Transformers 5: "rope_parameters": {"rope_theta": 500000.0, "rope_type": …}
 * Older files say "type" for "rope_type".
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "format/json.h"
#include "model/config_parts.h"

static const double default_base = 10000.0;
static const double max_base = 1e15; /* 1e6 and 1e7 are what long contexts use */
static const double max_factor = 1e6;

/* A number above 0 and at most `max`; *value is the default, or 0 when it has to be
 * there. */
static ifm_status read_positive(const json_t *json, const char *file, const char *key,
                                double max, double *value, ifm_error *err)
{
    ifm_status st = ifm_json_real(json, file, key, value, err);
    if (st == IFM_OK && !(*value > 0 && *value <= max))
        st =
            ifm_fail(err, IFM_ERR_FORMAT,
                     "%s: \"%s\" is %g or missing, expected a number above 0 and at most "
                     "%g",
                     file, key, *value, max);
    return st;
}

static ifm_status read_llama3(const json_t *json, const char *file, ifm_config *config,
                              ifm_error *err)
{
    ifm_rope *rope = &config->rope;
    rope->scaling = IFM_ROPE_LLAMA3;
    rope->original_positions = config->n_positions;
    ifm_status st = read_positive(json, file, "low_freq_factor", max_factor,
                                  &rope->low_freq_factor, err);
    if (st == IFM_OK)
        st = read_positive(json, file, "high_freq_factor", max_factor,
                           &rope->high_freq_factor, err);
    if (st == IFM_OK)
        st = read_positive(json, file, "original_max_position_embeddings",
                           IFM_CONFIG_MAX_POSITIONS, &rope->original_positions, err);
    if (st == IFM_OK && rope->high_freq_factor <= rope->low_freq_factor)
        st = ifm_fail(err, IFM_ERR_FORMAT,
                      "%s: \"high_freq_factor\" is %g, expected more than "
                      "\"low_freq_factor\", %g",
                      file, rope->high_freq_factor, rope->low_freq_factor);
    return st;
}

static ifm_status read_scaling(const json_t *json, const char *file, ifm_config *config,
                               ifm_error *err)
{
    const char *type = "default";
    ifm_status st = ifm_json_string(json, file, "type", &type, err);
    if (st == IFM_OK)
        st = ifm_json_string(json, file, "rope_type", &type, err);
    if (st != IFM_OK || strcmp(type, "default") == 0)
        return st;
    const bool linear = strcmp(type, "linear") == 0;
    if (!linear && strcmp(type, "llama3") != 0)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: the rotary embedding is scaled by \"%s\", supported are "
                        "default, linear and llama3",
                        file, type);
    st = read_positive(json, file, "factor", max_factor, &config->rope.factor, err);
    config->rope.scaling = IFM_ROPE_LINEAR;
    return st == IFM_OK && !linear ? read_llama3(json, file, config, err) : st;
}

/* Absent, null, or an object. */
static ifm_status find_object(const json_t *json, const char *file, const char *key,
                              const json_t **out, ifm_error *err)
{
    const json_t *value = json_object_get(json, key);
    *out = json_is_object(value) ? value : NULL;
    if (value == NULL || json_is_null(value) || *out != NULL)
        return IFM_OK;
    return ifm_fail(err, IFM_ERR_FORMAT, "%s: \"%s\" is %s, expected an object", file,
                    key, ifm_json_kind(value));
}

/* Both places may name the share of a head that turns. */
static ifm_status check_partial(const json_t *json, const char *file, ifm_error *err)
{
    double factor = 1;
    ifm_status st = ifm_json_real(json, file, "partial_rotary_factor", &factor, err);
    if (st == IFM_OK && (factor < 1 || factor > 1))
        st =
            ifm_fail(err, IFM_ERR_UNSUPPORTED,
                     "%s: \"partial_rotary_factor\" is %g, supported is 1", file, factor);
    return st;
}

ifm_status ifm_config_rope(const json_t *json, const char *file, ifm_config *config,
                           ifm_error *err)
{
    const json_t *parameters, *scaling;
    config->rope = (ifm_rope){.r = config->head_dim, .base = default_base, .factor = 0};
    if (config->head_dim % 2 != 0)
        return ifm_fail(err, IFM_ERR_FORMAT,
                        "%s: heads of width %d cannot be turned in pairs", file,
                        config->head_dim);
    ifm_status st = find_object(json, file, "rope_parameters", &parameters, err);
    if (st == IFM_OK)
        st = find_object(json, file, "rope_scaling", &scaling, err);
    if (st != IFM_OK)
        return st;
    if (json_is_object(json_object_get(parameters, "full_attention")))
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "%s: \"rope_parameters\" differ by kind of layer, which no "
                        "supported model has",
                        file);
    scaling = parameters != NULL ? parameters : scaling;
    st = read_positive(json, file, "rope_theta", max_base, &config->rope.base, err);
    if (st == IFM_OK)
        st = check_partial(json, file, err);
    if (st != IFM_OK || scaling == NULL)
        return st;
    st = read_positive(scaling, file, "rope_theta", max_base, &config->rope.base, err);
    if (st == IFM_OK)
        st = check_partial(scaling, file, err);
    return st == IFM_OK ? read_scaling(scaling, file, config, err) : st;
}
