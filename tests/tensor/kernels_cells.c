/* Cells of recurrent layers, against differences of the plain forward. */
#include "tensor/kernel_checks.h"

enum { MAX_IN = 8, MAX_OUT = 2 };

/* One unit of a cell: inputs to outputs. */
typedef void (*plain_cell)(const double *in, double *out);

static double lstm_limit = INFINITY;

/* i, f, g, o, c_prev -> c, h */
static void plain_lstm(const double *in, double *out)
{
    double c = sigmoid(in[1]) * in[4] + sigmoid(in[0]) * tanh(in[2]);
    out[0] = fmax(-lstm_limit, fmin(lstm_limit, c));
    out[1] = sigmoid(in[3]) * tanh(out[0]);
}

/* xr, xz, xn, hr, hz, hn, h_prev -> h */
static void plain_gru(const double *in, double *out)
{
    double r = sigmoid(in[0] + in[3]);
    double z = sigmoid(in[1] + in[4]);
    double n = tanh(in[2] + r * in[5]);
    out[0] = (1 - z) * n + z * in[6];
}

/* candidate, z's pre-activation, h_prev -> h */
static void plain_gru_output(const double *in, double *out)
{
    double z = sigmoid(in[1]);
    out[0] = (1 - z) * tanh(in[0]) + z * in[2];
}

/* r's pre-activation, h_prev -> r·h_prev */
static void plain_gru_reset(const double *in, double *out)
{
    out[0] = sigmoid(in[0]) * in[1];
}

/* din[i] = Σ_o dout[o]·∂out[o]/∂in[i] */
static void plain_backward(plain_cell cell, int inputs, int outputs, const double *in, const double *dout, double *din)
{
    const double step = 1e-5;
    for (int i = 0; i < inputs; i++) {
        double moved[2][MAX_OUT];
        double at[MAX_IN];
        memcpy(at, in, (size_t)inputs * sizeof *at);
        at[i] = in[i] - step;
        cell(at, moved[0]);
        at[i] = in[i] + step;
        cell(at, moved[1]);
        din[i] = 0;
        for (int o = 0; o < outputs; o++) {
            din[i] += dout[o] * (moved[1][o] - moved[0][o]) / (2 * step);
        }
    }
}

enum { MAX_H = 1100 };

static void lstm_size(int64_t h, float clip)
{
    static float gates[4 * MAX_H], c_prev[MAX_H], act[4 * MAX_H], c[MAX_H], out[MAX_H];
    static float dh[MAX_H], dc[MAX_H], dgates[4 * MAX_H], dc_prev[MAX_H];
    lstm_limit = clip > 0 ? (double)clip : INFINITY;
    fill(gates, 4 * h, -3, 3);
    fill(c_prev, h, -2, 2);
    fill(dh, h, -1, 1);
    fill(dc, h, -1, 1);
    k->lstm(gates, c_prev, clip, act, c, out, h);
    for (int later = 0; later < 2; later++) {
        k->lstm_backward(act, c_prev, c, clip, dh, later ? dc : NULL, dgates, dc_prev, h);
        for (int64_t j = 0; j < h; j++) {
            double in[5] = {(double)gates[j], (double)gates[h + j], (double)gates[2 * h + j], (double)gates[3 * h + j],
                            (double)c_prev[j]};
            double dout[2] = {later ? (double)dc[j] : 0, (double)dh[j]};
            double want[2];
            double din[5];
            plain_lstm(in, want);
            check_near(c[j], want[0], 1e-6, "lstm c", j);
            check_near(out[j], want[1], 1e-6, "lstm h", j);
            if (fabs(fabs(want[0]) - lstm_limit) < 1e-4 && fabs(want[0]) < lstm_limit) {
                continue; /* too near the kink for differences */
            }
            plain_backward(plain_lstm, 5, 2, in, dout, din);
            for (int gate = 0; gate < 4; gate++) {
                check_near(dgates[gate * h + j], din[gate], 2e-6, "lstm_backward gate", j);
            }
            check_near(dc_prev[j], din[4], 2e-6, "lstm_backward c_prev", j);
        }
    }
    float in_place[4 * MAX_H];
    memcpy(in_place, gates, (size_t)(4 * h) * sizeof *gates);
    k->lstm(in_place, c_prev, clip, in_place, c, out, h);
    assert_memory_equal(in_place, act, (size_t)(4 * h) * sizeof *act);
    k->lstm_backward(in_place, c_prev, c, clip, dh, dc, in_place, dc, h);
    assert_memory_equal(in_place, dgates, (size_t)(4 * h) * sizeof *act);
    assert_memory_equal(dc, dc_prev, (size_t)h * sizeof *dc);
}

