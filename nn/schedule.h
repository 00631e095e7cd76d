/* Learning-rate schedules: pure functions of the step. */
#ifndef AE_NN_SCHEDULE_H
#define AE_NN_SCHEDULE_H

#include "tensor/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One row a schedule: name, source, the factor of the base rate at step s, counted from 0; w = warmup, T = total,
 * x = (s - w)/(T - w). "rise" is s/w during the first w steps. Lines end at 0 (or at their end rate) when s reaches T;
 * cosine goes on past T as the reference does. */
#define AE_SCHEDULES(ROW)                                                                                              \
    ROW(constant, "all", "1")                                                                                          \
    ROW(constant_with_warmup, "Hugging Face", "rise, then 1")                                                          \
    ROW(linear, "Hugging Face", "rise, then 1 - x")                                                                    \
    ROW(cosine, "Hugging Face", "rise, then (1 + cos(2 pi cycles x))/2")                                               \
    ROW(cosine_with_restarts, "Hugging Face", "rise, then (1 + cos(pi frac(cycles x)))/2")                             \
    ROW(polynomial, "Hugging Face", "rise, then (1 - x)^power from the base rate down to end_rate")                    \
    ROW(inverse_sqrt, "Hugging Face", "rise, then sqrt(timescale/(s - w + timescale))")                                \
    ROW(uer_inverse_sqrt, "UER-py", "rise, then sqrt(w/s), past T end_rate")                                           \
    ROW(uer_tri_stage, "UER-py, fairseq",                                                                              \
        "start_scale up to 1, 1, end_scale^(y/decay) over the last stage, end_scale")                                  \
    ROW(bert, "google-research/bert", "rise, then 1 - s/T: the line runs from step 0, so the rate drops at s = w")     \
    ROW(xlnet, "zihangdai/xlnet", "rise, then (1 - m)(1 - x) + m, m = end_scale")                                      \
    ROW(gpt1_linear, "openai/finetune-transformer-lm", "rise times (1 - s/T), then 1 - s/T")                           \
    ROW(gpt1_cosine, "openai/finetune-transformer-lm", "rise, then (1 + cos(pi s/T))/2")                               \
    ROW(t5, "text-to-text-transfer-transformer", "1/sqrt(max(s, w)), with decay > 0 down to 0 over the last steps")    \
    ROW(nanogpt, "karpathy/nanoGPT", "(s+1)/(w+1), then m + (1 - m)(1 + cos(pi x))/2, m = end_scale, m past T")        \
    ROW(noam, "Vaswani et al. 2017, equation 3", "width^-1/2 min((s+1)^-1/2, (s+1) w^-3/2)")

/* A schedule and its numbers; get one from ae_schedule_make. Fractions of a step do not exist, so counts are whole. */
typedef struct ae_schedule {
    const char *name;
    double base;        /* the rate that the factor multiplies */
    int64_t warmup;     /* w */
    int64_t total;      /* T */
    int64_t decay;      /* uer_tri_stage, t5: steps of the last stage */
    double cycles;      /* cosine (1/2), cosine_with_restarts (1) */
    double power;       /* polynomial (1) */
    double end_rate;    /* polynomial, uer_inverse_sqrt (1e-7): a rate, not a factor */
    double start_scale; /* uer_tri_stage (0.01) */
    double end_scale;   /* uer_tri_stage (0.01), xlnet (0), nanogpt (0.1) */
    double timescale;   /* inverse_sqrt; 0: warmup, or 10000 without one */
    double width;       /* noam: the model's hidden width (512) */
} ae_schedule;

/* A schedule with the published defaults of its other numbers; the name is kept as given, without a copy. */
AE_API ae_schedule ae_schedule_make(const char *name, double base, int64_t warmup, int64_t total);

/* Whether the numbers are usable; -1 with e filled: an unknown name (the nearest is given), a negative or non-finite
 * number, a schedule that decays with total < warmup, a polynomial that rises. */
AE_API int ae_schedule_check(const ae_schedule *s, ae_err *e);

/* The rate of a step, counted from 0: 0 for an unknown name; steps below 0 count as 0. */
AE_API double ae_schedule_rate(const ae_schedule *s, int64_t step);

AE_API int ae_schedule_count(void);           /* rows in the list */
AE_API const char *ae_schedule_name(int i);   /* NULL outside 0..count-1, as the next two */
AE_API const char *ae_schedule_source(int i); /* whose schedule it is */
AE_API const char *ae_schedule_formula(int i);

/* ---- schedules that look at results ---------------------------------------------------------------------------------- */

/* torch.optim.lr_scheduler.ReduceLROnPlateau with relative threshold: the rate is multiplied by factor after more than
 * `patience` results in a row that do not improve on the best. Plain data: copy it to save it. */
typedef struct ae_plateau {
    double rate;
    double factor;    /* 0.1 */
    double threshold; /* 1e-4: better means best (1 - threshold), or best (1 + threshold) when more is better */
    double least;     /* the rate does not go below: 0 */
    double best;
    int64_t patience; /* 10 */
    int64_t cooldown; /* results ignored after a reduction: 0 */
    int64_t bad, cooling;
    bool more_is_better;
    bool begun;
} ae_plateau;

AE_API ae_plateau ae_plateau_make(double rate, bool more_is_better);
AE_API double ae_plateau_update(ae_plateau *p, double result); /* the rate from now on; NaN counts as not better */

/* InferSent's rule: from the second epoch on the rate is multiplied by decay; when the accuracy on the development set
 * does not improve it is divided by shrink; training ends below least. Plain data. */
typedef struct ae_infersent_schedule {
    double rate;   /* 0.1 */
    double decay;  /* 0.99 */
    double shrink; /* 5 */
    double least;  /* 1e-5 */
    double best;   /* accuracy so far */
    int64_t epoch; /* epochs begun */
    bool stopped;
} ae_infersent_schedule;

AE_API ae_infersent_schedule ae_infersent_schedule_make(double rate);
AE_API double ae_infersent_begin_epoch(ae_infersent_schedule *s); /* the rate of this epoch */
AE_API void ae_infersent_end_epoch(ae_infersent_schedule *s, double accuracy);

#ifdef __cplusplus
}
#endif
#endif
