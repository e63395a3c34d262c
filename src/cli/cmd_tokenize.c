/* inferometer tokenize: what a text is to a model, and back. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/chat.h"
#include "cli/commands.h"
#include "cli/input.h"
#include "hub/resolve.h"
#include "inferometer/tokenizer.h"
#include "os/file.h"
#include "text/json.h"
#include "text/utf8.h"

enum { INPUT_LIMIT = INT32_MAX };

/* Characters that a terminal would obey or not show: controls, marks of direction,
 * invisible formats. */
static bool is_invisible(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {
        {0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},       {0x61c, 0x61c},
        {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},   {0x2060, 0x206f},
        {0xfeff, 0xfeff}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    }
    return false;
}

/* The letter behind the backslash for what C writes so; 0 for other characters. */
static char short_escape(uint32_t c)
{
    switch (c) {
    case '\n':
        return 'n';
    case '\t':
        return 't';
    case '\r':
        return 'r';
    case '"':
    case '\\':
        return (char)c;
    default:
        return 0;
    }
}

static void print_bytes(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        printf("\\x%02x", p[i]);
}

/* A piece between quotes: what can be seen as it is, the rest as \n, \x9f (a byte) or
 * \u{200d} (a character). */
static void print_piece(const char *bytes, size_t n)
{
    const unsigned char *p = (const unsigned char *)bytes;
    ifm_utf8_kind kind;
    putchar('"');
    for (size_t i = 0, length; i < n; i += length) {
        length = ifm_utf8_step(p + i, n - i, &kind);
        uint32_t c = ifm_utf8_decode(p + i, length);
        if (kind != IFM_UTF8_WHOLE)
            print_bytes(p + i, length);
        else if (short_escape(c) != 0)
            printf("\\%c", short_escape(c));
        else if (c < 0x20 || c == 0x7f)
            print_bytes(p + i, 1);
        else if (is_invisible(c))
            printf("\\u{%x}", (unsigned)c);
        else
            fwrite(p + i, 1, length, stdout);
    }
    putchar('"');
}

/* Where a token stands in the text: from *at on, behind white space that an added token
 * swallowed. False for a token that the text does not hold (BOS, a prefix space). */
static bool locate(const char *text, size_t n, const char *bytes, size_t length,
                   size_t *at)
{
    for (size_t from = *at; from + length <= n; from++) {
        if (memcmp(text + from, bytes, length) == 0) {
            *at = from;
            return true;
        }
        if (strchr(" \t\r\n", text[from]) == NULL || text[from] == '\0')
            break;
    }
    return false;
}

static void print_table(const ifm_tokenizer *tokenizer, const char *text, size_t n,
                        const int32_t *ids, size_t n_ids)
{
    size_t at = 0;
    if (n_ids > 0)
        printf("%8s  %-17s  %s\n", "id", "bytes", "piece");
    for (size_t i = 0; i < n_ids; i++) {
        size_t length;
        char range[48] = "-";
        const char *bytes = ifm_tokenizer_bytes(tokenizer, ids[i], &length);
        if (locate(text, n, bytes, length, &at)) {
            snprintf(range, sizeof range, "%zu-%zu", at, at + length);
            at += length;
        }
        printf("%8" PRId32 "  %-17s  ", ids[i], range);
        print_piece(bytes, length);
        puts(ifm_tokenizer_is_special(tokenizer, ids[i]) ? "  special" : "");
    }
    printf("%zu %s, %zu %s\n", n_ids, n_ids == 1 ? "token" : "tokens", n,
           n == 1 ? "byte" : "bytes");
}

static void print_ids(const int32_t *ids, size_t n_ids)
{
    for (size_t i = 0; i < n_ids; i++)
        printf("%s%" PRId32, i > 0 ? " " : "", ids[i]);
    putchar('\n');
}

