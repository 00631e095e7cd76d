#include "apps/run_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int ae_run_path(const char *output, const char *what, char path[AE_RUN_PATH], ae_err *e)
{
    size_t length = strlen(output);
    if (length > 3 && strcmp(output + length - 3, ".h5") == 0) {
        length -= 3;
    }
    int n = snprintf(path, AE_RUN_PATH, "%.*s.%s", (int)length, output, what);
    return n > 0 && n < AE_RUN_PATH ? 0 : ae_err_set(e, AE_E_VALUE, "the path %s is too long", output);
}

/* ---- the lock ------------------------------------------------------------------------------------------------------------ */

static int refuse_second(const char *path, int lock, ae_err *e)
{
    char who[64] = "";
    ssize_t n = pread(lock, who, sizeof who - 1, 0);
    who[n > 0 ? n : 0] = 0;
    who[strcspn(who, "\n")] = 0;
    return ae_err_set(e, AE_E_STATE,
                      "%s is held by another run%s%s: two runs cannot write one output; wait for it, or "
                      "choose another -o",
                      path, *who ? ", process " : "", who);
}

static int take_lock(ae_run_files *f, ae_err *e)
{
    char path[AE_RUN_PATH];
    if (ae_run_path(f->last, "lock", path, e) != 0) {
        return -1;
    }
    struct stat mine = {0}, named = {0};
    do { /* until what was locked still bears the name: a run that ends removes it */
        if (f->lock >= 0) {
            close(f->lock);
        }
        f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (f->lock < 0) {
            return ae_err_set(e, AE_E_IO, "%s: %s", path, strerror(errno));
        }
        if (flock(f->lock, LOCK_EX | LOCK_NB) != 0) {
            int status = refuse_second(path, f->lock, e);
            close(f->lock);
            f->lock = -1;
            return status;
        }
    } while (fstat(f->lock, &mine) == 0 && (stat(path, &named) != 0 || mine.st_ino != named.st_ino));
    char who[32];
    int n = snprintf(who, sizeof who, "%ld\n", (long)getpid());
    if (ftruncate(f->lock, 0) != 0 || pwrite(f->lock, who, (size_t)n, 0) != n) {
        return ae_err_set(e, AE_E_IO, "%s: %s", path, strerror(errno));
    }
    return 0;
}

/* ---- the log --------------------------------------------------------------------------------------------------------------- */

/* Cuts off what was logged behind the step that the checkpoint holds, and a line that a crash left unfinished. */
static int cut_log(FILE *log, const char *path, int64_t step, ae_err *e)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    off_t end = 0;
    while ((n = getline(&line, &room, log)) > 0 && line[n - 1] == '\n') {
        ae_err ignored = {0};
        ae_json *j = ae_json_parse(line, (size_t)n, &ignored);
        bool keep = j && ae_json_int(j, "step", 0, &ignored) <= step;
        ae_json_free(j);
        if (!keep) {
            break;
        }
        end += n;
    }
    free(line);
    if (fflush(log) != 0 || ftruncate(fileno(log), end) != 0 || fseeko(log, end, SEEK_SET) != 0) {
        return ae_err_set(e, AE_E_IO, "%s: %s", path, strerror(errno));
    }
    return 0;
}

static int open_log(ae_run_files *f, bool resume, int64_t step, ae_err *e)
{
    char path[AE_RUN_PATH];
    if (ae_run_path(f->last, "log.jsonl", path, e) != 0) {
        return -1;
    }
    bool again = resume && access(path, F_OK) == 0;
    f->log = fopen(path, again ? "r+" : "w");
    if (!f->log) {
        return ae_err_set(e, AE_E_IO, "%s: %s", path, strerror(errno));
    }
    return again ? cut_log(f->log, path, step, e) : 0;
}

int ae_run_files_open(ae_run_files *f, const char *output, bool resume, int64_t step, ae_err *e)
{
    memset(f, 0, sizeof *f);
    f->lock = -1;
    if (snprintf(f->last, sizeof f->last, "%s", output) >= (int)sizeof f->last) {
        return ae_err_set(e, AE_E_VALUE, "the path %s is too long", output);
    }
    return take_lock(f, e) != 0 ? -1 : open_log(f, resume, step, e);
}

