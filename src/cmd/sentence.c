#include "sentence.h"

#include <stdio.h>
#include <string.h>

#include "columns.h"
#include "nod/stack.h"
#include "tr.h"

static const struct {
    const char *plain, *story;
} texts[S_COUNT] = {
    [S_NONE] = {"", ""},
#define SENTENCE(key, plain, story) [S_##key] = {plain, story},
#include "sentences.def"
#undef SENTENCE
};

char *span_write(nod_usec span, char *buf, size_t size)
{
    double seconds = (double)span / (double)NOD_SEC;
    if (span < NOD_MSEC) {
        snprintf(buf, size, _("%u µs"), (unsigned)span);
    } else if (span < NOD_SEC) {
        snprintf(buf, size, _("%u ms"), (unsigned)((span + 500) / NOD_MSEC));
    } else if (span < 1000 * NOD_SEC) {
        snprintf(buf, size, _("%.3g s"), seconds);
    } else {
        snprintf(buf, size, _("%.3g min"), seconds / 60);
    }
    return buf;
}

char *span_write_rough(nod_usec span, char *buf, size_t size)
{
    const nod_usec step = 100 * NOD_MSEC;
    if (span >= step) return span_write((span + step / 2) / step * step, buf, size);
    snprintf(buf, size, _("less than %u ms"), (unsigned)(step / NOD_MSEC));
    return buf;
}

/* What nod_strerror says, where it can be translated. */
static const struct {
    int error;
    const char *words;
} errors[] = {
    {NOD_EAGAIN, N_("nothing now, try again after the next event")},
    {NOD_EINVAL, N_("an argument makes no sense")},
    {NOD_ENOMEM, N_("insufficient resources")},
    {NOD_ENOCONN, N_("connection does not exist")},
    {NOD_ECLOSING, N_("connection closing")},
    {NOD_ERESET, N_("connection reset")},
    {NOD_EREFUSED, N_("connection refused")},
    {NOD_ETIMEDOUT, N_("connection aborted due to user timeout")},
    {NOD_EUNREACH, N_("the remote host cannot be reached")},
    {NOD_EINUSE, N_("the local port is in use")},
    {NOD_EEXIST, N_("connection already exists")},
    {NOD_ENOREMOTE, N_("remote socket unspecified")},
    {NOD_ENOTLOCAL, N_("the local address is not one of this host's")},
    {NOD_ENOPORT, N_("every ephemeral port is taken")},
    {NOD_EBADADDR, N_("the remote address is no host's (broadcast, multicast or unspecified)")},
    {NOD_EABORTED, N_("aborted by this side")},
    {NOD_EUNSUPPORTED, N_("not supported here")},
    {NOD_EPERM, N_("the system does not allow it")},
    {NOD_EIO, N_("a device failed")},
};

const char *error_words(int error)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].error == error) return tr(errors[i].words);
    }
    return nod_strerror(error);
}

/* Only the reasons that a watcher meets have words here; the rest keep their names. */
static const struct {
    enum nod_drop drop;
    const char *words;
} drops[] = {
    {NOD_DROP_TCP_CHECKSUM, N_("the checksum does not fit")},
    {NOD_DROP_IP_CHECKSUM, N_("the checksum of its IP header does not fit")},
    {NOD_DROP_BAD_IP, N_("its IP header makes no sense")},
    {NOD_DROP_NOT_OURS, N_("it is addressed to somebody else")},
    {NOD_DROP_NO_CONNECTION, N_("there is no such connection")},
    {NOD_DROP_LISTEN, N_("a listener can do nothing with it")},
    {NOD_DROP_BACKLOG, N_("too many connections wait already")},
    {NOD_DROP_SEQUENCE, N_("its numbers lie outside the window")},
    {NOD_DROP_PAWS, N_("its timestamp is older than what has come since")},
    {NOD_DROP_NO_TIMESTAMP, N_("it lacks the timestamp that was agreed")},
    {NOD_DROP_RST, N_("a RST with such a number is not believed")},
    {NOD_DROP_SYN, N_("a SYN cannot belong to an open connection")},
    {NOD_DROP_ACK, N_("it acknowledges what was never sent")},
    {NOD_DROP_NO_ACK, N_("it acknowledges nothing")},
    {NOD_DROP_DUPLICATE, N_("its bytes were here already")},
    {NOD_DROP_WINDOW, N_("its bytes lie beyond the window")},
    {NOD_DROP_AFTER_FIN, N_("it comes after the FIN")},
    {NOD_DROP_MEMORY, N_("there is no room to keep it")},
    {NOD_DROP_TIME_WAIT, N_("it is a stray of an old connection")},
};

