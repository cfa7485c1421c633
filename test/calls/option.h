/* Options by number, printed by value. */
#ifndef CALLS_OPTION_H
#define CALLS_OPTION_H

#include <sys/socket.h>

/* getsockopt with room for so many octets, and its answer said: for CALL and EACH. */
int get(int fd, int level, int name, int room);
void say_option(void); /* as an int, or its octets when they are not four */
int option_int(void);  /* what get has got */
int set(int fd, int level, int name, int value);
int set_room(int fd, int level, int name, int value, int room); /* so many octets of it */
int set_text(int fd, int level, int name, const char *text);
int set_linger(int fd, int on, int seconds);
int set_time(int fd, int name, long seconds, long usec);

#endif