static ifm_status encode(const ifm_arguments *a, ifm_tokenizer *tokenizer,
                         const ifm_buffer *text, ifm_error *err)
{
    int32_t *ids;
    size_t n_ids;
    unsigned flags =
        ifm_arguments_flag(a, "plain") ? IFM_ENCODE_PLAIN : IFM_ENCODE_DEFAULT;
    ifm_status st = ifm_tokenizer_encode(tokenizer, ifm_buffer_text(text), text->length,
                                         flags, &ids, &n_ids, err);
    if (st != IFM_OK)
        return st;
    if (ifm_arguments_flag(a, "ids"))
        print_ids(ids, n_ids);
    else
        print_table(tokenizer, ifm_buffer_text(text), text->length, ids, n_ids);
    free(ids);
    return IFM_OK;
}

/* The next id in text, which ends at `end`; text[end] is a NUL. */
static ifm_status next_id(const ifm_tokenizer *tokenizer, const char **at,
                          const char *end, int32_t *id, ifm_error *err)
{
    char *behind;
    errno = 0;
    long long value = strtoll(*at, &behind, 10);
    bool ends = behind == end || (*behind != '\0' && strchr(", \t\r\n", *behind) != NULL);
    int shown = 0;
    while (*at + shown < end && shown < 24 && strchr(", \t\r\n", (*at)[shown]) == NULL)
        shown++;
    if (behind == *at || !ends || errno != 0)
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "\"%.*s\" is no token id, expected whole numbers with spaces, commas "
            "or lines between",
            shown, *at);
    size_t n;
    if (value < 0 || value >= ifm_tokenizer_size(tokenizer) ||
        ifm_tokenizer_bytes(tokenizer, (int32_t)value, &n) == NULL)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "%lld is no token of this model, which has 0 to %" PRId32, value,
                        ifm_tokenizer_size(tokenizer) - 1);
    *id = (int32_t)value;
    *at = behind;
    return IFM_OK;
}

/* Nothing is written before all ids were understood. */
static ifm_status decode(const ifm_tokenizer *tokenizer, const ifm_buffer *text,
                         ifm_error *err)
{
    ifm_buffer bytes = {0};
    const char *at = ifm_buffer_text(text), *end = at + text->length;
    ifm_status st = IFM_OK;
    while (st == IFM_OK && at < end) {
        if (*at != '\0' && strchr(", \t\r\n", *at) != NULL) {
            at++;
            continue;
        }
        int32_t id = 0;
        size_t n = 0;
        st = next_id(tokenizer, &at, end, &id, err);
        const char *piece = st == IFM_OK ? ifm_tokenizer_bytes(tokenizer, id, &n) : NULL;
        ifm_buffer_append(&bytes, piece, n);
    }
    if (st == IFM_OK && bytes.failed)
        st = ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the text");
    if (st == IFM_OK)
        fwrite(ifm_buffer_text(&bytes), 1, bytes.length, stdout);
    ifm_buffer_deinit(&bytes);
    return st;
}

/* What the person wrote, or standard input as it comes: no line feed is taken off. */
static ifm_status read_text(const ifm_arguments *a, ifm_buffer *text, ifm_error *err)
{
    if (a->n_positional == 0)
        return ifm_fail(err, IFM_ERR_ARGUMENT,
                        "nothing to %s: write a text, or - to read standard input",
                        ifm_arguments_flag(a, "decode") ? "decode" : "tokenize");
    if (ifm_arguments_flag(a, "decode") &&
        (ifm_arguments_flag(a, "ids") || ifm_arguments_flag(a, "plain") ||
         ifm_chat_wanted(a)))
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "--decode writes text: --ids, --plain and --chat do not go with it");
    if (ifm_arguments_flag(a, "plain") && ifm_chat_wanted(a))
        return ifm_fail(
            err, IFM_ERR_ARGUMENT,
            "a chat template is special tokens around a text: --plain does not go "
            "with it");
    if (strcmp(a->positional[0], "-") == 0)
        return ifm_read_stdin(text, INPUT_LIMIT, err);
    ifm_buffer_puts(text, a->positional[0]);
    return text->failed ? ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for the text")
                        : IFM_OK;
}

