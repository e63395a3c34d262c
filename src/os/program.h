/* This program: where its own file lies (what is installed with it is found from there), and
 * its environment. */
#ifndef IFM_OS_PROGRAM_H
#define IFM_OS_PROGRAM_H

/* The directory of the running executable, symbolic links resolved: a heap string that the
 * caller frees; NULL when it is not known. */
char *ifm_program_directory(void);

/* The environment that a child inherits; as `environ`, which macOS hides from libraries. */
char **ifm_program_environment(void);

#endif
