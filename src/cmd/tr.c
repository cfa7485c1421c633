/* Reading gettext's .mo catalogues: two sorted tables of strings, found by binary search. */
#include "tr.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NOD_LOCALEDIR
#define NOD_LOCALEDIR "/usr/local/share/locale"
#endif

#define MO_MAGIC 0x950412deu
#define MO_HEAD 28u
#define MO_MAX (8u << 20)
#define PATH_ROOM 4096

struct catalogue {
    char *bytes; /* the file, and a zero */
    uint32_t size, count, originals, translations;
    char language[24];
};

/* Set once at the start, like gettext's own; read ever after. */
static struct catalogue current;

static uint32_t mo_word(const struct catalogue *cat, uint32_t off)
{
    uint32_t word;
    if (off > cat->size - sizeof(word)) return 0;
    memcpy(&word, cat->bytes + off, sizeof(word));
    return word;
}

/* String number i of a table, or "" where the file lies about itself. */
static const char *mo_string(const struct catalogue *cat, uint32_t table, uint32_t i)
{
    uint32_t len = mo_word(cat, table + 8 * i), off = mo_word(cat, table + 8 * i + 4);
    if (off >= cat->size || len > cat->size - off) return "";
    return cat->bytes + off;
}

static bool mo_valid(struct catalogue *cat)
{
    if (cat->size < MO_HEAD || mo_word(cat, 0) != MO_MAGIC) return false;
    cat->count = mo_word(cat, 8);
    cat->originals = mo_word(cat, 12);
    cat->translations = mo_word(cat, 16);
    return cat->count <= cat->size / 16 && cat->originals <= cat->size - 8 * cat->count &&
           cat->translations <= cat->size - 8 * cat->count;
}

static bool mo_load(struct catalogue *cat, const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return false;
    *cat = (struct catalogue){0};
    cat->bytes = calloc(1, MO_MAX + 1);
    if (cat->bytes != NULL) cat->size = (uint32_t)fread(cat->bytes, 1, MO_MAX, file);
    fclose(file);
    if (cat->bytes != NULL && mo_valid(cat)) return true;
    free(cat->bytes);
    *cat = (struct catalogue){0};
    return false;
}

const char *tr(const char *text)
{
    uint32_t low = 0, high = current.count;
    if (*text == 0) return text; /* the empty original is the catalogue's own head */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        int order = strcmp(text, mo_string(&current, current.originals, mid));
        if (order == 0) {
            const char *found = mo_string(&current, current.translations, mid);
            return *found != 0 ? found : text;
        }
        if (order < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return text;
}

/* Where catalogues may lie, in order: beside the executable in the build tree, in the prefix
 * that the executable is installed in (it may have been moved), and where it was configured
 * to be. Returns false when there is no such place. */
static bool locale_dir(int which, char *dir, size_t size)
{
    if (which == 2) {
        snprintf(dir, size, "%s", NOD_LOCALEDIR);
        return true;
    }
    ssize_t n = readlink("/proc/self/exe", dir, size - 1);
    if (n <= 0) return false;
    dir[n] = 0;
    char *slash = strrchr(dir, '/');
    if (slash == NULL) return false;
    snprintf(slash, size - (size_t)(slash - dir), "%s",
             which == 0 ? "/locale" : "/../share/locale");
    return true;
}
#define LOCALE_DIRS 3

static bool load_from(struct catalogue *cat, const char *dir, const char *name)
{
    char path[PATH_ROOM + 64];
    snprintf(path, sizeof(path), "%s/%s/LC_MESSAGES/nod.mo", dir, name);
    return mo_load(cat, path);
}

/* "zh" or a region that we do not have: any catalogue of the same language will do. */
static bool load_kin(struct catalogue *cat, const char *dir, const char *name, char *found)
{
    size_t len = strcspn(name, "_");
    bool ok = false;
    DIR *folder = opendir(dir);
    if (folder == NULL) return false;
    for (struct dirent *entry; !ok && (entry = readdir(folder)) != NULL;) {
        if (strncmp(entry->d_name, name, len) != 0) continue;
        if (entry->d_name[len] != 0 && entry->d_name[len] != '_') continue;
        ok = load_from(cat, dir, entry->d_name);
        if (ok) snprintf(found, sizeof(cat->language), "%.20s", entry->d_name);
    }
    closedir(folder);
    return ok;
}

static bool is_english(const char *name)
{
    return strcmp(name, "C") == 0 || strcmp(name, "POSIX") == 0 || strcmp(name, "en") == 0 ||
           strncmp(name, "en_", 3) == 0;
}

bool tr_use(const char *full)
{
    char name[24], found[24], dir[PATH_ROOM];
    struct catalogue cat = {0};
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(full, ".@"), full);
    for (char *p = name; *p != 0; p++) *p = *p == '-' ? '_' : *p;
    if (*name == 0 || strchr(name, '/') != NULL) return false;
    snprintf(found, sizeof(found), "%s", name);
    bool ok = is_english(name);
    for (int i = 0; !ok && i < LOCALE_DIRS; i++) {
        if (locale_dir(i, dir, sizeof(dir)))
            ok = load_from(&cat, dir, name) || load_kin(&cat, dir, name, found);
    }
    if (!ok) return false;
    for (char *p = found; *p != 0; p++) *p = *p == '_' ? '-' : *p;
    snprintf(cat.language, sizeof(cat.language), "%s", is_english(name) ? "en" : found);
    free(current.bytes);
    current = cat;
    return true;
}

void tr_use_environment(void)
{
    const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    const char *locale = NULL, *list = getenv("LANGUAGE");
    for (int i = 0; i < 3 && (locale == NULL || *locale == 0); i++) locale = getenv(names[i]);
    while (list != NULL && *list != 0) {
        char one[24];
        size_t len = strcspn(list, ":");
        snprintf(one, sizeof(one), "%.*s", (int)(len < 23 ? len : 23), list);
        if (tr_use(one)) return;
        list += len + (list[len] == ':');
    }
    if (locale != NULL && *locale != 0) (void)tr_use(locale);
}

const char *tr_language(void)
{
    return current.language[0] != 0 ? current.language : "en";
}

static void list_dir(const char *dir, char *buf, size_t size)
{
    struct catalogue cat;
    DIR *folder = opendir(dir);
    if (folder == NULL) return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char lang[16];
        snprintf(lang, sizeof(lang), "%.*s", (int)strcspn(entry->d_name, "_"), entry->d_name);
        if (*lang == '.' || strstr(buf, lang) != NULL || !load_from(&cat, dir, entry->d_name))
            continue;
        free(cat.bytes);
        size_t used = strlen(buf);
        snprintf(buf + used, size - used, ", %s", lang);
    }
    closedir(folder);
}

char *tr_available(char *buf, size_t size)
{
    char dir[PATH_ROOM];
    snprintf(buf, size, "en");
    for (int i = 0; i < LOCALE_DIRS; i++) {
        if (locale_dir(i, dir, sizeof(dir))) list_dir(dir, buf, size);
    }
    return buf;
}
