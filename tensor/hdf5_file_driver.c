#include "tensor/hdf5_file_driver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ROWS_PIECE = 8 << 20 };

/* HDF5 knows the first member only. */
typedef struct driver_file {
    H5FD_t shared;
    ae_h5_medium *medium;
    haddr_t end_of_allocation;
    haddr_t end_of_file;
} driver_file;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t max_address)
{
    (void)name, (void)flags, (void)max_address;
    ae_h5_medium *const *medium = H5Pget_driver_info(access);
    driver_file *f = medium ? calloc(1, sizeof *f) : NULL;
    if (!f) {
        return NULL;
    }
    f->medium = *medium;
    f->end_of_file = f->medium->map ? ae_storage_bytes(f->medium->map) : 0;
    return &f->shared;
}

static herr_t driver_close(H5FD_t *file)
{
    driver_file *f = (driver_file *)file;
    f->medium->length = f->end_of_file;
    free(file);
    return 0;
}

static int driver_compare(const H5FD_t *a, const H5FD_t *b)
{
    uintptr_t x = (uintptr_t)((const driver_file *)a)->medium, y = (uintptr_t)((const driver_file *)b)->medium;
    return (x > y) - (x < y);
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const driver_file *)file)->end_of_allocation;
}

static herr_t driver_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((driver_file *)file)->end_of_allocation = address;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const driver_file *)file)->end_of_file;
}

/* What lies beyond the end reads as zeros, as HDF5 expects of its drivers. */
static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size, void *out)
{
    (void)type, (void)transfer;
    driver_file *f = (driver_file *)file;
    size_t inside = address < f->end_of_file ? (size_t)(f->end_of_file - address) : 0;
    inside = inside < size ? inside : size;
    memset((char *)out + inside, 0, size - inside);
    if (inside == 0) {
        return 0;
    }
    if (f->medium->map) {
        memcpy(out, (const char *)ae_storage_data(f->medium->map) + address, inside);
    } else if (ae_atomic_read_at(f->medium->saving, address, out, inside) != 0) {
        memset(out, 0, inside); /* only after a failed write can bytes be missing that HDF5 believes stored */
    }
    return 0;
}

/* Writes a map piece by piece and gives back the memory behind it; the system would count all of it as ours. */
static int write_rows(ae_h5_medium *m, haddr_t address, const char *data, size_t size)
{
    for (size_t at = 0; at < size; at += ROWS_PIECE) {
        size_t n = size - at < ROWS_PIECE ? size - at : ROWS_PIECE;
        if (ae_atomic_write_at(m->saving, address + at, data + at, n, &m->error) != 0) {
            return -1;
        }
        madvise((void *)(uintptr_t)(data + at), n, MADV_DONTNEED); /* should it fail, nothing is lost */
    }
    return 0;
}

static int write_bytes(ae_h5_medium *m, haddr_t address, const void *data, size_t size)
{
    const char *bytes = data;
    bool rows = m->rows && bytes >= m->rows && bytes < m->rows + m->rows_bytes;
    return rows ? write_rows(m, address, bytes, size) : ae_atomic_write_at(m->saving, address, data, size, &m->error);
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                           const void *data)
{
    (void)type, (void)transfer;
    driver_file *f = (driver_file *)file;
    ae_h5_medium *m = f->medium;
    if (m->map) {
        return -1; /* opened for reading */
    }
    if (!m->discard && write_bytes(m, address, data, size) != 0) {
        m->discard = true;
    }
    if (address + size > f->end_of_file) {
        f->end_of_file = address + size;
    }
    return 0;
}

static herr_t driver_truncate(H5FD_t *file, hid_t transfer, hbool_t closing)
{
    (void)transfer, (void)closing;
    driver_file *f = (driver_file *)file;
    ae_h5_medium *m = f->medium;
    if (m->map || f->end_of_allocation == f->end_of_file) {
        return 0;
    }
    if (!m->discard && ae_atomic_truncate(m->saving, f->end_of_allocation, &m->error) != 0) {
        m->discard = true;
    }
    f->end_of_file = f->end_of_allocation;
    return 0;
}

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 13, 2)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)300, /* 256 to 511 are free for private drivers */
#endif
    .name = "aesop",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_WEAK,
    .fapl_size = sizeof(ae_h5_medium *),
    .open = driver_open,
    .close = driver_close,
    .cmp = driver_compare,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

int ae_h5_use_medium(hid_t access_properties, ae_h5_medium *medium)
{
    hid_t driver = H5FDregister(&driver_class);
    if (driver < 0) {
        return -1;
    }
    medium->driver = driver;
    return H5Pset_driver(access_properties, driver, &medium) < 0 ? -1 : 0;
}

void ae_h5_leave_medium(ae_h5_medium *medium)
{
    if (medium->driver > 0) {
        H5FDunregister(medium->driver);
        medium->driver = 0;
    }
}
