/* The tables that kern.c chooses from; each exists where its instruction set does. */
#ifndef IFM_KERN_TABLES_H
#define IFM_KERN_TABLES_H

#include "kern/kern.h"

/* The tables of this build, worst first, at most IFM_KERN_MAX: one file per processor family
 * (tables_x86.c and so on) names what there is. What a table needs stands here, not in its
 * file: the compiler uses a file's instructions in every function of it, that which fills the
 * table included, so that on a lesser processor nothing of it may be called. */
typedef struct ifm_kern_set {
    const char *name;
    uint32_t needs; /* IFM_CPU_… features, all of them */
    void (*fill)(ifm_kern *table);
} ifm_kern_set;
extern const ifm_kern_set ifm_kern_sets[];
extern const int ifm_kern_n_sets;

/* Each fills *table, whose content is the next lesser table, with what it does better. */
void ifm_kern_scalar(ifm_kern *table);
void ifm_kern_avx2(ifm_kern *table);
void ifm_kern_avx2_vnni(ifm_kern *table);
void ifm_kern_avx512(ifm_kern *table);
void ifm_kern_avx512_vnni(ifm_kern *table);
void ifm_kern_avx512_bf16(ifm_kern *table);
void ifm_kern_amx(ifm_kern *table);
void ifm_kern_neon(ifm_kern *table);
void ifm_kern_neon_dotprod(ifm_kern *table);
void ifm_kern_neon_i8mm(ifm_kern *table);
/* Parts of avx2, avx2-vnni, avx512-vnni, neon-dotprod, neon-i8mm:
 * many rows with quantized weights. */
void ifm_kern_avx2_gemm(ifm_kern *table);
void ifm_kern_avx2_vnni_gemm(ifm_kern *table);
void ifm_kern_avx512_vnni_gemm(ifm_kern *table);
void ifm_kern_neon_dotprod_gemm(ifm_kern *table);
void ifm_kern_neon_i8mm_gemm(ifm_kern *table);

/* The quantized part of the scalar table, which ifm_kern_scalar fills in. */
void ifm_kern_scalar_quant(ifm_kern *table);

#endif
