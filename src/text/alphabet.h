/*
 * The byte alphabet of byte-level BPE: files write each byte of a token as one printable
 * character, so that a vocabulary is legible JSON. The 188 bytes that are printable in
 * Latin-1 (33–126, 161–172, 174–255) stand for themselves, the other 68 are numbered from
 * U+0100 on: a space is U+0120, "Ġ". (Radford et al. 2019, GPT-2's encoder.py.)
 */
#ifndef IFM_TEXT_ALPHABET_H
#define IFM_TEXT_ALPHABET_H

#include "inferometer/base.h"

/* Turns written[n], valid UTF-8, to the bytes it stands for, in out[n] (never longer).
 * False when a character lies outside the alphabet: such a token can
 * come out of no text, and stands for its own bytes. Thread-safe. */
bool ifm_alphabet_bytes(const char *written, size_t n, char *out, size_t *n_out);

#endif
