#include "text/pretype.h"

#include <string.h>

#include "base/error.h"
#include "text/pattern.h"
#include "text/utf8.h"

/* Pieces of the patterns, as the families' files write them. */
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define A_WORD       "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS        " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SPACES       "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2_WORDS   "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+"
#define GPT2         GPT2_WORDS "|\\s+(?!\\S)|\\s+"
#define LLAMA3       CONTRACTIONS "|" A_WORD "|\\p{N}{1,3}|" SIGNS "|" SPACES
#define QWEN2        CONTRACTIONS "|" A_WORD "|\\p{N}|" SIGNS "|" SPACES
#define UPPER        "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED        "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+"
#define UPPERCASED   "[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*"
#define SIGNS_SLASH  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define TEKKEN       CASED "|" UPPERCASED "|\\p{N}|" SIGNS_SLASH "|" SPACES
#define GPT4O                                                                            \
    CASED CONTRACTIONS "?|" UPPERCASED CONTRACTIONS "?|\\p{N}{1,3}|" SIGNS_SLASH         \
                       "|" SPACES

/* DeepSeek spells the letters with case out (Latin, Greek, Cyrillic, Armenian, Georgian,
 * Cherokee, Glagolitic, Coptic, …). */
#define DEEPSEEK_LETTERS                                                                 \
    "\\s?["                                                                              \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}"       \
    "\\x{1c4}-\\x{293}\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}"                \
    "\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}\\x{38c}\\x{38e}-\\x{3a1}"        \
    "\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}"               \
    "\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}"       \
    "\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}"       \
    "\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}"       \
    "\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}"                  \
    "\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}"                 \
    "\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}"       \
    "\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}\\x{210a}-\\x{2113}"        \
    "\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}"         \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}"        \
    "\\x{2183}\\x{2184}\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}"        \
    "\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}"        \
    "\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}\\x{fb00}-\\x{fb06}"       \
    "\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}"     \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}"                    \
    "\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"                    \
    "]+"
#define DEEPSEEK_SIGNS "\\s?[!-/:-~！-／：-～‘-‟　-。]+"
#define DEEPSEEK_CJK   "[一-龥ࠀ-一가-퟿]+"
#define DEEPSEEK3_CJK  "[一-龥぀-ゟ゠-ヿ]+"
#define DEEPSEEK3                                                                        \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"                              \
    "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" SPACES

enum { MOST_PATTERNS = 6 };

/* A family: its patterns, each of which splits the pieces of the one before. */
typedef struct family {
    const char *patterns[MOST_PATTERNS];
    bool ignore_merges, add_bos;
} family;

static const family gpt2 = {.patterns = {GPT2}};
static const family llama3 = {
    .patterns = {LLAMA3}, .ignore_merges = true, .add_bos = true};
static const family dbrx = {.patterns = {LLAMA3}};
static const family glm4 = {.patterns = {LLAMA3}, .ignore_merges = true};
static const family qwen2 = {.patterns = {QWEN2}};
static const family smollm = {.patterns = {"\\p{N}", GPT2}};
static const family deepseek_llm = {.patterns = {"[\\r\\n]", DEEPSEEK_LETTERS,
                                                 DEEPSEEK_SIGNS, "\\s+$", DEEPSEEK_CJK,
                                                 "\\p{N}+"}};
static const family deepseek_coder = {
    .patterns = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"}};
static const family deepseek3 = {.patterns = {"\\p{N}{1,3}", DEEPSEEK3_CJK, DEEPSEEK3}};
static const family falcon = {.patterns = {"[\\p{P}\\$\\+<=>\\^~\\|`]+",
                                           GPT2_WORDS "|\\s+(?!\\S)", "[0-9][0-9][0-9]"}};
static const family tekken = {
    .patterns = {TEKKEN}, .ignore_merges = true, .add_bos = true};
static const family gpt4o = {.patterns = {GPT4O}};
static const family by_default = {.patterns = {"[\\p{P}\\$\\+<=>\\^~\\|]+",
                                               GPT2_WORDS "|\\s+(?!\\S)", "\\p{N}+",
                                               "[0-9][0-9][0-9]"}};

static const struct {
    const char *name;
    const family *family;
} names[] = {
    {"default", &by_default},
    {"", &by_default},
    {"gpt-2", &gpt2},
    {"phi-2", &gpt2},
    {"mpt", &gpt2},
    {"olmo", &gpt2},
    {"jais", &gpt2},
    {"exaone4", &gpt2},
    {"trillion", &gpt2},
    {"modern-bert", &gpt2},
    {"granite-docling", &gpt2},
    {"llama-bpe", &llama3},
    {"llama3", &llama3},
    {"llama-v3", &llama3},
    {"falcon3", &llama3},
    {"pixtral", &llama3},
    {"lfm2", &llama3},
    {"dbrx", &dbrx},
    {"smaug-bpe", &dbrx},
    {"chatglm-bpe", &dbrx},
    {"glm4", &glm4},
    {"qwen2", &qwen2},
    {"deepseek-r1-qwen", &qwen2},
    {"stablelm2", &qwen2},
    {"megrez", &qwen2},
    {"hunyuan", &qwen2},
    {"smollm", &smollm},
    {"starcoder", &smollm},
    {"refact", &smollm},
    {"command-r", &smollm},
    {"codeshell", &smollm},
    {"exaone", &smollm},
    {"minerva-7b", &smollm},
    {"deepseek-llm", &deepseek_llm},
    {"deepseek-coder", &deepseek_coder},
    {"deepseek-v3", &deepseek3},
    {"hunyuan-dense", &deepseek3},
    {"falcon", &falcon},
    {"tekken", &tekken},
    {"gpt-4o", &gpt4o},
    {"llama4", &gpt4o},
};

static const family *find(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == n && memcmp(names[i].name, name, n) == 0)
            return names[i].family;
    return NULL;
}

ifm_status ifm_pretype_apply(const char *name, size_t n, ifm_lexicon *lexicon,
                             bool *add_bos, ifm_error *err)
{
    const family *f = find(name, n);
    if (f == NULL)
        return ifm_fail(err, IFM_ERR_UNSUPPORTED,
                        "tokenizer.ggml.pre \"%.*s\" is not supported "
                        "(docs/tokenizer.md says what is)",
                        ifm_utf8_prefix(name, n, 60), name);
    for (int i = 0; i < MOST_PATTERNS && f->patterns[i] != NULL; i++) {
        ifm_status st = ifm_lexicon_add_split(lexicon, f->patterns[i], err);
        if (st != IFM_OK)
            return st;
    }
    lexicon->rules.ignore_merges = f->ignore_merges;
    *add_bos = f->add_bos;
    return IFM_OK;
}
