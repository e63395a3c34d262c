#include "cli/commands.h"

const ifm_command *const ifm_commands[] = {
    &ifm_command_run,
    &ifm_command_model_info,
    &ifm_command_model_synth,
    &ifm_command_perplexity,
    &ifm_command_tokenize,
    &ifm_command_doctor,
    &ifm_command_help,
    NULL,
};
