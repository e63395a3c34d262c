/* The chat templates that are known, and how they are recognised. */
#include <string.h>

#include "text/chat.h"

#define IM(role)                                                                         \
    {                                                                                    \
        "<|im_start|>" role "\n", "<|im_end|>\n"                                         \
    }
#define IM_ROLES     IM("system"), IM("user"), IM("assistant"), "<|im_start|>assistant\n"
#define CHATML_TEXTS "", "<|im_end|>"
#define HEADER(role) "<|start_header_id|>" role "<|end_header_id|>\n\n"
#define LLAMA3_ROLES                                                                     \
    {HEADER("user"), "<|eot_id|>"}, {HEADER("assistant"), "<|eot_id|>"},                 \
        HEADER("assistant"), "<|begin_of_text|>", "<|eot_id|>"
#define KNOWLEDGE "Cutting Knowledge Date: December 2023\nToday Date: "
#define GEMMA_ROLES                                                                      \
    {"<start_of_turn>user\n", "<end_of_turn>\n"},                                        \
        {"<start_of_turn>model\n", "<end_of_turn>\n"}, "<start_of_turn>model\n",         \
        "<bos>", "<eos>"

/* In the order in which they are looked for; those that only names distinguish come behind
 * the one that is recognised. */
static const ifm_chat_template templates[] = {
    {"llama3.2",
     {"<|start_header_id|>", "Cutting Knowledge Date", "strftime_now"},
     {0},
     IFM_CHAT_TRIM | IFM_CHAT_BOS | IFM_CHAT_SYSTEM_ALWAYS,
     {HEADER("system") KNOWLEDGE "{date}\n\n", "<|eot_id|>"},
     LLAMA3_ROLES,
     NULL},
    {"llama3.1",
     {"<|start_header_id|>", "Cutting Knowledge Date"},
     {0},
     IFM_CHAT_TRIM | IFM_CHAT_BOS | IFM_CHAT_SYSTEM_ALWAYS,
     {HEADER("system") KNOWLEDGE "26 Jul 2024\n\n", "<|eot_id|>"},
     LLAMA3_ROLES,
     NULL},
    {"llama3",
     {"<|start_header_id|>", "<|eot_id|>"},
     {0},
     IFM_CHAT_TRIM | IFM_CHAT_BOS,
     {HEADER("system"), "<|eot_id|>"},
     LLAMA3_ROLES,
     NULL},
    {"gemma3",
     {"<start_of_turn>", "<end_of_turn>", "first_user_prefix"},
     {0},
     IFM_CHAT_TRIM | IFM_CHAT_BOS | IFM_CHAT_SYSTEM_FIRST | IFM_CHAT_ALTERNATES,
     {"", "\n\n"},
     GEMMA_ROLES,
     NULL},
    {"gemma",
     {"<start_of_turn>", "<end_of_turn>"},
     {0},
     IFM_CHAT_TRIM | IFM_CHAT_BOS | IFM_CHAT_NO_SYSTEM | IFM_CHAT_ALTERNATES,
     {"", ""},
     GEMMA_ROLES,
     NULL},
    {"llama2",
     {"[INST]", "<<SYS>>"},
     {"[SYSTEM_PROMPT]"},
     IFM_CHAT_TRIM | IFM_CHAT_SYSTEM_FIRST | IFM_CHAT_ALTERNATES,
     {"<<SYS>>\n", "\n<</SYS>>\n\n"},
     {"{bos}[INST] ", " [/INST]"},
     {" ", " {eos}"},
     "",
     "<s>",
     "</s>",
     NULL},
    {"mistral-v0.2",
     {"\" [INST] \"", "\" [/INST]\""},
     {"[SYSTEM_PROMPT]"},
     IFM_CHAT_BOS | IFM_CHAT_SYSTEM_FIRST | IFM_CHAT_ALTERNATES,
     {"", "\n\n"},
     {" [INST] ", " [/INST]"},
     {" ", "{eos}"},
     "",
     "<s>",
     "</s>",
     NULL},
    {"mistral-v0.3",
     {"\"[INST] \"", "\"[/INST]\""},
     {"[SYSTEM_PROMPT]"},
     IFM_CHAT_BOS | IFM_CHAT_SYSTEM_LAST | IFM_CHAT_ALTERNATES,
     {"", "\n\n"},
     {"[INST] ", "[/INST]"},
     {" ", "{eos}"},
     "",
     "<s>",
     "</s>",
     NULL},
    {"mistral-nemo",
     {"\"[INST]\"", "\"[/INST]\""},
     {"[SYSTEM_PROMPT]"},
     IFM_CHAT_BOS | IFM_CHAT_SYSTEM_LAST | IFM_CHAT_ALTERNATES,
     {"", "\n\n"},
     {"[INST]", "[/INST]"},
     {"", "{eos}"},
     "",
     "<s>",
     "</s>",
     NULL},
    {"mistral",
     {"'[INST] '", "' [/INST]'"},
     {"[SYSTEM_PROMPT]"},
     IFM_CHAT_BOS | IFM_CHAT_NO_SYSTEM | IFM_CHAT_ALTERNATES,
     {"", ""},
     {"[INST] ", " [/INST]"},
     {"", "{eos}"},
     "",
     "<s>",
     "</s>",
     NULL},
    {"zephyr",
     {"<|user|>", "<|system|>", "<|assistant|>", "eos_token"},
     {"<|end|>", "<|im_"},
     0,
     {"<|system|>\n", "{eos}\n"},
     {"<|user|>\n", "{eos}\n"},
     {"<|assistant|>\n", "{eos}\n"},
     "<|assistant|>\n",
     "<s>",
     "</s>",
     NULL},
    {"qwen3",
     {"<|im_start|>", "<|im_end|>", "</think>"},
     {"<|im_sep|>"},
     IFM_CHAT_NO_THINKING,
     IM_ROLES,
     CHATML_TEXTS,
     NULL},
    {"chatml",
     {"<|im_start|>", "<|im_end|>"},
     {"<|im_sep|>", "<think>"},
     IFM_CHAT_BOS_IF_NAMED | IFM_CHAT_DEFAULT_SYSTEM,
     IM_ROLES,
     CHATML_TEXTS,
     NULL},
    {"smollm2",
     {NULL},
     {0},
     0,
     IM_ROLES,
     CHATML_TEXTS,
     "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
    {"qwen2", {NULL}, {0}, 0, IM_ROLES, CHATML_TEXTS, "You are a helpful assistant."},
    {"qwen2.5",
     {NULL},
     {0},
     0,
     IM_ROLES,
     CHATML_TEXTS,
     "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
};
enum { N_TEMPLATES = sizeof templates / sizeof *templates };

static bool contains(const char *text, size_t n, const char *part)
{
    return memmem(text, n, part, strlen(part)) != NULL;
}

static bool is_this(const ifm_chat_template *t, const char *text, size_t n)
{
    if (t->has[0] == NULL)
        return false;
    for (size_t i = 0; i < sizeof t->has / sizeof *t->has; i++)
        if (t->has[i] != NULL && !contains(text, n, t->has[i]))
            return false;
    for (size_t i = 0; i < sizeof t->lacks / sizeof *t->lacks; i++)
        if (t->lacks[i] != NULL && contains(text, n, t->lacks[i]))
            return false;
    return true;
}

const ifm_chat_template *ifm_chat_recognise(const char *text, size_t n)
{
    for (int i = 0; i < N_TEMPLATES; i++)
        if (is_this(&templates[i], text, n))
            return &templates[i];
    return NULL;
}

const ifm_chat_template *ifm_chat_find(const char *name)
{
    for (int i = 0; i < N_TEMPLATES; i++)
        if (strcmp(templates[i].name, name) == 0)
            return &templates[i];
    return NULL;
}

const char *const *ifm_chat_names(void)
{
    static const char *const names[] = {
        "chatml",   "gemma",   "gemma3",       "llama2",       "llama3",       "llama3.1",
        "llama3.2", "mistral", "mistral-v0.2", "mistral-v0.3", "mistral-nemo", "qwen2",
        "qwen2.5",  "qwen3",   "smollm2",      "zephyr",       NULL,
    };
    return names;
}

const char *ifm_chat_list(void)
{
    return "chatml, gemma, gemma3, llama2, llama3, llama3.1, llama3.2, mistral, "
           "mistral-v0.2, "
           "mistral-v0.3, mistral-nemo, qwen2, qwen2.5, qwen3, smollm2, zephyr";
}

const char *ifm_chat_default_system(const char *text, size_t n, size_t *n_words)
{
    static const char begin[] = "<|im_start|>system";
    static const char end[] = "<|im_end|>";
    enum { MOST = 4096 }; /* bytes that a default message has, or it is none */
    const char *stop = text + n;
    *n_words = 0;
    for (const char *at = text;
         (at = memmem(at, (size_t)(stop - at), begin, sizeof begin - 1)) != NULL;) {
        at += sizeof begin - 1;
        /* A line feed, as it is or as Jinja's literals write it. */
        if (at < stop && *at == '\n')
            at++;
        else if (stop - at > 1 && at[0] == '\\' && at[1] == 'n')
            at += 2;
        else
            continue;
        size_t left = (size_t)(stop - at);
        const char *close = memmem(at, left < MOST ? left : MOST, end, sizeof end - 1);
        if (close == NULL)
            continue;
        size_t length = (size_t)(close - at);
        if (length > 0 && !contains(at, length, "{{") && !contains(at, length, "}}") &&
            !contains(at, length, "'") && !contains(at, length, "\\")) {
            *n_words = length;
            return at;
        }
    }
    return NULL;
}
