/* The commands, each in its file cmd_<name>.c. To add one: declare it here, list it in
 * commands.c, add its file to meson.build. */
#ifndef IFM_CLI_COMMANDS_H
#define IFM_CLI_COMMANDS_H

#include "cli/command.h"

extern const ifm_command ifm_command_doctor;
extern const ifm_command ifm_command_help;
extern const ifm_command ifm_command_load;
extern const ifm_command ifm_command_mock_server;
extern const ifm_command ifm_command_model_info;
extern const ifm_command ifm_command_model_list;
extern const ifm_command ifm_command_model_pull;
extern const ifm_command ifm_command_model_quantize;
extern const ifm_command ifm_command_model_synth;
extern const ifm_command ifm_command_model_verify;
extern const ifm_command ifm_command_perplexity;
extern const ifm_command ifm_command_run;
extern const ifm_command ifm_command_sweep;
extern const ifm_command ifm_command_tokenize;

#endif
