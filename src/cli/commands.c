#include "cli/commands.h"

/* One a line, so that two new ones do not touch the same lines. */
/* clang-format off */
const ifm_command *const ifm_commands[] = {
    &ifm_command_run,
    &ifm_command_load,
    &ifm_command_sweep,
    &ifm_command_model_pull,
    &ifm_command_model_list,
    &ifm_command_model_info,
    &ifm_command_model_verify,
    &ifm_command_model_quantize,
    &ifm_command_model_synth,
    &ifm_command_mock_server,
    &ifm_command_perplexity,
    &ifm_command_tokenize,
    &ifm_command_doctor,
    &ifm_command_help,
    NULL,
};