const char *drop_words(int drop)
{
    for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++) {
        if ((int)drops[i].drop == drop) return tr(drops[i].words);
    }
    return nod_drop_name((enum nod_drop)drop);
}

/* The value of the placeholder that begins at `name` and ends at '}', as text in room[64];
 * NULL when there is none of that name. */
static const char *value_of(const char *name, size_t len, const struct sentence *s,
                            const struct teller *teller, char room[64])
{
    const struct {
        const char *name;
        uint32_t value;
    } numbers[] = {
        {"n", s->n},       {"bytes", s->bytes}, {"first", s->first},
        {"last", s->last}, {"ack", s->ack},     {"window", s->window},
    };
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strlen(numbers[i].name) != len || memcmp(name, numbers[i].name, len) != 0) continue;
        snprintf(room, 64, "%u", (unsigned)numbers[i].value);
        return room;
    }
    if (len == 1 && (*name == 'a' || *name == 'b'))
        return teller->called[*name == 'a' ? s->who : !s->who];
    if (len == 6 && memcmp(name, "waited", 6) == 0)
        return teller->rough ? span_write_rough(s->waited, room, 64)
                             : span_write(s->waited, room, 64);
    if (len == 5 && memcmp(name, "error", 5) == 0) return error_words(s->error);
    if (len == 4 && memcmp(name, "drop", 4) == 0) return drop_words(s->drop);
    return NULL;
}

/* Where a Latin name or a number stands beside a Chinese character, a blank sets them apart. */
static bool is_han(uint32_t c)
{
    return c >= 0x3400 && c < 0xa000;
}

static bool is_latin(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

struct filler {
    char *buf;
    size_t size, used;
    uint32_t last; /* character */
};

static void put(struct filler *f, const char *text, size_t len)
{
    if (len >= f->size - f->used) len = f->size - f->used - 1;
    memcpy(f->buf + f->used, text, len);
    f->used += len;
    f->buf[f->used] = 0;
}

static void put_value(struct filler *f, const char *value, const char *after)
{
    const char *peek = value;
    size_t len = strlen(value);
    if (is_han(f->last) && is_latin(*value)) put(f, " ", 1);
    /* "the client" begins a sentence with a capital; nod is nod. */
    bool begins = f->used == 0 || (f->used > 1 && f->buf[f->used - 2] == '.');
    if (begins && strncmp(value, "the ", 4) == 0) {
        put(f, "T", 1);
        value++;
    }
    put(f, value, strlen(value));
    while (*peek != 0) f->last = utf8_next(&peek);
    if (len > 0 && is_latin(value[strlen(value) - 1]) && is_han(utf8_next(&after))) {
        put(f, " ", 1);
        f->last = ' ';
    }
}

char *sentence_fill(const char *text, const struct sentence *sentence, const struct teller *teller,
                    char *buf, size_t size)
{
    struct filler f = {.buf = buf, .size = size};
    char room[64];
    buf[0] = 0;
    while (*text != 0) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL, *value = NULL, *start = text;
        if (end != NULL)
            value = value_of(text + 1, (size_t)(end - text) - 1, sentence, teller, room);
        if (value != NULL) {
            put_value(&f, value, end + 1);
            text = end + 1;
        } else {
            f.last = utf8_next(&text);
            put(&f, start, (size_t)(text - start));
        }
    }
    return buf;
}

static const char *text_of(enum sentence_key key, const struct teller *teller)
{
    return tr(teller->story ? texts[key].story : texts[key].plain);
}

char *sentence_write(const struct sentence *sentence, const struct teller *teller, char *buf,
                     size_t size)
{
    sentence_fill(text_of(sentence->cause, teller), sentence, teller, buf, size);
    size_t used = strlen(buf);
    if (sentence->effect == S_NONE) return buf;
    /* Sentences stand apart by a blank, but not those that end in a Chinese full stop. */
    if (used > 0 && used + 1 < size && (unsigned char)buf[used - 1] < 0x80) buf[used++] = ' ';
    sentence_fill(text_of(sentence->effect, teller), sentence, teller, buf + used, size - used);
    return buf;
}
