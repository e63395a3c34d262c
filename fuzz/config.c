/* Fuzzes the reader of config.json: what is accepted lies within the limits that the rest
 * relies on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "model/config.h"

static bool within(int32_t x, int32_t min, int32_t max)
{
    return x >= min && x <= max;
}

static bool is_sound(const ifm_config *c)
{
    return within(c->n_embd, 1, IFM_CONFIG_MAX_WIDTH) &&
           within(c->n_head, 1, IFM_CONFIG_MAX_WIDTH) &&
           within(c->n_kv_head, 1, c->n_head) && c->n_head % c->n_kv_head == 0 &&
           within(c->head_dim, 1, IFM_CONFIG_MAX_INNER / c->n_head) &&
           within(c->rope.r, 0, c->head_dim) && c->rope.r % 2 == 0 &&
           within(c->n_layer, 1, IFM_CONFIG_MAX_LAYERS) &&
           within(c->n_inner, 1, IFM_CONFIG_MAX_INNER) &&
           within(c->n_positions, 1, IFM_CONFIG_MAX_POSITIONS) &&
           within(c->n_vocab, 1, IFM_CONFIG_MAX_VOCAB) &&
           within(c->bos_id, -1, c->n_vocab - 1) &&
           within(c->eos_id, -1, c->n_vocab - 1) &&
           within(c->n_eos, 0, IFM_CONFIG_MAX_EOS) && c->norm_eps >= 0 &&
           c->norm_eps <= 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ifm_config config;
    ifm_error err = {0};
    ifm_status status =
        ifm_config_parse((const char *)data, size, "config.json", &config, &err);
    if ((status == IFM_OK) != (err.message[0] == '\0') ||
        strchr(err.message, '\n') != NULL)
        abort();
    if (status == IFM_OK && !is_sound(&config))
        abort();
    return 0;
}
