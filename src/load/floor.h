/*
 * The client's own floor on this host, kept between runs: `load --self-test` stores it,
 * every load carries it. In $XDG_STATE_HOME/inferometer/floor.json, else in
 * ~/.local/state. A floor of another host or processor (a shared home) does not count.
 */
#ifndef IFM_LOAD_FLOOR_H
#define IFM_LOAD_FLOOR_H

#include "load/load.h"

/* Where it is kept: a heap string, NULL without a home or without memory. */
char *ifm_floor_path(void);

/* Stores rows[n] (1 ≤ n ≤ IFM_FLOORS_MAX, by rising number of streams) as this host's.
 * measured_at: "2026-01-31T12:00:00Z". Errors: NOT_FOUND (no home), IO, NO_MEMORY. */
ifm_status ifm_floor_store(const ifm_floor *rows, size_t n, const char *measured_at,
                           ifm_error *err);

/* Fills floors, n_floors and floors_measured_at of the load; n_floors 0 when there is none
 * for this host, or none that can be read. */
void ifm_floor_load(ifm_load_run *load);

/* The row that speaks for so many streams at once: the first with as many, else the last.
 * NULL: there is none. */
const ifm_floor *ifm_floor_for(const ifm_load_run *load, int64_t streams);

#endif
