/* text: a tokenizer's files say what they mean, and each way in which they can lie, or ask
 * for what is not implemented, is one clear message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inferometer/tokenizer.h"
#include "text/tables.h"
#include "text_support.h"

static char directory[64];

static int enter(void **state)
{
    (void)state;
    make_directory(directory);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    remove_directory(directory);
    return 0;
}

static ifm_status try_open(ifm_tokenizer **tokenizer, ifm_error *err)
{
    const ifm_tokenizer_options options = {.no_cache = true};
    *err = (ifm_error){0};
    return ifm_tokenizer_open(directory, &options, tokenizer, err);
}

static ifm_tokenizer *must_open(void)
{
    ifm_error err;
    ifm_tokenizer *tokenizer;
    if (try_open(&tokenizer, &err) != IFM_OK)
        fail_msg("%s", err.message);
    return tokenizer;
}

static void expect_failure(const char *name, ifm_status status, const char *part)
{
    ifm_error err;
    ifm_tokenizer *tokenizer;
    ifm_status st = try_open(&tokenizer, &err);
    if (st != status || strstr(err.message, part) == NULL)
        fail_msg("%s: %s \"%s\", expected %s \"%s\"", name, ifm_status_name(st),
                 err.message, ifm_status_name(status), part);
    assert_null(tokenizer);
    assert_null(strchr(err.message, '\n'));
}

static void expect_text(ifm_tokenizer *tokenizer, const char *text, unsigned flags,
                        const char *expected)
{
    size_t n, used = 0;
    int32_t *ids;
    char got[256] = "";
    assert_int_equal(
        ifm_tokenizer_encode(tokenizer, text, strlen(text), flags, &ids, &n, NULL),
        IFM_OK);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%d", i > 0 ? " " : "",
                                 ids[i]);
    assert_string_equal(got, expected);
    free(ids);
}

#define VOCAB  "{\"a\":0,\"b\":1,\"c\":2,\"\xc4\xa0\":3,\"ab\":4,\"abc\":5}"
#define MERGES "[\"a b\",[\"ab\",\"c\"]]"
#define BYTES  "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}"
#define MODEL(vocab, merges, more)                                                       \
    "{\"type\":\"BPE\",\"vocab\":" vocab ",\"merges\":" merges more "}"
#define WHOLE(model, pre, more)                                                          \
    "{\"version\":\"1.0\",\"model\":" model ",\"pre_tokenizer\":" pre more "}"
#define WITH_MODEL(model) WHOLE(model, BYTES, "")
#define WITH_PRE(pre)     WHOLE(MODEL(VOCAB, MERGES, ""), pre, "")
#define WITH(more)        WHOLE(MODEL(VOCAB, MERGES, ""), BYTES, "," more)
#define WITH_SPLIT(parts)                                                                \
    WITH_PRE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\"," parts      \
             ",\"invert\":false}," BYTES "]}")
#define REGEX(regex)         "\"pattern\":{\"Regex\":\"" regex "\"}"
#define WITH_ISOLATED(regex) WITH_SPLIT(REGEX(regex) ",\"behavior\":\"Isolated\"")
#define NFC4                 "{\"type\":\"NFC\"},{\"type\":\"NFC\"},{\"type\":\"NFC\"},{\"type\":\"NFC\"}"

typedef struct bad {
    const char *name, *json;
    ifm_status status;
    const char *part;
} bad;

static const bad bad_json[] = {
    {"nothing", "", IFM_ERR_FORMAT, "tokenizer.json: not valid JSON, line 1"},
    {"half", "{\"model\":{\"vocab\":{\"a\":0", IFM_ERR_FORMAT, "not valid JSON, line 1"},
    {"list", "[]", IFM_ERR_FORMAT, "\"tokenizer.json\" is no JSON object"},
    {"not UTF-8", "{\"\xff\":1}", IFM_ERR_FORMAT, "not valid JSON"},
    {"no model", "{\"pre_tokenizer\":" BYTES "}", IFM_ERR_FORMAT,
     "\"model\" is no JSON object"},
    {"key twice", "{\"model\":1,\"model\":2}", IFM_ERR_FORMAT, "duplicate"},
    {"unknown part", WITH("\"postscript\":{}"), IFM_ERR_UNSUPPORTED,
     "unknown setting \"postscript\""},
    {"model type", WITH_MODEL("{\"type\":\"Unigram\",\"vocab\":[]}"), IFM_ERR_UNSUPPORTED,
     "model type \"Unigram\" is not supported"},
    {"model setting", WITH_MODEL(MODEL(VOCAB, MERGES, ",\"magic\":1")),
     IFM_ERR_UNSUPPORTED, "\"model\" has an unknown setting \"magic\""},
    {"dropout", WITH_MODEL(MODEL(VOCAB, MERGES, ",\"dropout\":0.1")), IFM_ERR_UNSUPPORTED,
     "\"dropout\" is not supported"},
    {"suffix", WITH_MODEL(MODEL(VOCAB, MERGES, ",\"end_of_word_suffix\":\"</w>\"")),
     IFM_ERR_UNSUPPORTED, "\"end_of_word_suffix\" is not supported"},
    {"vocab list", WITH_MODEL(MODEL("[\"a\"]", MERGES, "")), IFM_ERR_FORMAT,
     "model.vocab: the vocabulary is no JSON object"},
    {"no vocab", WITH_MODEL(MODEL("{}", MERGES, "")), IFM_ERR_FORMAT,
     "the vocabulary has no token in the byte alphabet"},
    {"negative id", WITH_MODEL(MODEL("{\"a\":-1}", "[]", "")), IFM_ERR_FORMAT,
     "token \"a\" has the id -1, expected 0 to 2097150"},
    {"huge id", WITH_MODEL(MODEL("{\"a\":9223372036854775807}", "[]", "")),
     IFM_ERR_FORMAT, "token \"a\" has the id 9223372036854775807, expected 0 to"},
    {"largest id and one", WITH_MODEL(MODEL("{\"a\":2097151}", "[]", "")), IFM_ERR_FORMAT,
     "has the id 2097151, expected"},
    {"id past 64 bits", WITH_MODEL(MODEL("{\"a\":99999999999999999999}", "[]", "")),
     IFM_ERR_FORMAT, "too big integer"},
    {"id is no number", WITH_MODEL(MODEL("{\"a\":\"0\"}", "[]", "")), IFM_ERR_FORMAT,
     "token \"a\" has an id that is no whole number"},
    {"id is a fraction", WITH_MODEL(MODEL("{\"a\":0.5}", "[]", "")), IFM_ERR_FORMAT,
     "no whole number"},
    {"id twice", WITH_MODEL(MODEL("{\"a\":0,\"b\":0}", "[]", "")), IFM_ERR_FORMAT,
     "token \"b\" has the id 0, which another token has already"},
    {"token twice", WITH_MODEL(MODEL("{\"a\":0,\"a\":1}", "[]", "")), IFM_ERR_FORMAT,
     "duplicate object key"},
    {"merges missing", WITH_MODEL("{\"vocab\":" VOCAB "}"), IFM_ERR_FORMAT,
     "\"model.merges\" is no JSON array"},
    {"merge of a number", WITH_MODEL(MODEL(VOCAB, "[1]", "")), IFM_ERR_FORMAT,
     "merge number 1 is neither"},
    {"merge of one", WITH_MODEL(MODEL(VOCAB, "[\"a b\",\"ab\"]", "")), IFM_ERR_FORMAT,
     "merge number 2 is neither"},
    {"merge of three", WITH_MODEL(MODEL(VOCAB, "[\"a b c\"]", "")), IFM_ERR_FORMAT,
     "merge number 1 is neither"},
    {"merge of unknown", WITH_MODEL(MODEL(VOCAB, "[\"a x\"]", "")), IFM_ERR_FORMAT,
     "\"a\" and \"x\": the second half is not in the vocabulary"},
    {"merge to unknown", WITH_MODEL(MODEL(VOCAB, "[\"b a\"]", "")), IFM_ERR_FORMAT,
     "\"b\" and \"a\": what it makes is not in the vocabulary"},
    {"merge with nothing", WITH_MODEL(MODEL(VOCAB, "[[\"\",\"a\"]]", "")), IFM_ERR_FORMAT,
     "the first half is not in the vocabulary"},
    {"unknown unknown", WITH_MODEL(MODEL(VOCAB, MERGES, ",\"unk_token\":\"?\"")),
     IFM_ERR_FORMAT, "model.unk_token is not in the vocabulary"},
    {"another", WITH_PRE("{\"type\":\"WordPiece\"}"), IFM_ERR_UNSUPPORTED,
     "pre_tokenizer \"WordPiece\" is not supported"},
    {"metaspace of nothing", WITH_PRE("{\"type\":\"Metaspace\"}"), IFM_ERR_FORMAT,
     "Metaspace: \"replacement\" is no string"},
    {"metaspace somehow",
     WITH_PRE(
         "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"last\"}"),
     IFM_ERR_UNSUPPORTED, "prepend_scheme \"last\""},
    {"no pattern", WITH_SPLIT("\"behavior\":\"Isolated\""), IFM_ERR_FORMAT,
     "Split: \"pattern\" is neither String nor Regex"},
    {"no behavior", WITH_SPLIT(REGEX("x")), IFM_ERR_UNSUPPORTED,
     "with behavior \"null\""},
    {"behavior", WITH_SPLIT(REGEX("x") ",\"behavior\":\"Doubled\""), IFM_ERR_UNSUPPORTED,
     "with behavior \"Doubled\""},
    {"intersection", WITH_ISOLATED("[a-z&&[^x]]"), IFM_ERR_UNSUPPORTED,
     "the pattern \"[a-z&&[^x]]\" uses \"&&\" at byte 4, which is not supported"},
    {"class in class", WITH_ISOLATED("[a[b]]"), IFM_ERR_UNSUPPORTED, "uses \"[b\""},
    {"open class", WITH_ISOLATED("[a"), IFM_ERR_UNSUPPORTED, "uses \"a\" at byte 1"},
    {"reference", WITH_ISOLATED("(a)\\\\1"), IFM_ERR_UNSUPPORTED, "uses \"\\1\""},
    {"hex digits", WITH_ISOLATED("\\\\h"), IFM_ERR_UNSUPPORTED, "uses \"\\h\""},
    {"script", WITH_ISOLATED("\\\\p{Klingon}"), IFM_ERR_UNSUPPORTED, "\\p{Klingon}"},
    {"property without end", WITH_ISOLATED("\\\\p{L"), IFM_ERR_UNSUPPORTED, "\\p{L"},
    {"group", WITH_ISOLATED("(?m:.)"), IFM_ERR_UNSUPPORTED, "uses \"(?m:\""},
    {"possessive braces", WITH_ISOLATED("a{2}+"), IFM_ERR_UNSUPPORTED, "uses \"{2}+\""},
    {"last backslash", WITH_ISOLATED("a\\\\"), IFM_ERR_UNSUPPORTED, "at byte 1"},
    {"open group", WITH_ISOLATED("(a"), IFM_ERR_UNSUPPORTED, "does not understand"},
    {"sequences in sequences",
     WITH_PRE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Sequence\","
              "\"pretokenizers\":[]}]}"),
     IFM_ERR_UNSUPPORTED, "pre_tokenizer \"Sequence\""},
    {"two of them",
     WITH_PRE("{\"type\":\"Sequence\",\"pretokenizers\":[" BYTES "," BYTES "]}"),
     IFM_ERR_UNSUPPORTED, "behind ByteLevel"},
    {"normalizer", WITH("\"normalizer\":{\"type\":\"StripAccents\"}"),
     IFM_ERR_UNSUPPORTED, "normalizer \"StripAccents\" is not supported"},
    {"thirteen normalizers",
     WITH("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[" NFC4 "," NFC4 "," NFC4
          ",{\"type\":\"NFC\"}]}"),
     IFM_ERR_UNSUPPORTED, "more than 12 normalizers"},
    {"bytes decoded from characters",
     "{\"model\":" MODEL(VOCAB, MERGES, "") ",\"decoder\":{\"type\":\"ByteLevel\"}}",
     IFM_ERR_UNSUPPORTED, "ByteLevel without such a pre_tokenizer"},
    {"strip two",
     WITH("\"decoder\":{\"type\":\"Strip\",\"content\":\" \",\"start\":2,"
          "\"stop\":0}"),
     IFM_ERR_UNSUPPORTED, "decoder Strip \"of more than one space in front\""},
    {"decoder", WITH("\"decoder\":{\"type\":\"WordPiece\"}"), IFM_ERR_UNSUPPORTED,
     "decoder \"WordPiece\""},
    {"post-processor", WITH("\"post_processor\":{\"type\":\"BertProcessing\"}"),
     IFM_ERR_UNSUPPORTED, "post_processor \"BertProcessing\""},
    {"template of two texts",
     WITH(
         "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{"
         "\"id\":\"A\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{}}"),
     IFM_ERR_UNSUPPORTED, "other than tokens around one text"},
    {"template of no text",
     WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[],"
          "\"special_tokens\":{}}"),
     IFM_ERR_UNSUPPORTED, "without the text"},
    {"template of no token",
     WITH(
         "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{"
         "\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"c\"}}],\"special_tokens\":{}}"),
     IFM_ERR_UNSUPPORTED, "with a token without ids"},
    {"template past the end",
     WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{"
          "\"SpecialToken\":"
          "{\"id\":\"c\"}},{\"Sequence\":{\"id\":\"A\"}}],\"special_tokens\":{\"c\":{"
          "\"ids\":"
          "[6]}}}"),
     IFM_ERR_FORMAT, "its token has the id 6, expected 0 to 5"},
    {"added list", WITH("\"added_tokens\":{}"), IFM_ERR_FORMAT,
     "\"added_tokens\" is no JSON array"},
    {"added nothing", WITH("\"added_tokens\":[{}]"), IFM_ERR_FORMAT,
     "added_tokens[0]: expected {\"id\""},
    {"added negative", WITH("\"added_tokens\":[{\"id\":-1,\"content\":\"x\"}]"),
     IFM_ERR_FORMAT, "added_tokens[0]: expected"},
    {"added over another", WITH("\"added_tokens\":[{\"id\":2,\"content\":\"x\"}]"),
     IFM_ERR_FORMAT, "token \"x\" has the id 2, which another token has already"},
    {"added elsewhere", WITH("\"added_tokens\":[{\"id\":9,\"content\":\"ab\"}]"),
     IFM_ERR_FORMAT, "\"ab\" has the id 9, but 4 in the vocabulary"},
    {"added far away", WITH("\"added_tokens\":[{\"id\":99999999,\"content\":\"x\"}]"),
     IFM_ERR_FORMAT, "token \"x\" has the id 99999999, expected 0 to"},
};

static void lies_of_tokenizer_json_are_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_json / sizeof *bad_json; i++) {
        put_text(directory, "tokenizer.json", bad_json[i].json);
        expect_failure(bad_json[i].name, bad_json[i].status, bad_json[i].part);
    }
}

static void a_token_of_a_megabyte_is_refused(void **state)
{
    (void)state;
    enum { LONG = 1 << 20 };
    static const char head[] = "{\"a\":0,\"", tail[] = "\":1}";
    char *text = malloc(LONG + sizeof head + sizeof tail);
    memcpy(text, head, sizeof head);
    memset(text + sizeof head - 1, 'a', LONG);
    memcpy(text + sizeof head - 1 + LONG, tail, sizeof tail);
    put_text(directory, "vocab.json", text);
    put_text(directory, "merges.txt", "");
    expect_failure("long", IFM_ERR_LIMIT,
                   "aaa\xe2\x80\xa6\" has 1048576 bytes, more than 65536");
    free(text);
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    char *text = malloc(2 * DEPTH + 1);
    memset(text, '[', DEPTH);
    memset(text + DEPTH, ']', DEPTH);
    put_file(directory, "tokenizer.json", text, 2 * DEPTH);
    expect_failure("depth", IFM_ERR_LIMIT, "nested deeper than");
    free(text);
}

typedef struct bad_pair {
    const char *name, *vocab, *merges;
    ifm_status status;
    const char *part;
} bad_pair;

static const bad_pair bad_pairs[] = {
    {"neither", NULL, NULL, IFM_ERR_NOT_FOUND, "there is no tokenizer.json, nor both"},
    {"no merges", VOCAB, NULL, IFM_ERR_NOT_FOUND, "nor both vocab.json and merges.txt"},
    {"no vocab", NULL, "a b\n", IFM_ERR_NOT_FOUND, "nor both vocab.json and merges.txt"},
    {"bad vocab", "{\"a\":0,\"b\":0}", "", IFM_ERR_FORMAT,
     "vocab.json: token \"b\" has the id 0"},
    {"unknown half", VOCAB, "#version: 0.2\na b\nab c\nx c\n", IFM_ERR_FORMAT,
     "merges.txt: line 4: merge number 3, \"x\" and \"c\": the first half is not in the"},
    {"one word", VOCAB, "#version: 0.2\nab\n", IFM_ERR_FORMAT,
     "line 2: \"ab\" is no merge"},
    {"three words", VOCAB, "a b c\n", IFM_ERR_FORMAT, "line 1: \"a b c\" is no merge"},
    {"empty line", VOCAB, "#version: 0.2\n\na b\n", IFM_ERR_FORMAT,
     "line 2: \"\" is no merge"},
    {"not UTF-8", VOCAB, "a \xff\n", IFM_ERR_FORMAT, "merges.txt: byte 2 is not UTF-8"},
};

static void lies_of_vocab_and_merges_are_named(void **state)
{
    (void)state;
    char path[128];
    for (size_t i = 0; i < sizeof bad_pairs / sizeof *bad_pairs; i++) {
        const bad_pair *b = &bad_pairs[i];
        snprintf(path, sizeof path, "%s/vocab.json", directory);
        unlink(path);
        snprintf(path, sizeof path, "%s/merges.txt", directory);
        unlink(path);
        if (b->vocab != NULL)
            put_text(directory, "vocab.json", b->vocab);
        if (b->merges != NULL)
            put_text(directory, "merges.txt", b->merges);
        expect_failure(b->name, b->status, b->part);
    }
}

static void lies_of_small_files_are_named(void **state)
{
    (void)state;
    const struct {
        const char *file, *text;
        ifm_status status;
        const char *part;
    } cases[] = {
        {"tokenizer_config.json", "{", IFM_ERR_FORMAT,
         "tokenizer_config.json: not valid"},
        {"tokenizer_config.json",
         "{\"added_tokens_decoder\":{\"x\":{\"content\":\"y\"}}}", IFM_ERR_FORMAT,
         "added_tokens_decoder: a key is no id"},
        {"tokenizer_config.json",
         "{\"added_tokens_decoder\":{\"0\":{\"content\":\"y\"}}}", IFM_ERR_FORMAT,
         "token \"y\" has the id 0, which another"},
        {"added_tokens.json", "{\"y\":\"z\"}", IFM_ERR_FORMAT,
         "added_tokens.json: an id is no whole number"},
        {"added_tokens.json", "{\"y\":1}", IFM_ERR_FORMAT, "token \"y\" has the id 1"},
        {"special_tokens_map.json", "[", IFM_ERR_FORMAT,
         "special_tokens_map.json: not valid"},
        {"config.json", "x", IFM_ERR_FORMAT, "config.json: not valid"},
    };
    put_text(directory, "tokenizer.json", WITH("\"decoder\":null"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        put_text(directory, cases[i].file, cases[i].text);
        expect_failure(cases[i].text, cases[i].status, cases[i].part);
        snprintf(path, sizeof path, "%s/%s", directory, cases[i].file);
        unlink(path);
    }
}

static void both_forms_of_merges_are_read(void **state)
{
    (void)state;
    put_text(directory, "tokenizer.json", WITH("\"decoder\":{\"type\":\"ByteLevel\"}"));
    ifm_tokenizer *t = must_open();
    assert_int_equal(ifm_tokenizer_size(t), 6);
    assert_int_equal(ifm_tokenizer_bos(t), -1);
    expect_text(t, "abcab ac", IFM_ENCODE_DEFAULT, "5 4 3 0 2");
    ifm_tokenizer_close(t);
}

static void merges_txt_may_have_crlf_and_no_version(void **state)
{
    (void)state;
    static const char *const files[] = {"a b\nab c\n", "#version: 0.2\r\na b\r\nab c\r\n",
                                        "#version: 0.2 - made by hand\na b\nab c"};
    put_text(directory, "vocab.json", VOCAB);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put_text(directory, "merges.txt", files[i]);
        ifm_tokenizer *t = must_open();
        expect_text(t, "abcab ac", IFM_ENCODE_DEFAULT, "5 4 3 0 2");
        ifm_tokenizer_close(t);
    }
}

/* tokenizer.json wins where both exist. */
static void tokenizer_json_is_preferred(void **state)
{
    (void)state;
    put_text(directory, "vocab.json", "{\"a\":0}");
    put_text(directory, "merges.txt", "");
    put_text(directory, "tokenizer.json", WITH("\"decoder\":null"));
    ifm_tokenizer *t = must_open();
    assert_int_equal(ifm_tokenizer_size(t), 6);
    ifm_tokenizer_close(t);
}

