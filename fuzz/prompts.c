/* Fuzzes files of prompts: every entry that was accepted can be read again, and asked. */
#include <stdint.h>
#include <stdlib.h>

#include "drive/source.h"
#include "fuzz/fuzz.h"

enum { ENTRIES_MOST = 20, TOKENS_MOST = 2000 };

static void ask(const ifm_prompt_file *file, bool chat)
{
    const ifm_source_options options = {
        .chat = chat,
        .file = file,
        .input = {IFM_LENGTH_FIXED, 8, 8, 8, 0},
        .output = {IFM_LENGTH_FIXED, 8, 8, 8, 0},
    };
    ifm_requests_source *source;
    ifm_error err;
    if (ifm_requests_source_new(&options, &source, &err) != IFM_OK)
        return;
    for (int64_t i = 0; i < (int64_t)file->n && i < ENTRIES_MOST; i++) {
        ifm_asked asked, next;
        if (ifm_requests_source_first(source, i, &asked, &err) != IFM_OK)
            abort();
        if (asked.n_body == 0 || asked.output_tokens < 1)
            abort();
        if (asked.talk != NULL) {
            if (ifm_requests_source_next(source, asked.talk, "so", 2, &next, &err) !=
                IFM_OK)
                abort();
            asked.talk = NULL;
            ifm_asked_deinit(&next);
        }
        ifm_asked_deinit(&asked);
    }
    ifm_requests_source_free(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ifm_prompt_file file;
    ifm_error err = {0};
    bool short_ones = true;
    if (ifm_prompt_file_of(&file, "prompts", (const char *)data, size, &err) != IFM_OK) {
        if (err.message[0] == '\0')
            abort();
        return 0;
    }
    for (size_t i = 0; i < file.n && i < ENTRIES_MOST; i++) {
        ifm_item item;
        size_t index;
        if (ifm_prompt_file_turns(&file, i) < 1)
            abort();
        for (int32_t turn = 0; turn < ifm_prompt_file_turns(&file, i); turn++) {
            if (ifm_prompt_file_read(&file, i, turn, &item, &index, &err) != IFM_OK ||
                index >= item.n_turns)
                abort();
            short_ones = short_ones && item.input_tokens <= TOKENS_MOST;
            ifm_item_deinit(&item);
        }
    }
    if (short_ones) { /* a long one takes long to make */
        ask(&file, true);
        ask(&file, false);
    }
    ifm_prompt_file_deinit(&file);
    return 0;
}
