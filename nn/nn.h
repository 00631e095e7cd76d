/* nn/: modules with named parameters, initialisers, optimizers and schedules. Each header stands beside its module. */
#ifndef AE_NN_NN_H
#define AE_NN_NN_H

#include "nn/act.h"
#include "nn/average.h"
#include "nn/conv1d.h"
#include "nn/crf.h"
#include "nn/embedding.h"
#include "nn/feed_forward.h"
#include "nn/gru.h"
#include "nn/highway.h"
#include "nn/init.h"
#include "nn/kv_cache.h"
#include "nn/layer_norm.h"
#include "nn/linear.h"
#include "nn/lstm.h"
#include "nn/model.h"
#include "nn/multi_head_attention.h"
#include "nn/optimizer.h"
#include "nn/packing.h"
#include "nn/pooling.h"
#include "nn/rename.h"
#include "nn/rms_norm.h"
#include "nn/rnn.h"
#include "nn/scalar_mix.h"
#include "nn/schedule.h"
#include "nn/snapshot.h"
#include "nn/state.h"

#endif