/* A byte without a token is left out, or it is the unknown token. */
static void bytes_without_tokens_are_left_out_or_unknown(void **state)
{
    (void)state;
    put_text(directory, "tokenizer.json", WITH("\"decoder\":null"));
    ifm_tokenizer *t = must_open();
    expect_text(t, "zabzzbz", IFM_ENCODE_DEFAULT, "4 1");
    expect_text(t, "z", IFM_ENCODE_DEFAULT, "");
    ifm_tokenizer_close(t);
    put_text(directory, "tokenizer.json",
             WITH_MODEL(MODEL(VOCAB, MERGES, ",\"unk_token\":\"\xc4\xa0\"")));
    t = must_open();
    expect_text(t, "abzzb", IFM_ENCODE_DEFAULT, "4 3 3 1");
    ifm_tokenizer_close(t);
    put_text(directory, "tokenizer.json",
             WITH_MODEL(
                 MODEL(VOCAB, MERGES, ",\"unk_token\":\"\xc4\xa0\",\"fuse_unk\":true")));
    t = must_open();
    expect_text(t, "abzzb", IFM_ENCODE_DEFAULT, "4 3 1");
    ifm_tokenizer_close(t);
}

/* Ids may have gaps, tokens may be empty or outside the byte alphabet. */
static void gaps_and_odd_tokens_are_kept(void **state)
{
    (void)state;
    size_t n;
    put_text(directory, "tokenizer.json",
             WITH_MODEL(MODEL("{\"\":3,\"a\":0,\"\xe6\x97\xa5\":7,\"a \":8}",
                              "[[\"\xe6\x97\xa5\",\"x\"]]", "")));
    ifm_tokenizer *t = must_open();
    assert_int_equal(ifm_tokenizer_size(t), 9);
    assert_null(ifm_tokenizer_bytes(t, 1, &n));
    assert_non_null(ifm_tokenizer_bytes(t, 3, &n));
    assert_int_equal(n, 0);
    assert_memory_equal(ifm_tokenizer_bytes(t, 7, &n), "\xe6\x97\xa5", 3);
    assert_int_equal(n, 3);
    assert_memory_equal(ifm_tokenizer_bytes(t, 8, &n), "a ", 2);
    expect_text(t, "aa", IFM_ENCODE_DEFAULT, "0 0");
    ifm_tokenizer_close(t);
}