static void gru_size(int64_t h)
{
    static float xg[3 * MAX_H], hg[3 * MAX_H], h_prev[MAX_H], act[3 * MAX_H], out[MAX_H];
    static float dh[MAX_H], dxg[3 * MAX_H], dhg[3 * MAX_H], dh_prev[MAX_H];
    fill(xg, 3 * h, -2, 2);
    fill(hg, 3 * h, -2, 2);
    fill(h_prev, h, -1, 1);
    fill(dh, h, -1, 1);
    k->gru(xg, hg, h_prev, act, out, h);
    k->gru_backward(act, hg + 2 * h, h_prev, dh, dxg, dhg, dh_prev, h);
    for (int64_t j = 0; j < h; j++) {
        double in[7];
        double want;
        double din[7];
        double dout = (double)dh[j];
        for (int gate = 0; gate < 3; gate++) {
            in[gate] = (double)xg[gate * h + j];
            in[3 + gate] = (double)hg[gate * h + j];
        }
        in[6] = (double)h_prev[j];
        plain_gru(in, &want);
        plain_backward(plain_gru, 7, 1, in, &dout, din);
        check_near(out[j], want, 1e-6, "gru", j);
        for (int gate = 0; gate < 3; gate++) {
            check_near(dxg[gate * h + j], din[gate], 2e-6, "gru_backward x", j);
            check_near(dhg[gate * h + j], din[3 + gate], 2e-6, "gru_backward h", j);
        }
        check_near(dh_prev[j], din[6], 2e-6, "gru_backward h_prev", j);
    }
    k->gru(xg, hg, h_prev, xg, out, h);
    assert_memory_equal(xg, act, (size_t)(3 * h) * sizeof *act);
    k->gru_backward(act, hg + 2 * h, h_prev, dh, act, hg, dh, h);
    assert_memory_equal(act, dxg, (size_t)(3 * h) * sizeof *act);
    assert_memory_equal(dh, dh_prev, (size_t)h * sizeof *dh);
}

static void gru_before_size(int64_t h)
{
    static float gates[2 * MAX_H], h_prev[MAX_H], act[2 * MAX_H], rh[MAX_H], candidate[MAX_H], n[MAX_H], out[MAX_H];
    static float dh[MAX_H], drh[MAX_H], dcandidate[MAX_H], dz[MAX_H], dr[MAX_H], dh_prev[MAX_H];
    fill(gates, 2 * h, -2, 2);
    fill(candidate, h, -2, 2);
    fill(h_prev, h, -1, 1);
    fill(dh, h, -1, 1);
    fill(drh, h, -1, 1);
    k->gru_reset(gates, h_prev, act, rh, h);
    k->gru_output(candidate, act + h, h_prev, n, out, h);
    k->gru_output_backward(n, act + h, h_prev, dh, dcandidate, dz, dh_prev, h);
    k->gru_reset_backward(act, h_prev, drh, dr, dh_prev, h);
    for (int64_t j = 0; j < h; j++) {
        double step2[3] = {(double)candidate[j], (double)gates[h + j], (double)h_prev[j]};
        double step1[2] = {(double)gates[j], (double)h_prev[j]};
        double want;
        double din2[3];
        double din1[2];
        double dout2 = (double)dh[j];
        double dout1 = (double)drh[j];
        plain_gru_reset(step1, &want);
        check_near(rh[j], want, 1e-6, "gru_reset", j);
        plain_gru_output(step2, &want);
        check_near(out[j], want, 1e-6, "gru_output", j);
        plain_backward(plain_gru_output, 3, 1, step2, &dout2, din2);
        plain_backward(plain_gru_reset, 2, 1, step1, &dout1, din1);
        check_near(dcandidate[j], din2[0], 2e-6, "gru_output_backward candidate", j);
        check_near(dz[j], din2[1], 2e-6, "gru_output_backward z", j);
        check_near(dr[j], din1[0], 2e-6, "gru_reset_backward r", j);
        check_near(dh_prev[j], din2[2] + din1[1], 3e-6, "gru backward h_prev", j);
    }
}

void cells(void)
{
    for (int64_t h = 0; h < SMALL_SIZES; h++) {
        lstm_size(h, 0);
        lstm_size(h, 0.5f);
        gru_size(h);
        gru_before_size(h);
    }
    lstm_size(1024 + 17, 0);
    gru_size(1024 + 17);
    gru_before_size(1024 + 17);
}
