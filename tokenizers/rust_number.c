#include "tokenizers/rust_number.h"

#include "tensor/json_internal.h"

#include <math.h>

enum { LARGEST_POWER = 308 };

/* 10^n as a program has it that spells it out. */
static double power_of_ten(int n)
{
    static const double ones[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    return n <= 22 ? ones[n] : pow(10, n);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits that would not fit into 64 bits are left out: in front of the point they count as zeros. */
static const char *read_digits(const char *p, uint64_t *digits, int *exponent)
{
    bool full = false, behind = false;
    for (; is_digit(*p) || (*p == '.' && !behind); p++) {
        if (*p == '.') {
            behind = true;
            continue;
        }
        uint64_t digit = (uint64_t)(*p - '0');
        full = full || *digits > (UINT64_MAX - digit) / 10;
        *digits = full ? *digits : *digits * 10 + digit;
        *exponent += full ? !behind : -behind;
    }
    return p;
}

static double read_number(const char *text)
{
    uint64_t digits = 0;
    int exponent = 0, written = 0;
    const char *p = read_digits(text + (*text == '-'), &digits, &exponent);
    if (*p == 'e' || *p == 'E') {
        bool down = p[1] == '-';
        for (p += 1 + (p[1] == '-' || p[1] == '+'); is_digit(*p) && written < 10000; p++) {
            written = 10 * written + (*p - '0');
        }
        exponent += down ? -written : written;
    }
    double value = (double)digits;
    for (; exponent < -LARGEST_POWER && value != 0; exponent += LARGEST_POWER) {
        value /= power_of_ten(LARGEST_POWER);
    }
    if (value != 0) {
        value = exponent < 0 ? value / power_of_ten(-exponent)
                             : value * power_of_ten(exponent < LARGEST_POWER ? exponent : LARGEST_POWER);
    }
    return *text == '-' ? -value : value;
}

int ae_rust_double(const ae_json *number, double *value, ae_err *e)
{
    char room[AE_JSON_NUMBER_TEXT_MAX];
    if (ae_json_value_double(number, value, e) != 0) {
        return -1;
    }
    *value = read_number(ae_json_number_text(number, room));
    return 0;
}

ae_json *ae_rust_number(double value)
{
    double below = value, above = value, read = 0;
    for (int i = 0; i < 4; i++) {
        double candidates[2] = {below, above};
        for (int k = 0; k < 2; k++) {
            ae_json *j = ae_json_new_double(candidates[k]);
            if (!j || (ae_rust_double(j, &read, NULL) == 0 && read == value)) {
                return j;
            }
            ae_json_free(j);
        }
        below = nextafter(below, -HUGE_VAL);
        above = nextafter(above, HUGE_VAL);
    }
    return ae_json_new_double(value);
}