static void small_files_name_the_special_tokens(void **state)
{
    (void)state;
    put_text(directory, "vocab.json", VOCAB);
    put_text(directory, "merges.txt", "a b\nab c\n");
    put_text(directory, "added_tokens.json", "{\"<pad>\":7,\"x\":6}");
    put_text(directory, "special_tokens_map.json",
             "{\"bos_token\":{\"content\":\"b\"},\"pad_token\":\"<pad>\",\"eos_token\":"
             "\"?\"}");
    put_text(directory, "tokenizer_config.json",
             "{\"eos_token\":\"<end>\",\"add_bos_token\":true,\"unk_token\":null,"
             "\"model_max_length\":1000000000000000019884624838656}");
    put_text(directory, "config.json", "{\"bos_token_id\":0,\"eos_token_id\":[1,2]}");
    ifm_tokenizer *t = must_open();
    assert_int_equal(ifm_tokenizer_bos(t), 1);
    assert_int_equal(ifm_tokenizer_eos(t), 8);
    assert_int_equal(ifm_tokenizer_size(t), 9);
    assert_true(ifm_tokenizer_is_special(t, 7));
    assert_false(ifm_tokenizer_is_special(t, 6));
    expect_text(t, "a<pad>xb<end>", IFM_ENCODE_DEFAULT, "1 0 7 6 1 8");
    expect_text(t, "a<pad>", IFM_ENCODE_SPECIAL, "0 7");
    expect_text(t, "", IFM_ENCODE_DEFAULT, "1");
    expect_text(t, "", IFM_ENCODE_PLAIN, "");
    ifm_tokenizer_close(t);
}

