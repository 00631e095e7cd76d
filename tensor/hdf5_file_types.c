/* What a dtype is in an HDF5 file, and back. */
#include "tensor/hdf5_file_handle.h"

#include <string.h>

static hid_t half_type(void)
{
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    H5Tset_fields(type, 15, 10, 5, 0, 10); /* sign, exponent, its bits, mantissa, its bits: IEEE 754 binary16 */
    H5Tset_size(type, 2);
    H5Tset_ebias(type, 15);
    return type;
}

static hid_t bool_type(void)
{
    hid_t type = H5Tenum_create(H5T_STD_I8LE);
    signed char no = 0, yes = 1;
    H5Tenum_insert(type, "FALSE", &no);
    H5Tenum_insert(type, "TRUE", &yes);
    return type;
}

hid_t ae_h5_file_type(ae_dtype dtype)
{
    switch (dtype) {
    case AE_F32:
        return H5Tcopy(H5T_IEEE_F32LE);
    case AE_F64:
        return H5Tcopy(H5T_IEEE_F64LE);
    case AE_BF16:
        return H5Tcopy(H5T_STD_U16LE);
    case AE_F16:
        return half_type();
    case AE_I8:
        return H5Tcopy(H5T_STD_I8LE);
    case AE_U8:
        return H5Tcopy(H5T_STD_U8LE);
    case AE_I32:
        return H5Tcopy(H5T_STD_I32LE);
    case AE_I64:
        return H5Tcopy(H5T_STD_I64LE);
    case AE_BOOL:
        return bool_type();
    default:
        return -1;
    }
}

/* Whether an object carries the text attribute key = value; long values need no comparison. */
static bool attribute_is(hid_t object, const char *key, const char *value)
{
    char text[16] = "";
    hid_t a = H5Aexists(object, key) > 0 ? H5Aopen(object, key, H5P_DEFAULT) : -1;
    hid_t type = a >= 0 ? H5Aget_type(a) : -1;
    hid_t space = a >= 0 ? H5Aget_space(a) : -1;
    bool fits = type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0 &&
                H5Tget_size(type) < sizeof text && H5Sget_simple_extent_npoints(space) == 1;
    bool equal = fits && H5Aread(a, type, text) >= 0 && strcmp(text, value) == 0;
    ae_h5_drop(space);
    ae_h5_drop(type);
    ae_h5_drop(a);
    return equal;
}

/* The dtype that a stored integer becomes, widened where there is none of its kind; -1 when none can hold it. */
static int integer_dtype(hid_t dataset, hid_t type, size_t size)
{
    bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
    if (size == 1) {
        return is_signed ? AE_I8 : AE_U8;
    }
    if (size == 2) {
        return !is_signed && attribute_is(dataset, "dtype", "bf16") ? AE_BF16 : AE_I32;
    }
    if (size == 4) {
        return is_signed ? AE_I32 : AE_I64;
    }
    return size == 8 && is_signed ? AE_I64 : -1;
}

int ae_h5_dtype_of(hid_t dataset, hid_t type)
{
    size_t size = H5Tget_size(type);
    hid_t yes_no;
    int dtype = -1;
    switch (H5Tget_class(type)) {
    case H5T_FLOAT:
        return size == 4 ? AE_F32 : size == 8 ? AE_F64 : size == 2 ? AE_F16 : -1;
    case H5T_INTEGER:
        return integer_dtype(dataset, type, size);
    case H5T_ENUM:
        yes_no = bool_type();
        dtype = H5Tequal(type, yes_no) > 0 ? AE_BOOL : -1;
        ae_h5_drop(yes_no);
        return dtype;
    default:
        return -1;
    }
}
