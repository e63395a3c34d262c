#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/model_facts.h"
#include "result/fields.h"

/* "327.7 MB": three or four digits, powers of ten, as disks and bandwidths are counted. */
static const char *bytes_text(double value, char text[32])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    for (; value >= 1000 && unit < 4; unit++)
        value /= 1000;
    snprintf(text, 32, "%.*f %s", unit == 0 ? 0 : 1, value, units[unit]);
    return text;
}

static const char *count_text(int64_t n, char text[32])
{
    double value = (double)n;
    if (n >= 1000000000)
        snprintf(text, 32, "%.2f billion", value / 1e9);
    else if (n >= 1000000)
        snprintf(text, 32, "%.1f million", value / 1e6);
    else
        snprintf(text, 32, "%" PRId64, n);
    return text;
}

static double bits_a_weight(const ifm_model_info *info)
{
    return info->parameters > 0
               ? 8 * (double)info->weight_bytes / (double)info->parameters
               : 0;
}

/* A row for each type, under one heading. */
static void print_types(const char *heading, const ifm_type_count *types, size_t n)
{
    char bytes[32];
    for (size_t i = 0; i < n; i++)
        printf("%-12s %-7s %10s in %" PRId64 " tensor%s\n", i == 0 ? heading : "",
               types[i].type, bytes_text((double)types[i].n_bytes, bytes),
               types[i].n_tensors, types[i].n_tensors == 1 ? "" : "s");
}

static void print_shape(const ifm_model_info *info)
{
    printf("shape        %d layers, width %d, inner width %d\n", info->n_layer,
           info->n_embd, info->n_inner);
    printf("heads        %d of %d numbers", info->n_head, info->head_dim);
    if (info->n_kv_head != info->n_head)
        printf(", sharing %d key-value head%s", info->n_kv_head,
               info->n_kv_head == 1 ? "" : "s");
    printf("\nvocabulary   %d tokens, %s output head\n", info->n_vocab,
           info->tied_head ? "tied" : "separate");
    if (info->bos_id >= 0 || info->eos_id >= 0)
        printf("special      begin %d, end %d\n", info->bos_id, info->eos_id);
}

static void print_text(const ifm_model_facts *self)
{
    if (self->tokenizer == NULL) {
        printf("tokenizer    %s%s\n", self->tokenizer_problem[0] ? "not read: " : "none",
               self->tokenizer_problem);
        return;
    }
    printf("tokenizer    %s, %" PRId64 " tokens", self->tokenizer, self->n_tokens);
    if (self->pre_tokenizer[0] != '\0' && strcmp(self->pre_tokenizer, "default") != 0)
        printf(", cuts words as %s", self->pre_tokenizer);
    printf("\nchat         %s\n", self->chat != NULL   ? self->chat
                                  : self->chat_unknown ? "a template that is not known"
                                                       : "no template");
}

static void print_memory(const ifm_model_facts *self)
{
    char a[32], b[32];
    const ifm_model_info *info = self->info;
    printf("decode step  reads %s of weights\n",
           bytes_text((double)info->decode_bytes, a));
    printf("context      %d positions, %s each\n", info->n_positions,
           bytes_text(self->position_bytes, a));
    double session = (double)self->session_bytes;
    printf("memory       %s: %s of weights, mapped,\n",
           bytes_text(session + (double)info->file_bytes, a),
           bytes_text((double)info->file_bytes, b));
    printf("             and %s for a context of %d\n", bytes_text(session, a),
           self->n_context);
}

void ifm_model_facts_print(const ifm_model_facts *self)
{
    char a[32], b[32];
    const ifm_model_info *info = self->info;
    printf("model        %s\n", info->name);
    printf("path         %s\n", info->path);
    printf("family       %s\n", info->family);
    printf("parameters   %s", count_text(info->parameters, a));
    if (info->parameters >= 1000000)
        printf(" (%" PRId64 ")", info->parameters);
    putchar('\n');
    printf("weights      %s, %.2f bits each: %s in use, of %s in files\n", info->dtype,
           bits_a_weight(info), bytes_text((double)info->weight_bytes, a),
           bytes_text((double)info->file_bytes, b));
    print_types("types", self->types, self->n_types);
    print_types("left out", self->left_out, self->n_left_out);
    print_shape(info);
    print_text(self);
    print_memory(self);
    printf("kernels      %s on this CPU\n", info->kernels);
}

