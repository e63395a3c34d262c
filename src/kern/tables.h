/* The tables that kern.c chooses from; each exists where its instruction set does. */
#ifndef IFM_KERN_TABLES_H
#define IFM_KERN_TABLES_H

#include "kern/kern.h"

/* Each fills *table, whose content is the next lesser table, with what it does better. */
void ifm_kern_scalar(ifm_kern *table);
void ifm_kern_avx2(ifm_kern *table);
void ifm_kern_avx512(ifm_kern *table);
void ifm_kern_avx512_bf16(ifm_kern *table);
void ifm_kern_amx(ifm_kern *table);
void ifm_kern_neon(ifm_kern *table);

#endif
