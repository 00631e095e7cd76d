/* Steps of optimizers. */
#include "tensor/kernel_checks.h"

void adam_steps(void)
{
    static float p[MAX_N], g[MAX_N], m[MAX_N], v[MAX_N];
    const ae_adam_rule rules[] = {
        {0.9, 0.999, 1, 0, 1e-3f, 1, 1e-8f, 0, 0},
        {0.8, 0.99, 0.5f, 0.01f, 0.1f, 3, 1e-3f, 0.02f, 0.03f},
    };
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        const ae_adam_rule *r = &rules[s % 2];
        double want[3][8];
        fill(p, n, -1, 1);
        fill(g, n, -1, 1);
        fill(m, n, -1, 1);
        fill(v, n, 0.01f, 1);
        float tail = p[n];
        int64_t probes[8];
        for (int i = 0; i < 8 && n > 0; i++) {
            int64_t at = probes[i] = n * i / 8 + (i == 7 ? n - 1 - n * i / 8 : 0);
            double d = (double)r->grad_scale * (double)g[at] + (double)r->l2 * (double)p[at];
            want[1][i] = r->beta1 * (double)m[at] + (1 - r->beta1) * d;
            want[2][i] = r->beta2 * (double)v[at] + (1 - r->beta2) * d * d;
            double q = (double)p[at] * (1 - (double)r->decay_before) -
                       (double)r->step * want[1][i] / ((double)r->root_scale * sqrt(want[2][i]) + (double)r->eps);
            want[0][i] = q - (double)r->decay_after * q;
        }
        k->adam(r, p, g, m, v, n);
        for (int i = 0; i < 8 && n > 0; i++) {
            check_near(p[probes[i]], want[0][i], 5e-7, "adam p", probes[i]);
            check_near(m[probes[i]], want[1][i], 3e-7, "adam m", probes[i]);
            check_near(v[probes[i]], want[2][i], 3e-7, "adam v", probes[i]);
        }
        assert_true(p[n] == tail);
    }
}

void sgd_steps(void)
{
    static float p[MAX_N], g[MAX_N], buf[MAX_N], before[MAX_N], buf_before[MAX_N];
    for (int s = 0; s < SIZES; s++) {
        int64_t n = size_at(s);
        for (int c = 0; c < 5; c++) {
            ae_sgd_rule r = {0.5f, 0.01f, 0.1f, 0.9f, 0.2f, c & 1, c & 2};
            bool plain = c == 4;
            fill(p, n + 1, -1, 1);
            fill(g, n + 1, -1, 1);
            fill(buf, n + 1, -1, 1);
            memcpy(before, p, sizeof p);
            memcpy(buf_before, buf, sizeof buf);
            k->sgd(&r, p, g, plain ? NULL : buf, n);
            for (int64_t i = 0; i < n; i++) {
                double d = 0.5 * (double)g[i] + (double)r.l2 * (double)before[i];
                double b = r.first ? d : (double)r.momentum * (double)buf_before[i] + (1 - (double)r.dampening) * d;
                double u = r.nesterov ? d + (double)r.momentum * b : b;
                check_near(p[i], (double)before[i] - (double)r.lr * (plain ? d : u), 3e-7, "sgd p", i);
                check_near(buf[i], plain ? (double)buf_before[i] : b, 3e-7, "sgd buf", i);
            }
            assert_true(p[n] == before[n] && buf[n] == buf_before[n]);
        }
    }
}

/* A NaN in the buffer that `first` overwrites must not live on. */
void sgd_first_step_ignores_the_buffer(void)
{
    float p = 1;
    float g = 2;
    float buf = NAN;
    ae_sgd_rule r = {1, 0, 0.5f, 0.9f, 0, false, true};
    k->sgd(&r, &p, &g, &buf, 1);
    assert_true(p == 0 && buf == 2);
}
