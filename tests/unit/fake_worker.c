/*
 * A worker without an engine, for the tests of its parent. How it behaves is in argv[1] or
 * $IFM_FAKE_MODE: "ok", or one of the ways in which a worker can be broken.
 *
 * Tokens are 0, 1, 2, …, a millisecond apart (by their stamps); $IFM_FAKE_DELAY_MS makes it
 * wait that long before each answer.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

static const char *mode = "ok";

static long long now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static bool is(const char *name)
{
    return strcmp(mode, name) == 0;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
    fflush(stdout);
}

static void misbehave_early(void)
{
    if (is("garbage"))
        say("\x01\xff not JSON at all\n");
    if (is("half"))
        say("{\"event\":\"hel");
    if (is("half")) {
        fputs("a warning\nTraceback: no torch\n", stderr);
        exit(7);
    }
    while (is("long-line"))
        say("%65536d", 0);
    if (is("hang"))
        for (;;)
            pause();
    if (is("child")) { /* something of ours that outlives us, unless the group is killed */
        if (fork() == 0)
            for (;;)
                pause();
        exit(0);
    }
    if (is("silent-exit"))
        exit(0);
}

static void misbehave_late(void)
{
    if (is("killed"))
        raise(SIGKILL);
    if (is("segfault")) {
        signal(SIGSEGV, SIG_DFL); /* not the sanitizer's */
        raise(SIGSEGV);
    }
    while (is("flood"))
        say("{\"event\":\"text\",\"request\":0,\"t_ns\":%lld,\"text\":\"x\"}\n",
            now_ns());
    while (is("flood-unknown"))
        say("{\"event\":\"noise\",\"text\":\"%1000d\"}\n", 0);
}

static void say_hello(void)
{
    if (is("no-hello"))
        return;
    say("{\"event\":\"hello\",\"protocol\":%d,\"engine\":\"fake\",\"t_ns\":%lld}\n",
        is("protocol-2") ? 2 : 1, now_ns());
}

static void load(void)
{
    if (is("load-error")) {
        say("{\"event\":\"error\",\"code\":\"ERR_FORMAT\",\"message\":\"model.bin: "
            "bad\"}\n");
        return;
    }
    long long t = now_ns();
    say("{\"event\":\"phase\",\"name\":\"load\",\"start_ns\":%lld,\"end_ns\":%lld,"
        "\"major_faults\":3,\"minor_faults\":4}\n",
        t, now_ns());
    say("{\"event\":\"loaded\",\"t_ns\":%lld,\"device\":\"cpu\",\"kernels\":\"none\","
        "\"model\":{\"name\":\"fake\",\"family\":\"fake\",\"dtype\":\"f32\","
        "\"parameters\":7,\"n_positions\":1024,\"n_vocab\":1000}}\n",
        now_ns());
}

static void say_token(int request, int i, int logprobs, long long t)
{
    say("{\"event\":\"token\",\"request\":%d,\"id\":%d,\"t_ns\":%lld,\"pushed_ns\":%lld",
        request, i, t, t - 1000);
    if (logprobs > 0) {
        say(",\"logprob\":-0.5,\"top\":[");
        for (int k = 0; k < logprobs; k++)
            say("%s[%d,-%d.5]", k > 0 ? "," : "", k, k);
        say("]");
    }
    say("}\n{\"event\":\"text\",\"request\":%d,\"t_ns\":%lld,\"text\":\" %d\"}\n",
        request, t, i);
}

static void serve(const json_t *json)
{
    int request = (int)json_integer_value(json_object_get(json, "request"));
    int n = (int)json_integer_value(json_object_get(json, "max_new_tokens"));
    int logprobs = (int)json_integer_value(json_object_get(json, "logprobs"));
    long long t = now_ns();
    if (is("future"))
        t += 3600 * 1000000000LL;
    say("{\"event\":\"start\",\"request\":%d,\"t_ns\":%lld}\n", request, t);
    say("{\"event\":\"input\",\"request\":%d,\"ids\":[5,6,7]}\n", request);
    say("{\"event\":\"later-invention\",\"request\":%d}\n", request);
    misbehave_late();
    if (is("too-many"))
        n++;
    for (int i = 0; i < n; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
        say_token(is("wrong-request") ? request + 9 : request, i, logprobs,
                  is("backwards") && i == 1 ? t : now_ns());
    }
    /* Often enough to add up to more than any pause elsewhere could make room for. */
    for (int i = 0; is("overlap") && i < 1000; i++)
        say("{\"event\":\"phase\",\"request\":%d,\"name\":\"prefill\",\"start_ns\":%lld,"
            "\"end_ns\":%lld}\n",
            request, t, now_ns());
    say("{\"event\":\"done\",\"request\":%d,\"t_ns\":%lld,\"finish\":\"length\","
        "\"threads\":2}\n",
        request, now_ns());
}

static void wait_a_little(void)
{
    const char *delay = getenv("IFM_FAKE_DELAY_MS");
    if (delay == NULL)
        return; /* even sleeping for no time at all takes 50 µs */
    long ms = strtol(delay, NULL, 10);
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000},
              NULL);
}

int main(int argc, char **argv)
{
    const char *wanted = argc > 1 ? argv[1] : getenv("IFM_FAKE_MODE");
    mode = wanted != NULL ? wanted : "ok";
    misbehave_early();
    say_hello();
    static char line[1 << 20];
    while (!is("deaf") && fgets(line, sizeof line, stdin) != NULL) {
        json_t *json = json_loads(line, JSON_ALLOW_NUL, NULL);
        const char *op = json_string_value(json_object_get(json, "op"));
        if (op == NULL)
            return 3;
        wait_a_little();
        if (strcmp(op, "load") == 0)
            load();
        else
            serve(json);
        json_decref(json);
    }
    return is("deaf") ? 5 : 0;
}