static void the_models_config_is_the_last_resort(void **state)
{
    (void)state;
    put_text(directory, "tokenizer.json", WITH("\"decoder\":null"));
    put_text(directory, "config.json", "{\"bos_token_id\":3,\"eos_token_id\":[2,1]}");
    ifm_tokenizer *t = must_open();
    assert_int_equal(ifm_tokenizer_bos(t), 3);
    assert_int_equal(ifm_tokenizer_eos(t), 2);
    ifm_tokenizer_close(t);
    put_text(directory, "config.json", "{\"bos_token_id\":50256,\"eos_token_id\":null}");
    t = must_open();
    assert_int_equal(ifm_tokenizer_bos(t), -1);
    assert_int_equal(ifm_tokenizer_eos(t), -1);
    ifm_tokenizer_close(t);
}

static void a_models_file_stands_for_its_directory(void **state)
{
    (void)state;
    char path[128];
    ifm_tokenizer *t = NULL;
    const ifm_tokenizer_options options = {.no_cache = true};
    put_text(directory, "tokenizer.json", WITH("\"decoder\":null"));
    put_text(directory, "model.safetensors", "");
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    assert_int_equal(ifm_tokenizer_open(path, &options, &t, NULL), IFM_OK);
    ifm_tokenizer_close(t);
    assert_int_equal(ifm_tokenizer_open("/nonexistent/x", &options, &t, NULL),
                     IFM_ERR_NOT_FOUND);
}

