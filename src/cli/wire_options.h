/* Options of everything that asks a server, for the tables of `run` and `load`: whoever adds
 * one here gives it to both. ifm_wire_setup_init (cli/wire_setup.h) reads them. */
#ifndef IFM_CLI_WIRE_OPTIONS_H
#define IFM_CLI_WIRE_OPTIONS_H

#include "cli/command.h"

/* A table's rows stand below each other, which clang-format undoes in a macro. */
/* clang-format off */

#define IFM_WIRE_OPTIONS(heading)                                                         \
    {"url", 'u', IFM_OPTION_STRING, "URL", 0, 0, NULL, heading,                           \
     "an OpenAI-compatible server: http://localhost:8000, https://…, unix:/socket; "      \
     "$OPENAI_API_KEY is its key"},                                                       \
    {"endpoint", 0, IFM_OPTION_CHOICE, "completions|chat", 0, 0, NULL, heading,           \
     "/v1/completions or /v1/chat/completions"},                                          \
    {"no-stream", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, heading,                          \
     "ask for the answer as a whole: it has no TTFT but its E2EL, and no ITL"},           \
    {"header", 0, IFM_OPTION_LIST, "'NAME: VALUE'", 0, 0, NULL, heading,                  \
     "a header of every request; may be repeated"},                                       \
    {"extra-body", 0, IFM_OPTION_STRING, "JSON", 0, 0, NULL, heading,                     \
     "laid over the body of every request: '{\"top_k\": 20, \"temperature\": null}'"},    \
    {"idle-timeout", 0, IFM_OPTION_FLOAT, "S", 0, 1000000, "0", heading,                  \
     "seconds without a byte of the answer after which a request counts as stalled; 0: "  \
     "as long as --timeout"},                                                             \
    {"retry", 0, IFM_OPTION_INT, "N", 0, 100, "0", heading,                               \
     "how often a status 429 or 503 is tried again, after its Retry-After; the clock "    \
     "runs on"},                                                                          \
    {"new-connection", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, heading,                     \
     "connect anew for every request"},                                                   \
    {"http2", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, heading,                              \
     "HTTP/2: many streams over one connection (http: by prior knowledge)"},              \
    {"cacert", 0, IFM_OPTION_STRING, "FILE", 0, 0, NULL, heading,                         \
     "certificates to trust in place of the system's, PEM"},                              \
    {"insecure", 0, IFM_OPTION_FLAG, NULL, 0, 0, NULL, heading,                           \
     "trust any certificate (the result says so)"},                                       \
    {"proxy", 0, IFM_OPTION_STRING, "URL", 0, 0, NULL, heading,                           \
     "go through this proxy; \"\" for none (default: as https_proxy, http_proxy and "     \
     "no_proxy say)"}

/* clang-format on */

#endif