/* A directory with a tokenizer needs no model in it. */
static bool has_tokenizer(const char *directory)
{
    static const char *const names[] = {"tokenizer.json", "vocab.json"};
    bool found = false;
    for (size_t i = 0; i < sizeof names / sizeof *names && !found; i++) {
        char *path = ifm_text_path(directory, names[i]);
        found = path != NULL && ifm_file_exists(path);
        free(path);
    }
    return found;
}

static ifm_status resolve(const char *name, char **path, ifm_error *err)
{
    if (name == NULL || !ifm_file_is_directory(name) || !has_tokenizer(name))
        return ifm_hub_resolve(name, path, err);
    *path = strdup(name);
    return *path != NULL ? IFM_OK
                         : ifm_fail(err, IFM_ERR_NO_MEMORY, "no memory for a path");
}

/* The text becomes a message of the user, and that a conversation. */
static ifm_status apply_chat(const ifm_arguments *a, const char *path, ifm_buffer *text,
                             ifm_error *err)
{
    char *chat = NULL;
    size_t n = 0;
    if (!ifm_chat_wanted(a))
        return IFM_OK;
    ifm_status st =
        ifm_chat_apply(a, path, ifm_buffer_text(text), text->length, &chat, &n, err);
    ifm_buffer_clear(text);
    ifm_buffer_append(text, chat, n);
    free(chat);
    return st;
}

static int run_tokenize(const ifm_arguments *arguments)
{
    ifm_error err = {0};
    ifm_buffer text = {0};
    ifm_tokenizer *tokenizer = NULL;
    char *path = NULL;
    ifm_status st = read_text(arguments, &text, &err);
    if (st == IFM_OK)
        st = resolve(ifm_arguments_string(arguments, "model"), &path, &err);
    if (st == IFM_OK)
        st = apply_chat(arguments, path, &text, &err);
    if (st == IFM_OK)
        st = ifm_tokenizer_open(path, NULL, &tokenizer, &err);
    if (st == IFM_OK)
        st = ifm_arguments_flag(arguments, "decode")
                 ? decode(tokenizer, &text, &err)
                 : encode(arguments, tokenizer, &text, &err);
    ifm_tokenizer_close(tokenizer);
    ifm_buffer_deinit(&text);
    free(path);
    return st == IFM_OK ? IFM_EXIT_FINE : ifm_command_fail(&ifm_command_tokenize, &err);
}

static const ifm_option options[] = {
    {.name = "model",
     .letter = 'm',
     .type = IFM_OPTION_STRING,
     .argument = "MODEL",
     .help =
         "whose tokenizer: a directory, a .gguf file, or a name (default: the bundled "
         "model)"},
    {.name = "ids",
     .type = IFM_OPTION_FLAG,
     .help = "print only the ids, on one line with spaces between"},
    {.name = "plain",
     .type = IFM_OPTION_FLAG,
     .help = "no token in front, and special tokens are mere text"},
    {.name = "decode",
     .type = IFM_OPTION_FLAG,
     .help = "TEXT is ids: write the exact bytes that they stand for"},
    IFM_CHAT_OPTIONS(NULL),
};

const ifm_command ifm_command_tokenize = {
    .name = "tokenize",
    .summary = "show what a text is to a model, token by token",
    .positional = "[TEXT|-]",
    .max_positional = 1,
    .details =
        "Encodes as run does: with a beginning-of-sequence token if the model's rule "
        "says so, and with special tokens in the text recognised. \"-\" reads standard "
        "input to its end, as it is.",
    .examples =
        "inferometer tokenize 'one, two'\tids, places and pieces\n"
        "inferometer tokenize --ids - < prompt.txt\tthe ids of a file\n"
        "inferometer tokenize --decode '530, 11'\tback to text\n"
        "inferometer tokenize -m smollm2 --chat 'Hello'\ta message as a chat model "
        "gets it\n",
    IFM_OPTIONS(options),
    .run = run_tokenize,
};