static void invalid_text_is_named_by_its_byte(void **state)
{
    (void)state;
    const struct {
        const char *text;
        size_t n, offset;
    } cases[] = {
        {"\xff", 1, 0},
        {"aaaaaaaaaaaa\x80", 13, 12},
        {"a\xc3", 2, 1},
        {"\xc0\x80", 2, 0},
        {"\xe0\x80\x80", 3, 0},
        {"ab\xed\xa0\x80", 5, 2},
        {"\xf4\x90\x80\x80", 4, 0},
        {"\xf0\x80\x80\x80", 4, 0},
        {"\xe2\x82", 2, 0},
        {"\0\xfe", 2, 1},
    };
    ifm_error err = {0};
    int32_t *ids;
    size_t n;
    char part[64];
    put_text(directory, "tokenizer.json", WITH("\"decoder\":null"));
    ifm_tokenizer *t = must_open();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(
            ifm_tokenizer_encode(t, cases[i].text, cases[i].n, 0, &ids, &n, &err),
            IFM_ERR_FORMAT);
        snprintf(part, sizeof part, "byte %zu (0x", cases[i].offset);
        assert_non_null(strstr(err.message, part));
        assert_null(ids);
    }
    ifm_tokenizer_close(t);
}

int main(void)
{
#define IN_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, enter, leave)
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(lies_of_tokenizer_json_are_named),
        IN_DIRECTORY(a_token_of_a_megabyte_is_refused),
        IN_DIRECTORY(deep_nesting_is_refused),
        IN_DIRECTORY(lies_of_vocab_and_merges_are_named),
        IN_DIRECTORY(lies_of_small_files_are_named),
        IN_DIRECTORY(both_forms_of_merges_are_read),
        IN_DIRECTORY(merges_txt_may_have_crlf_and_no_version),
        IN_DIRECTORY(tokenizer_json_is_preferred),
        IN_DIRECTORY(bytes_without_tokens_are_left_out_or_unknown),
        IN_DIRECTORY(gaps_and_odd_tokens_are_kept),
        IN_DIRECTORY(small_files_name_the_special_tokens),
        IN_DIRECTORY(the_models_config_is_the_last_resort),
        IN_DIRECTORY(a_models_file_stands_for_its_directory),
        IN_DIRECTORY(invalid_text_is_named_by_its_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
