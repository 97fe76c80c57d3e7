/* SPDX-License-Identifier: Apache-2.0 */
/* Elementary functions by argument reduction and Taylor series in Horner form: only +, -, *, / and
 * conversions, each correctly rounded by IEEE 754, so the result is a function of the source alone.
 * Reduction constants split pi/2 and ln 2 into parts with trailing zero bits (Cody and Waite,
 * Software Manual for the Elementary Functions, 1980). */
#include <axcan/math.h>

static uint64_t bits_of(double x)
{
    union {
        double number;
        uint64_t bits;
    } view = {.number = x};

    return view.bits;
}

static double number_of(uint64_t bits)
{
    union {
        uint64_t bits;
        double number;
    } view = {.bits = bits};

    return view.number;
}

double axc_floor(double x)
{
    double whole = 0.0;

    if (!(x > -4503599627370496.0 && x < 4503599627370496.0)) {
        return x; /* no fraction bits, or not finite */
    }
    whole = (double)(int64_t)x;
    return whole > x ? whole - 1.0 : whole;
}

/* |x| <= pi/4; the first term left out is below 2^-63 of the result. */
static double sin_near(double x)
{
    double z = x * x;
    double p = 1.0 / 355687428096000.0;

    p = -1.0 / 1307674368000.0 + z * p;
    p = 1.0 / 6227020800.0 + z * p;
    p = -1.0 / 39916800.0 + z * p;
    p = 1.0 / 362880.0 + z * p;
    p = -1.0 / 5040.0 + z * p;
    p = 1.0 / 120.0 + z * p;
    p = -1.0 / 6.0 + z * p;
    return x + x * (z * p);
}

static double cos_near(double x)
{
    double z = x * x;
    double p = 1.0 / 20922789888000.0;

    p = -1.0 / 87178291200.0 + z * p;
    p = 1.0 / 479001600.0 + z * p;
    p = -1.0 / 3628800.0 + z * p;
    p = 1.0 / 40320.0 + z * p;
    p = -1.0 / 720.0 + z * p;
    p = 1.0 / 24.0 + z * p;
    p = -1.0 / 2.0 + z * p;
    return 1.0 + z * p;
}

/* x = quarter * pi/2 + *ret_rest, |rest| <= pi/4 (a little more by rounding). */
static int64_t reduce(double x, double *ret_rest)
{
    int64_t quarter = (int64_t)axc_floor(x * (2.0 / AXC_PI) + 0.5);
    double n = (double)quarter;
    double rest = x - n * 0x1.921fb544p+0; /* 33 bits of pi/2; n has at most 20 bits */

    rest -= n * 0x1.0b4611a6p-34;
    rest -= n * 0x1.3198a2e037073p-69;
    *ret_rest = rest;
    return quarter;
}

static double sin_quarter(int64_t quarter, double rest)
{
    double value = (quarter & 1) != 0 ? cos_near(rest) : sin_near(rest);

    return (quarter & 2) != 0 ? -value : value;
}

double axc_sin(double x)
{
    double rest = 0.0;
    int64_t quarter = 0;

    if (!(x >= -1048576.0 && x <= 1048576.0)) {
        return 0.0;
    }
    quarter = reduce(x, &rest);
    return sin_quarter(quarter, rest);
}

double axc_cos(double x)
{
    double rest = 0.0;
    int64_t quarter = 0;

    if (!(x >= -1048576.0 && x <= 1048576.0)) {
        return 1.0;
    }
    quarter = reduce(x, &rest);
    return sin_quarter(quarter + 1, rest);
}

/* |x| <= 1/8. */
static double atan_near(double x)
{
    double z = x * x;
    double p = 1.0 / 17.0;

    p = -1.0 / 15.0 + z * p;
    p = 1.0 / 13.0 + z * p;
    p = -1.0 / 11.0 + z * p;
    p = 1.0 / 9.0 + z * p;
    p = -1.0 / 7.0 + z * p;
    p = 1.0 / 5.0 + z * p;
    p = -1.0 / 3.0 + z * p;
    return x + x * (z * p);
}

/* 0 <= x <= 1: atan x = atan c + atan((x - c) / (1 + x c)) with the nearest c = k/4. */
static double atan_unit(double x)
{
    static const double atan_quarters[5] = {0.0, 0.24497866312686415, 0.4636476090008061,
                                            0.6435011087932844, 0.7853981633974483};
    int k = (int)(x * 4.0 + 0.5);
    double c = (double)k * 0.25;

    return atan_quarters[k] + atan_near((x - c) / (1.0 + x * c));
}

double axc_atan(double x)
{
    double size = axc_fabs(x);
    double angle = size <= 1.0 ? atan_unit(size) : AXC_PI / 2.0 - atan_unit(1.0 / size);

    return x < 0.0 ? -angle : angle;
}

double axc_atan2(double y, double x)
{
    double angle = 0.0;
    double ax = axc_fabs(x);
    double ay = axc_fabs(y);

    if (ax == 0.0 && ay == 0.0) {
        return 0.0;
    }
    angle = ay <= ax ? atan_unit(ay / ax) : AXC_PI / 2.0 - atan_unit(ax / ay);
    if (x < 0.0) {
        angle = AXC_PI - angle;
    }
    return y < 0.0 ? -angle : angle;
}

/* exp x = 2^k exp r with |r| <= ln2/2. */
double axc_exp(double x)
{
    double k = 0.0;
    double r = 0.0;
    double p = 1.0 / 6227020800.0;

    if (!(x < 709.0)) {
        return __builtin_inf();
    }
    if (x < -708.0) {
        return 0.0;
    }
    k = axc_floor(x * 0x1.71547652b82fep+0 + 0.5);
    r = (x - k * 0x1.62e42fefp-1) - k * 0x1.473de6af278edp-34;
    p = 1.0 / 479001600.0 + r * p;
    p = 1.0 / 39916800.0 + r * p;
    p = 1.0 / 3628800.0 + r * p;
    p = 1.0 / 362880.0 + r * p;
    p = 1.0 / 40320.0 + r * p;
    p = 1.0 / 5040.0 + r * p;
    p = 1.0 / 720.0 + r * p;
    p = 1.0 / 120.0 + r * p;
    p = 1.0 / 24.0 + r * p;
    p = 1.0 / 6.0 + r * p;
    p = 1.0 / 2.0 + r * p;
    p = 1.0 + (r + r * r * p);
    return p * number_of((uint64_t)((int64_t)k + 1023) << 52);
}

/* x = 2^k m, sqrt(1/2) <= m < sqrt(2); log m = 2 atanh((m - 1) / (m + 1)). */
double axc_log(double x)
{
    uint64_t bits = bits_of(x);
    int64_t k = (int64_t)(bits >> 52) - 1023;
    double m = number_of((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
    double s = 0.0;
    double z = 0.0;
    double p = 1.0 / 21.0;

    if (!(x >= 0x1p-1022 && x <= 0x1.fffffffffffffp+1023)) {
        return -__builtin_inf();
    }
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        k++;
    }
    s = (m - 1.0) / (m + 1.0);
    z = s * s;
    for (int n = 19; n >= 3; n -= 2) {
        p = 1.0 / (double)n + z * p;
    }
    return (double)k * 0x1.62e42fefp-1 +
           (2.0 * s + (2.0 * s * (z * p) + (double)k * 0x1.473de6af278edp-34));
}
