/* Where this program's own file lies: what is installed with it is found from there. */
#ifndef IFM_OS_PROGRAM_H
#define IFM_OS_PROGRAM_H

/* The directory of the running executable, symbolic links resolved: a heap string that the
 * caller frees; NULL when it is not known. */
char *ifm_program_directory(void);

#endif