static json_t *types_json(const ifm_type_count *types, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        ifm_fields row = ifm_fields_new();
        ifm_fields_text(&row, "type", types[i].type);
        ifm_fields_int(&row, "tensors", types[i].n_tensors);
        ifm_fields_int(&row, "bytes", types[i].n_bytes);
        json_array_append_new(list, ifm_fields_take(&row));
    }
    return ifm_json_whole(list, n);
}

static void set_model(ifm_fields *to, const ifm_model_info *info)
{
    ifm_fields_text(to, "name", info->name);
    ifm_fields_text(to, "path", info->path);
    ifm_fields_text(to, "family", info->family);
    ifm_fields_int(to, "parameters", info->parameters);
    ifm_fields_text(to, "type", info->dtype);
    ifm_fields_real(to, "bits_per_weight", bits_a_weight(info));
    ifm_fields_int(to, "file_bytes", info->file_bytes);
    ifm_fields_int(to, "weight_bytes", info->weight_bytes);
    ifm_fields_int(to, "decode_bytes", info->decode_bytes);
    ifm_fields_int(to, "n_layer", info->n_layer);
    ifm_fields_int(to, "n_embd", info->n_embd);
    ifm_fields_int(to, "n_inner", info->n_inner);
    ifm_fields_int(to, "n_head", info->n_head);
    ifm_fields_int(to, "n_kv_head", info->n_kv_head);
    ifm_fields_int(to, "head_dim", info->head_dim);
    ifm_fields_int(to, "n_positions", info->n_positions);
    ifm_fields_int(to, "n_vocab", info->n_vocab);
    ifm_fields_bool(to, "tied_head", info->tied_head);
    ifm_fields_known(to, "bos_id", info->bos_id);
    ifm_fields_known(to, "eos_id", info->eos_id);
    ifm_fields_text(to, "kernels", info->kernels);
}

static json_t *tokenizer_json(const ifm_model_facts *self)
{
    if (self->tokenizer == NULL)
        return json_null();
    ifm_fields to = ifm_fields_new();
    ifm_fields_text(&to, "kind", self->tokenizer);
    ifm_fields_text(&to, "pre", self->pre_tokenizer[0] ? self->pre_tokenizer : NULL);
    ifm_fields_int(&to, "tokens", self->n_tokens);
    return ifm_fields_take(&to);
}

static json_t *memory_json(const ifm_model_facts *self)
{
    ifm_fields to = ifm_fields_new();
    ifm_fields_int(&to, "n_positions", self->n_context);
    ifm_fields_int(&to, "session_bytes", self->session_bytes);
    ifm_fields_real(&to, "bytes_per_position", self->position_bytes);
    return ifm_fields_take(&to);
}

ifm_status ifm_model_facts_print_json(const ifm_model_facts *self, ifm_error *err)
{
    ifm_fields to = ifm_fields_new();
    ifm_fields_text(&to, "schema", "inferometer.model/1");
    set_model(&to, self->info);
    ifm_fields_set(&to, "types", types_json(self->types, self->n_types));
    ifm_fields_set(&to, "left_out", types_json(self->left_out, self->n_left_out));
    ifm_fields_set(&to, "tokenizer", tokenizer_json(self));
    ifm_fields_text(&to, "chat_template", self->chat);
    ifm_fields_set(&to, "context", memory_json(self));
    json_t *object = ifm_fields_take(&to);
    char *text = object != NULL ? json_dumps(object, JSON_INDENT(2)) : NULL;
    json_decref(object);
    if (text == NULL)
        return ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a JSON document");
    puts(text);
    free(text);
    return IFM_OK;
}
