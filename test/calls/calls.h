/* The calls, family by family: each makes every call of its family once on a descriptor in the
 * state that is tested now. */
#ifndef CALLS_CALLS_H
#define CALLS_CALLS_H

void calls_receive(void);
void calls_send(void);
void calls_files(void);
void calls_names(void);
void calls_options(void);
void calls_wait(void);

/* The scenarios: calls in an order. */
typedef struct scenario {
    const char *name;
    void (*play)(void);
} scenario;

extern const scenario scenarios[]; /* ended by a NULL */

void make_sockets(void);
void bad_pointers(void);
void binding(void);
void connecting(void);
void accepting(void);
void dual_stack(void);
void option_values(void);

void streaming(void);

void blocking(void);
void deadlines(void);
void signals(void);
void closing(void);

void urgent(void);
void copying(void);
void edges(void);
void epoll_errors(void);
void epoll_mixed(void);
void epoll_nested(void);

void poll_sets(void);
void threads(void);
void forks(void);
void descriptors(void);
void info(void);

#endif
