/* Internal to autograd/: ids of the right classes, as losses take them; one id may stand for "does not count". */
#ifndef AE_AUTOGRAD_CLASS_TARGETS_H
#define AE_AUTOGRAD_CLASS_TARGETS_H

#include "autograd/op.h"

/* Checks in a shape rule that input i holds i64 or i32 ids below `classes`, or ignore_index; 0, or -1 after failing. */
int ae_targets_check(ae_call *c, int i, int64_t classes, int64_t ignore_index);

/* Checks that label_smoothing lies in 0 to 1; 0, or -1 after failing. */
int ae_label_smoothing_check(ae_call *c, double smoothing);

/* What the mean divides by: how many targets count, at least 1. */
double ae_targets_count(const ae_tensor *targets, int64_t ignore_index);

#endif
