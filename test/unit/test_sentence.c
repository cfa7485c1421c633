/* Sentences: placeholders are filled in, two texts are joined, spans are told as people do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/cmd/sentence.h"

static const struct teller plain = {.name = {"client", "server"},
                                    .called = {"the client", "the server"}};
static const struct teller nod = {.name = {"nod", "Linux"}, .called = {"nod", "Linux"}};

static void placeholders(void **unused)
{
    struct sentence s = {.who = 1, .n = 8, .first = 1, .last = 1448, .ack = 1449, .window = 0};
    char buf[SENTENCE_TEXT];
    (void)unused;
    sentence_fill("{a} to {b}: {n} {first} {last} {ack} {window} {none} {", &s, &plain, buf,
                  sizeof(buf));
    assert_string_equal(buf, "The server to the client: 8 1 1448 1449 0 {none} {");
}

static void capitals_only_where_a_sentence_begins(void **unused)
{
    struct sentence s = {.who = 0};
    char buf[SENTENCE_TEXT];
    (void)unused;
    sentence_fill("{a} nods. {b} sees {a}.", &s, &plain, buf, sizeof(buf));
    assert_string_equal(buf, "The client nods. The server sees the client.");
    sentence_fill("{a} nods. {b} sees {a}.", &s, &nod, buf, sizeof(buf));
    assert_string_equal(buf, "nod nods. Linux sees nod.");
}

static void latin_stands_apart_from_chinese(void **unused)
{
    struct sentence s = {.who = 0, .n = 3};
    const struct teller chinese = {.called = {"小满", "阿远"}};
    char buf[SENTENCE_TEXT];
    (void)unused;
    sentence_fill("{a}确认{b}的第{n}句。{a}", &s, &nod, buf, sizeof(buf));
    assert_string_equal(buf, "nod 确认 Linux 的第 3 句。nod");
    sentence_fill("{a}确认{b}。", &s, &chinese, buf, sizeof(buf));
    assert_string_equal(buf, "小满确认阿远。");
}

static void no_room_is_no_harm(void **unused)
{
    struct sentence s = {.cause = S_SYN, .effect = S_LOST_SYN};
    char small[24], none[1], whole[SENTENCE_TEXT];
    (void)unused;
    sentence_write(&s, &plain, small, sizeof(small));
    assert_int_equal(strlen(small), sizeof(small) - 1);
    sentence_write(&s, &plain, none, sizeof(none));
    assert_string_equal(none, "");
    sentence_write(&s, &plain, whole, sizeof(whole));
    assert_memory_equal(whole, small, strlen(small));
    assert_non_null(strstr(whole, "begin. It is lost"));
}

/* Every text, plain and as a story, for both ends: nothing is left unfilled. */
static void all_are_whole(void **unused)
{
    char buf[SENTENCE_TEXT];
    (void)unused;
    for (int key = S_NONE + 1; key < S_COUNT; key++) {
        for (int story = 0; story < 2; story++) {
            struct sentence s = {.cause = (enum sentence_key)key,
                                 .who = key % 2,
                                 .error = -6,
                                 .drop = 3,
                                 .waited = NOD_SEC};
            struct teller teller = plain;
            teller.story = story != 0;
            sentence_write(&s, &teller, buf, sizeof(buf));
            assert_true(strlen(buf) > 10 && strlen(buf) < sizeof(buf) / 2);
            assert_null(strchr(buf, '{'));
            assert_true(strchr(".?", buf[strlen(buf) - 1]) != NULL);
        }
    }
}

static void spans(void **unused)
{
    char buf[64];
    (void)unused;
    assert_string_equal(span_write(7, buf, sizeof(buf)), "7 µs");
    assert_string_equal(span_write(40 * NOD_MSEC, buf, sizeof(buf)), "40 ms");
    assert_string_equal(span_write(1500 * NOD_MSEC, buf, sizeof(buf)), "1.5 s");
    assert_string_equal(span_write(240 * NOD_SEC, buf, sizeof(buf)), "240 s");
    assert_string_equal(span_write(3600 * NOD_SEC, buf, sizeof(buf)), "60 min");
    assert_string_equal(span_write_rough(43 * NOD_MSEC, buf, sizeof(buf)), "less than 100 ms");
    assert_string_equal(span_write_rough(1022 * NOD_MSEC, buf, sizeof(buf)), "1 s");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders),
        cmocka_unit_test(capitals_only_where_a_sentence_begins),
        cmocka_unit_test(latin_stands_apart_from_chinese),
        cmocka_unit_test(no_room_is_no_harm),
        cmocka_unit_test(all_are_whole),
        cmocka_unit_test(spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