void ae_run_files_close(ae_run_files *f)
{
    char path[AE_RUN_PATH];
    if (f->log) {
        fclose(f->log);
    }
    if (f->lock >= 0) {
        if (ae_run_path(f->last, "lock", path, NULL) == 0) {
            unlink(path); /* before the lock is given up, so that nobody waits on a file without a name */
        }
        close(f->lock);
    }
    f->log = NULL;
    f->lock = -1;
}

int ae_run_log(ae_run_files *f, ae_json *line, ae_err *e)
{
    char *text = ae_json_text(line, false, e);
    ae_json_free(line);
    int status = text ? 0 : -1;
    if (text && (fprintf(f->log, "%s\n", text) < 0 || fflush(f->log) != 0)) {
        status = ae_err_set(e, AE_E_IO, "the log of %s could not be written: %s", f->last, strerror(errno));
    }
    free(text);
    return status;
}

/* ---- kept states ------------------------------------------------------------------------------------------------------------ */

/* The step of a name BASE.step-N.h5, or -1. */
static int64_t step_of(const char *name, const char *base)
{
    size_t length = strlen(base);
    char *end;
    if (strncmp(name, base, length) != 0 || strncmp(name + length, ".step-", 6) != 0) {
        return -1;
    }
    long long step = strtoll(name + length + 6, &end, 10);
    return step >= 0 && strcmp(end, ".h5") == 0 ? step : -1;
}

static void split_path(const char *path, char folder[AE_RUN_PATH], char base[AE_RUN_PATH])
{
    const char *slash = strrchr(path, '/');
    if (slash) {
        snprintf(folder, AE_RUN_PATH, "%.*s", (int)(slash - path + 1), path);
    } else {
        snprintf(folder, AE_RUN_PATH, "./");
    }
    snprintf(base, AE_RUN_PATH, "%s", slash ? slash + 1 : path);
    size_t length = strlen(base);
    if (length > 3 && strcmp(base + length - 3, ".h5") == 0) {
        base[length - 3] = 0;
    }
}

/* Removes kept states until `keep` are left, the oldest first. */
static void drop_old(const ae_run_files *f, int64_t keep)
{
    static const int64_t most = 1000000;
    char folder[AE_RUN_PATH], base[AE_RUN_PATH], path[AE_RUN_PATH], what[64];
    split_path(f->last, folder, base);
    for (int64_t round = 0; round < most; round++) {
        DIR *d = opendir(folder);
        int64_t count = 0, oldest = INT64_MAX;
        for (struct dirent *entry = d ? readdir(d) : NULL; entry; entry = readdir(d)) {
            int64_t step = step_of(entry->d_name, base);
            count += step >= 0;
            oldest = step >= 0 && step < oldest ? step : oldest;
        }
        if (d) {
            closedir(d);
        }
        snprintf(what, sizeof what, "step-%lld.h5", (long long)oldest);
        if (count <= keep || ae_run_path(f->last, what, path, NULL) != 0 || unlink(path) != 0) {
            return;
        }
    }
}

int ae_run_keep(ae_run_files *f, int64_t step, int64_t keep, ae_err *e)
{
    char path[AE_RUN_PATH], what[64];
    if (keep <= 0) {
        return 0;
    }
    snprintf(what, sizeof what, "step-%lld.h5", (long long)step);
    if (ae_run_path(f->last, what, path, e) != 0) {
        return -1;
    }
    unlink(path);
    if (link(f->last, path) != 0) {
        return ae_err_set(e, AE_E_IO, "%s could not be linked to %s: %s", f->last, path, strerror(errno));
    }
    drop_old(f, keep);
    return 0;
}

int ae_run_temporary(const char *what, char path[AE_RUN_TEMPORARY], ae_err *e)
{
    const char *folder = getenv("TMPDIR");
    if (snprintf(path, AE_RUN_TEMPORARY, "%s/aesop-%s-XXXXXX.h5", folder ? folder : "/tmp", what) >= AE_RUN_TEMPORARY) {
        return ae_err_set(e, AE_E_VALUE, "the path of TMPDIR is too long");
    }
    int file = mkstemps(path, 3);
    if (file < 0) {
        return ae_err_set(e, AE_E_IO, "%s: no temporary file can be made there; TMPDIR names a folder", path);
    }
    close(file);
    return 0;
}
