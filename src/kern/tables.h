/* The tables that kern.c chooses from; each exists where its instruction set does. */
#ifndef IFM_KERN_TABLES_H
#define IFM_KERN_TABLES_H

#include "kern/kern.h"

/* The tables of this build, worst first, at most IFM_KERN_MAX: one file per processor family
 * (tables_x86.c and so on) names what there is. */
typedef void (*ifm_kern_fill)(ifm_kern *table);
extern const ifm_kern_fill ifm_kern_fills[];
extern const int ifm_kern_n_fills;

/* Each fills *table, whose content is the next lesser table, with what it does better. */
void ifm_kern_scalar(ifm_kern *table);
void ifm_kern_avx2(ifm_kern *table);
void ifm_kern_avx2_vnni(ifm_kern *table);
void ifm_kern_avx512(ifm_kern *table);
void ifm_kern_avx512_vnni(ifm_kern *table);
void ifm_kern_avx512_bf16(ifm_kern *table);
void ifm_kern_amx(ifm_kern *table);
/* Part of avx512-vnni: many rows. */
void ifm_kern_avx512_vnni_gemm(ifm_kern *table);
void ifm_kern_neon(ifm_kern *table);
void ifm_kern_neon_dotprod(ifm_kern *table);

/* The quantized part of the scalar table, which ifm_kern_scalar fills in. */
void ifm_kern_scalar_quant(ifm_kern *table);

#endif
