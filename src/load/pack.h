/*
 * A record as bytes, and back: what the spool holds and processes of one build send to each
 * other. Integers are zigzag varints, times differences to the one before; arrays that
 * repeat the pieces' times (a token an event: the usual case) cost one byte.
 */
#ifndef IFM_LOAD_PACK_H
#define IFM_LOAD_PACK_H

#include "measure/record.h"

/* Room for packed records, reused: grows to the largest. All zero is empty; the caller
 * frees `data`. */
typedef struct ifm_packed {
    uint8_t *data; /* heap, [capacity] */
    size_t n, capacity;
} ifm_packed;

/* Packs a copy of the record. False without memory. */
bool ifm_pack(const ifm_record *record, ifm_packed *out);

/* Makes the record that ifm_pack made bytes[n] of; the caller deinits it. Any other bytes
 * are an error, never a read out of bounds. Errors: FORMAT, NO_MEMORY; *out is then empty. */
ifm_status ifm_unpack(const uint8_t *bytes, size_t n, ifm_record *out, ifm_error *err);

#endif
