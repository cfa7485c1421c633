/* The cases of the interop tests. Each ends the process if something is wrong. */
#ifndef INTEROP_CASES_H
#define INTEROP_CASES_H

#include "world.h"

/* bulk.c */
void run_bulk(const char *name, int family, bool passive, const world_config *config,
              uint64_t bytes);

/* states.c: `passive` is nod's side of the open */
void run_states(const char *name, int family, bool passive);
void run_half_close(const char *name, int family, bool passive);
void run_simultaneous_close(const char *name, int family);
void run_refused(const char *name, int family);

/* icmp.c */
void run_icmp(const char *name, int family, const world_config *config);

/* conflict.c */
void run_conflict(const char *name, int family);

/* info.c */
void run_info(const char *name, int family);

/* serve.c: "echo", "count" or "shut"; returns the exit code */
int run_serve(const char *how, uint16_t port);

/* expert.c */
void run_expert(const char *name, int family, bool passive);

#endif
