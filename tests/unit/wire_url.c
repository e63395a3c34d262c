/* wire: URLs of servers, and what is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire/client_url.h"

static ifm_error err;

typedef struct line {
    const char *text;
    bool chat;
    const char *endpoint, *models, *shown, *socket;
} line;

static const line good[] = {
    {"http://localhost:8000", false, "http://localhost:8000/v1/completions",
     "http://localhost:8000/v1/models", "http://localhost:8000", NULL},
    {"http://localhost:8000/", true, "http://localhost:8000/v1/chat/completions",
     "http://localhost:8000/v1/models", "http://localhost:8000", NULL},
    {"https://api.example.com/v1/", true, "https://api.example.com/v1/chat/completions",
     "https://api.example.com/v1/models", "https://api.example.com/v1", NULL},
    {"https://example.com/api/v3", false, "https://example.com/api/v3/completions",
     "https://example.com/api/v3/models", "https://example.com/api/v3", NULL},
    {"https://example.com/team", false, "https://example.com/team/v1/completions",
     "https://example.com/team/v1/models", "https://example.com/team", NULL},
    {"https://e.com/d/gpt/chat/completions?api-version=2", true,
     "https://e.com/d/gpt/chat/completions?api-version=2",
     "https://e.com/d/gpt/models?api-version=2",
     "https://e.com/d/gpt/chat/completions?api-version=…", NULL},
    {"http://[::1]:8000/v1", false, "http://[::1]:8000/v1/completions",
     "http://[::1]:8000/v1/models", "http://[::1]:8000/v1", NULL},
    {"http://me:p%40ss@host:1/v1", false, "http://host:1/v1/completions",
     "http://host:1/v1/models", "http://host:1/v1", NULL},
    {"unix:/run/llm.sock", false, "http://localhost/v1/completions",
     "http://localhost/v1/models", "unix:/run/llm.sock", "/run/llm.sock"},
    {"unix:llm.sock:/x", false, "http://localhost/x/v1/completions",
     "http://localhost/x/v1/models", "unix:llm.sock:/x", "llm.sock"},
    {"unix:///run/llm.sock:/api/v1", true, "http://localhost/api/v1/chat/completions",
     "http://localhost/api/v1/models", "unix:///run/llm.sock:/api/v1", "/run/llm.sock"},
    {"http+unix://%2Frun%2Fllm.sock/v1", false, "http://localhost/v1/completions",
     "http://localhost/v1/models", "http+unix://%2Frun%2Fllm.sock/v1", "/run/llm.sock"},
};

static void places_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ifm_client_url url;
        ifm_status st = ifm_client_url_parse(good[i].text, good[i].chat, &url, &err);
        if (st != IFM_OK)
            fail_msg("%s", err.message);
        assert_string_equal(url.endpoint, good[i].endpoint);
        assert_string_equal(url.models, good[i].models);
        assert_string_equal(url.shown, good[i].shown);
        assert_int_equal(url.socket != NULL, good[i].socket != NULL);
        if (url.socket != NULL)
            assert_string_equal(url.socket, good[i].socket);
        ifm_client_url_deinit(&url);
    }
}

/* What stands in the request's first lines. */
static void endpoints_are_split(void **state)
{
    (void)state;
    static const char *const lines[][5] = {
        {"http://h:8000/v1/completions", "h", "8000", "h:8000", "/v1/completions"},
        {"http://h:80/v1?a=b", "h", "80", "h",
         "/v1?a=b"}, /* the port goes without saying */
        {"http://[::1]:8/v1", "::1", "8", "[::1]:8", "/v1"},
        {"http://h/\xc3\xa9/v1", "h", "80", "h", "/%c3%a9/v1"},
        {"http://h/a%20b", "h", "80", "h", "/a%20b"},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        ifm_url_parts parts;
        assert_true(ifm_client_url_split(lines[i][0], &parts));
        assert_string_equal(parts.host, lines[i][1]);
        assert_string_equal(parts.port, lines[i][2]);
        assert_string_equal(parts.authority, lines[i][3]);
        assert_string_equal(parts.target, lines[i][4]);
        ifm_url_parts_deinit(&parts);
    }
}

static void credentials_are_taken_out(void **state)
{
    (void)state;
    ifm_client_url url;
    assert_int_equal(ifm_client_url_parse("https://me:p%40ss@host/v1", false, &url, &err),
                     IFM_OK);
    assert_string_equal(url.user, "me");
    assert_string_equal(url.password, "p@ss");
    assert_true(url.tls);
    ifm_client_url_deinit(&url);
}

static void chat_is_told_by_the_endpoint(void **state)
{
    (void)state;
    assert_true(ifm_client_url_is_chat("https://e.com/v1/chat/completions"));
    assert_true(ifm_client_url_is_chat("https://e.com/chat/completions/?a=b"));
    assert_false(ifm_client_url_is_chat("https://e.com/v1/completions"));
    assert_false(ifm_client_url_is_chat("https://e.com/v1?a=/chat/completions"));
}

static void nonsense_is_named_without_secrets(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "localhost:8000",
        "ftp://me:secret@host",
        "http://",
        "http://host:99999",
        "http://me:sec/ret@host:80/",
        "http://me:secret@host:x/v1?key=secret",
        "unix:",
        "http://h/v1/completions",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ifm_client_url url;
        assert_int_equal(ifm_client_url_parse(bad[i], true, &url, &err),
                         IFM_ERR_ARGUMENT);
        assert_non_null(strstr(err.message, "--url"));
        assert_null(strstr(err.message, "ret@"));
        assert_null(strstr(err.message, "secret"));
    }
}

static void assert_tame(const char *text, const char *expected)
{
    char *tame = ifm_client_url_tame(text);
    assert_string_equal(tame, expected);
    free(tame);
}

static void urls_are_tamed(void **state)
{
    (void)state;
    assert_tame("http://a:b@c/d?key=s&x=t#f", "http://c/d?key=…&x=…");
    assert_tame("", "");
    assert_tame("a:b@", "");
    assert_tame("plain", "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_found),
        cmocka_unit_test(endpoints_are_split),
        cmocka_unit_test(credentials_are_taken_out),
        cmocka_unit_test(chat_is_told_by_the_endpoint),
        cmocka_unit_test(nonsense_is_named_without_secrets),
        cmocka_unit_test(urls_are_tamed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
