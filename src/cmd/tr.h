/* tr.h: the user's language. Catalogues are gettext's (.po, compiled to .mo by msgfmt), but
 * are read by ourselves: libc's gettext translates nothing in the C and C.UTF-8 locales,
 * which are all that a small system has, and `--lang zh` is to work there too.
 *
 * As with gettext, the language belongs to the process and is chosen once, before any use. */
#ifndef NOD_CMD_TR_H
#define NOD_CMD_TR_H

#include <stdbool.h>
#include <stddef.h>

#define _(text) tr(text)
#define N_(text) text /* marks a text for xgettext that is translated later */

/* The text in the chosen language; the text itself when there is no translation. Compilers
 * check its arguments as if the text itself were the format. */
const char *tr(const char *text) __attribute__((format_arg(1)));

/* Chooses the language: a name such as "zh", "zh_CN" or "zh_CN.UTF-8"; "en", "C" and "POSIX"
 * need no catalogue. False when there is no catalogue of it (then nothing changes). */
bool tr_use(const char *name);

/* Chooses it from LANGUAGE, LC_ALL, LC_MESSAGES and LANG, as gettext would. */
void tr_use_environment(void);

/* The language in use, as in BCP 47 ("en", "zh-CN"), for the head of a document. */
const char *tr_language(void);

/* The languages that can be chosen, joined by ", ". Returns buf. */
char *tr_available(char *buf, size_t size);

#endif
