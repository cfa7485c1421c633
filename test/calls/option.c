#include "option.h"

#include "say.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>

static unsigned char bytes[1024];
static socklen_t len;

int get(int fd, int level, int name, int room)
{
    memset(bytes, 0xEE, sizeof bytes);
    len = (socklen_t)room;
    return getsockopt(fd, level, name, bytes, &len);
}

int option_int(void)
{
    int value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

void say_option(void)
{
    say(" len %d:", (int)len);
    if (len == sizeof(int)) {
        say(" %d", option_int());
        return;
    }
    for (unsigned i = 0; i < len && i < 40; i++) say(" %02x", bytes[i]);
}

int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value);
}

int set_room(int fd, int level, int name, int value, int room)
{
    unsigned char wide[1024] = {0};
    memcpy(wide, &value, sizeof value);
    return setsockopt(fd, level, name, wide, (socklen_t)room);
}

int set_text(int fd, int level, int name, const char *text)
{
    return setsockopt(fd, level, name, text, (socklen_t)strlen(text));
}

int set_linger(int fd, int on, int seconds)
{
    struct linger linger = {on, seconds};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int set_time(int fd, int name, long seconds, long usec)
{
    struct timeval time = {seconds, usec};
    return setsockopt(fd, SOL_SOCKET, name, &time, sizeof time);
}
