/* Text in columns: UTF-8 read as it is, Chinese twice as wide, lines broken where they may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/cmd/columns.h"

static void characters(void **unused)
{
    const char *text = "aé中😀";
    (void)unused;
    assert_int_equal(utf8_next(&text), 'a');
    assert_int_equal(utf8_next(&text), 0xe9);
    assert_int_equal(utf8_next(&text), 0x4e2d);
    assert_int_equal(utf8_next(&text), 0x1f600);
    assert_int_equal(utf8_next(&text), 0);
    assert_int_equal(utf8_next(&text), 0); /* and stays there */
}

static void broken_bytes(void **unused)
{
    /* A lone continuation, a character cut short, a byte that never occurs. */
    const char *text = "\x80\xe4\xb8"
                       "a\xff";
    const char *end = text + strlen(text);
    int characters = 0;
    (void)unused;
    while (*text != 0) {
        assert_true(text < end);
        (void)utf8_next(&text);
        characters++;
    }
    assert_ptr_equal(text, end);
    assert_int_equal(characters, 5);
}

static void widths(void **unused)
{
    (void)unused;
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("abc"), 3);
    assert_int_equal(text_columns("三次握手"), 8);
    assert_int_equal(text_columns("──▶│✗"), 5);
    assert_int_equal(text_columns("e\xcc\x81"), 1); /* a combining accent */
    assert_int_equal(text_columns("（，。）"), 8);
}

static void line_is(const char **text, int columns, const char *line)
{
    const char *start = *text;
    size_t len = text_line(text, columns);
    assert_int_equal(len, strlen(line));
    assert_memory_equal(start, line, len);
}

static void words_stay_whole(void **unused)
{
    const char *text = "one two three\nfour";
    (void)unused;
    line_is(&text, 8, "one two");
    line_is(&text, 8, "three");
    line_is(&text, 8, "four");
    assert_int_equal(*text, 0);
}

static void chinese_breaks_anywhere_but_before_a_mark(void **unused)
{
    const char *text = "一二三，四五（六）";
    (void)unused;
    line_is(&text, 6, "一二"); /* the comma takes its character along */
    line_is(&text, 6, "三，四");
    line_is(&text, 6, "五");
    line_is(&text, 6, "（六）");
    assert_int_equal(*text, 0);
}

static void a_line_always_moves_on(void **unused)
{
    const char *text = "incomprehensibilities", *wide = "中";
    (void)unused;
    line_is(&text, 5, "incom");
    assert_string_equal(text, "prehensibilities");
    line_is(&wide, 1, "中");
    assert_int_equal(*wide, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),
        cmocka_unit_test(broken_bytes),
        cmocka_unit_test(widths),
        cmocka_unit_test(words_stay_whole),
        cmocka_unit_test(chinese_breaks_anywhere_but_before_a_mark),
        cmocka_unit_test(a_line_always_moves_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
