#include <inttypes.h>
#include <string.h>

#include "cli/doctor.h"
#include "os/cpu.h"

enum { WIDTH = 80 };

typedef struct paper {
    FILE *out;
    bool colour, unicode;
} paper;

static const char *on(const paper *self, const char *code)
{
    return self->colour ? code : "";
}

#define BOLD  "\x1b[1m"
#define DIM   "\x1b[2m"
#define PLAIN "\x1b[0m"

static const char *colour_of(ifm_fit_level level)
{
    static const char *const codes[] = {"\x1b[32m", "\x1b[33m", "\x1b[31m"};
    return codes[level];
}

static void heading(const paper *self, const char *text)
{
    fprintf(self->out, "\n%s%s%s\n", on(self, BOLD), text, on(self, PLAIN));
}

static void print_host(const paper *self, const ifm_doctor *doctor)
{
    fprintf(self->out, "%s%s%s\n%s%s%s%s\n", on(self, BOLD), doctor->host.cpu,
            on(self, PLAIN), doctor->host.os, doctor->host.os[0] != '\0' ? ", " : "",
            doctor->host.kernel, "");
    uint32_t features = ifm_cpu_features();
    int at = 0;
    for (int i = 0; i < IFM_CPU_FEATURE_COUNT; i++) {
        if ((features >> i & 1) == 0)
            continue;
        const char *name = ifm_cpu_feature_name(i);
        if (at > 0 && at + 2 + (int)strlen(name) > WIDTH) {
            fputs(",\n", self->out);
            at = 0;
        }
        at += fprintf(self->out, "%s%s", at > 0 ? ", " : "", name);
    }
    if (at > 0)
        fputc('\n', self->out);
}

static void print_findings(const paper *self, const ifm_doctor *doctor)
{
    heading(self, "Fit to measure on?");
    for (size_t i = 0; i < doctor->n_findings; i++) {
        const ifm_finding *finding = &doctor->findings[i];
        fprintf(self->out, "  %s%-4s%s  %-14s %s\n", on(self, colour_of(finding->level)),
                ifm_fit_level_name(finding->level), on(self, PLAIN), finding->name,
                finding->value);
    }
}

static void format_size(char *text, size_t size, size_t bytes)
{
    if (bytes >= (size_t)1 << 30)
        snprintf(text, size, "%zu GiB", bytes >> 30);
    else if (bytes >= (size_t)1 << 20)
        snprintf(text, size, "%zu MiB", bytes >> 20);
    else
        snprintf(text, size, "%zu KiB", bytes >> 10);
}

static void print_bandwidth(const paper *self, const ifm_doctor *doctor)
{
    heading(self, "Read bandwidth, GB/s, of a buffer of this size");
    fprintf(self->out, "  %s%-10s", on(self, DIM), "threads");
    for (size_t i = 0; i < doctor->n_sizes; i++) {
        char size[16];
        format_size(size, sizeof size, doctor->sizes[i]);
        fprintf(self->out, " %8s", size);
    }
    fprintf(self->out, "%s\n", on(self, PLAIN));
    for (size_t team = 0; team < doctor->n_teams; team++) {
        fprintf(self->out, "  %-10d", doctor->teams[team]);
        for (size_t i = 0; i < doctor->n_sizes; i++) {
            double per_s = doctor->read_bytes_per_s[team][i];
            if (per_s > 0)
                fprintf(self->out, " %8.1f", per_s * 1e-9);
            else
                fputs(self->unicode ? "        —" : "        -", self->out);
        }
        fputc('\n', self->out);
    }
}

static void print_peaks(const paper *self, const ifm_doctor *doctor)
{
    char title[96];
    snprintf(title, sizeof title,
             "Arithmetic peak, Gop/s (a multiply-add is two), %d thread%s",
             doctor->peak_threads, doctor->peak_threads == 1 ? "" : "s");
    heading(self, title);
    double most = 0;
    for (size_t i = 0; i < doctor->n_peaks; i++)
        if (doctor->peaks[i].per_s > most)
            most = doctor->peaks[i].per_s;
    enum { BAR = 40 };
    for (size_t i = 0; i < doctor->n_peaks; i++) {
        const ifm_probe_peak *peak = &doctor->peaks[i];
        int length = (int)(BAR * peak->per_s / most + 0.5);
        fprintf(self->out, "  %-14s %-5s %9.1f  %s", peak->kernels, peak->type,
                peak->per_s * 1e-9, on(self, DIM));
        for (int bar = 0; bar < (length > 0 ? length : 1); bar++)
            fputs(self->unicode ? "▪" : "#", self->out);
        fprintf(self->out, "%s\n", on(self, PLAIN));
    }
}

static void print_disk(const paper *self, const ifm_doctor *doctor)
{
    if (doctor->disk_path == NULL)
        return;
    heading(self, "Disk");
    const ifm_probe_disk *disk = &doctor->disk;
    if (doctor->disk_error.status != IFM_OK)
        fprintf(self->out, "  not measured: %s\n", doctor->disk_error.message);
    else
        fprintf(self->out, "  %.2f GB/s: %" PRId64 " MiB of %s%s, not in memory before\n",
                disk->bytes_per_s * 1e-9, disk->bytes >> 20,
                disk->temporary ? "a new file in " : "", doctor->disk_path);
}

/* Text broken at blanks, each line with an indent; a line feed begins a command, which is
 * never broken, so that it can be copied. */
static void print_wrapped(FILE *out, const char *text)
{
    const char *command = strchr(text, '\n');
    size_t left = command != NULL ? (size_t)(command - text) : strlen(text);
    int at = 0;
    while (left > 0) {
        size_t n = strcspn(text, " \n");
        if (n > left)
            n = left;
        if (at > 0 && at + 1 + (int)n > WIDTH - 5) {
            fputs("\n     ", out);
            at = 0;
        }
        at += fprintf(out, "%s%.*s", at > 0 ? " " : "", (int)n, text);
        n += n < left; /* the blank */
        text += n;
        left -= n;
    }
    fputc('\n', out);
    if (command != NULL)
        fprintf(out, "       %s\n", command + 1);
}

static void print_verdict(const paper *self, const ifm_doctor *doctor)
{
    static const char *const verdicts[] = {
        "fit: times measured here mean something",
        "fit, with reservations: expect times to wander, and make more runs",
        "not fit now: times would say more about this machine than about a model"};
    ifm_fit_level worst = ifm_fit_worst(doctor->findings, doctor->n_findings);
    fprintf(self->out, "\n%sVerdict%s  %s%s%s\n", on(self, BOLD), on(self, PLAIN),
            on(self, colour_of(worst)), verdicts[worst], on(self, PLAIN));
    if (worst == IFM_FIT_FINE)
        return;
    heading(self, "What to change");
    int number = 0;
    for (int level = IFM_FIT_BAD; level > IFM_FIT_FINE; level--) {
        for (size_t i = 0; i < doctor->n_findings; i++) {
            const ifm_finding *finding = &doctor->findings[i];
            if (finding->level != (ifm_fit_level)level || finding->remedy[0] == '\0')
                continue;
            fprintf(self->out, "  %d. ", ++number);
            print_wrapped(self->out, finding->remedy);
        }
    }
}

void ifm_doctor_print(const ifm_doctor *self, FILE *out, bool colour, bool unicode)
{
    const paper sheet = {out, colour, unicode};
    print_host(&sheet, self);
    print_findings(&sheet, self);
    print_bandwidth(&sheet, self);
    print_peaks(&sheet, self);
    print_disk(&sheet, self);
    print_verdict(&sheet, self);
}
