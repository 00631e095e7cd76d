#include "tensor/onednn.h"

#include "tensor/counters.h"
#include "tensor/onednn_internal.h"
#include "tensor/threads.h"

#include <omp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BIAS_POST_OP = 1 }; /* where the bias stands among the post-ops when alpha must come before it */
enum { SCRATCH_KEPT = 8 }; /* scratchpads that wait, one for each thread that computes at the same time */

typedef struct scratchpad {
    void *data;
    size_t bytes;
} scratchpad;

/* The state of the door, under its lock. */
static struct {
    pthread_mutex_t lock;
    dnnl_engine_t engine;
    uint64_t clock;
    int count;
    uint64_t hashes[AE_ONEDNN_CACHE_MAX]; /* of waiting[i], side by side to be searched quickly */
    ae_matmul *waiting[AE_ONEDNN_CACHE_MAX];
    scratchpad scratch[SCRATCH_KEPT];
} door = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- small things ------------------------------------------------------------------------------------------------ */

const char *ae_onednn_version(char text[AE_ONEDNN_NAME_MAX])
{
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, AE_ONEDNN_NAME_MAX, "%d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

dnnl_engine_t ae_onednn_engine(void)
{
    pthread_mutex_lock(&door.lock);
    if (!door.engine && dnnl_engine_create(&door.engine, dnnl_cpu, 0) != dnnl_success) {
        door.engine = NULL;
    }
    const dnnl_engine_t engine = door.engine;
    pthread_mutex_unlock(&door.lock);
    return engine;
}

dnnl_data_type_t ae_onednn_dtype(ae_dtype dtype)
{
    switch (dtype) {
    case AE_F32:
        return dnnl_f32;
    case AE_BF16:
        return dnnl_bf16;
    case AE_I8:
        return dnnl_s8;
    case AE_I32:
        return dnnl_s32;
    default:
        return dnnl_data_type_undef;
    }
}

bool ae_onednn_is_fast(const_dnnl_primitive_desc_t pd, char name[AE_ONEDNN_NAME_MAX])
{
    const char *text = NULL;
    if (dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &text) != dnnl_success || !text) {
        text = "unknown";
    }
    snprintf(name, AE_ONEDNN_NAME_MAX, "%s", text);
    return strncmp(name, "ref", 3) != 0; /* "ref:any" is a loop that tells oneDNN's meaning, a thousand times slower */
}

int ae_onednn_failed(ae_err *e, const char *what, dnnl_status_t status)
{
    if (status == dnnl_out_of_memory) {
        return ae_err_set(e, AE_E_MEMORY, "gemm: oneDNN has no memory for %s", what);
    }
    return ae_err_set(e, AE_E_UNSUPPORTED, "gemm: oneDNN failed at %s (status %d)", what, (int)status);
}

int ae_onednn_no_scratch(ae_err *e, size_t bytes)
{
    return ae_err_set(e, AE_E_MEMORY, "gemm: no memory for %zu bytes of scratch", bytes);
}

/* oneDNN takes its thread count from the calling thread's OpenMP setting. Returns that, to be put back. */
static int set_threads(int *threads)
{
    const int old = omp_get_max_threads();
    *threads = omp_in_parallel() ? 1 : ae_threads();
    if (old != *threads) {
        omp_set_num_threads(*threads);
    }
    /* The threads of the pool belong to the thread that starts them, and new ones inherit its state. */
    static _Thread_local int prepared;
    if (*threads > prepared) {
        prepared = *threads;
        ae_threads_prepare_all();
    }
    return old;
}

static void restore_threads(int old, int threads)
{
    if (old != threads) {
        omp_set_num_threads(old);
    }
}

/* ---- from a product to a primitive ------------------------------------------------------------------------------- */

void ae_matmul_key_of(const ae_gemm *q, ae_matmul_key *key)
{
    memset(key, 0, sizeof *key);
    key->batch = q->batch;
    key->m = q->m;
    key->n = q->n;
    key->k = q->k;
    key->a_stride[0] = q->a_batch;
    key->a_stride[1] = q->a_row;
    key->a_stride[2] = q->a_col;
    key->b_stride[0] = q->b_batch;
    key->b_stride[1] = q->b_row;
    key->b_stride[2] = q->b_col;
    key->c_stride[0] = q->c_batch;
    key->c_stride[1] = q->c_row;
    key->pack_m = -1;
    key->a_dtype = (int32_t)q->a_dtype;
    key->c_dtype = (int32_t)q->c_dtype;
    key->bias = q->bias ? (int32_t)q->bias_dtype : -1;
    key->activation = (int32_t)q->activation;
    key->accumulate = q->accumulate != 0;
    key->threads = omp_get_max_threads();
    key->alpha = q->alpha;
}

/* One operand: two axes when there is one matrix (a batch axis with stride 0 sends oneDNN to its reference loop),
 * else three, the batch axis of extent 1 when it broadcasts. */
static dnnl_status_t describe_operand(ae_desc *desc, ae_dtype dtype, int64_t batch, int64_t rows, int64_t cols,
                                      int64_t batch_stride, int64_t row, int64_t col)
{
    const int64_t broadcast = row > col ? row * rows : col * cols;
    const int64_t dims[3] = {batch_stride ? batch : 1, rows, cols};
    const int64_t strides[3] = {batch_stride ? batch_stride : broadcast, row, col};
    const int skip = batch == 1;
    return ae_desc_new(desc, 3 - skip, dims + skip, ae_onednn_dtype(dtype), row || col ? strides + skip : NULL);
}

static const struct {
    dnnl_alg_kind_t kind;
    float alpha;
} activation_kinds[AE_ACTIVATION_COUNT] = {
    [AE_GEMM_RELU] = {dnnl_eltwise_relu, 0},           [AE_GEMM_GELU] = {dnnl_eltwise_gelu_erf, 0},
    [AE_GEMM_GELU_TANH] = {dnnl_eltwise_gelu_tanh, 0}, [AE_GEMM_TANH] = {dnnl_eltwise_tanh, 0},
    [AE_GEMM_SIGMOID] = {dnnl_eltwise_logistic, 0},    [AE_GEMM_SILU] = {dnnl_eltwise_swish, 1},
};

/* Scale, bias when it must follow the scale, activation, sum: the order of the formula in gemm.h. */
static dnnl_status_t add_post_ops(const ae_matmul_key *key, ae_desc_ref bias, dnnl_primitive_attr_t attributes)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && key->alpha != 1.0F) {
        status = ae_post_eltwise(ops, dnnl_eltwise_linear, key->alpha);
        if (status == dnnl_success && bias) {
            status = dnnl_post_ops_append_binary(ops, dnnl_binary_add, bias);
        }
    }
    if (status == dnnl_success && key->activation != AE_GEMM_NONE) {
        status = ae_post_eltwise(ops, activation_kinds[key->activation].kind, activation_kinds[key->activation].alpha);
    }
    if (status == dnnl_success && key->accumulate) {
        status = ae_post_sum(ops);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_attr_set_post_ops(attributes, ops);
    }
    if (ops) {
        dnnl_post_ops_destroy(ops);
    }
    return status;
}

dnnl_status_t ae_matmul_describe_key(const ae_matmul_key *key, ae_desc_ref b, dnnl_primitive_desc_t *pd)
{
    ae_desc da = NULL, db = NULL, dc = NULL, dbias = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    *pd = NULL;
    dnnl_status_t status = describe_operand(&da, (ae_dtype)key->a_dtype, key->batch, key->m, key->k, key->a_stride[0],
                                            key->a_stride[1], key->a_stride[2]);
    if (status == dnnl_success && !b) {
        status = describe_operand(&db, (ae_dtype)key->a_dtype, key->batch, key->k, key->n, key->b_stride[0],
                                  key->b_stride[1], key->b_stride[2]);
    }
    if (status == dnnl_success) {
        status = describe_operand(&dc, (ae_dtype)key->c_dtype, key->batch, key->m, key->n, key->c_stride[0],
                                  key->c_stride[1], 1);
    }
    if (status == dnnl_success && key->bias >= 0) {
        const int64_t dims[3] = {1, 1, key->n};
        const int64_t strides[3] = {key->n, key->n, 1};
        const int skip = key->batch == 1;
        status = ae_desc_new(&dbias, 3 - skip, dims + skip, ae_onednn_dtype((ae_dtype)key->bias), strides + skip);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_attr_create(&attributes);
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    }
    if (status == dnnl_success) {
        status = add_post_ops(key, dbias, attributes);
    }
    if (status == dnnl_success) {
        status = ae_matmul_describe(pd, ae_onednn_engine(), da, b ? b : db, key->alpha == 1.0F ? dbias : NULL, dc,
                                    attributes);
    }
    dnnl_primitive_attr_destroy(attributes);
    ae_desc_free(da);
    ae_desc_free(db);
    ae_desc_free(dc);
    ae_desc_free(dbias);
    return status;
}

void ae_matmul_free(ae_matmul *p)
{
    if (!p) {
        return;
    }
    dnnl_memory_t memories[] = {p->a, p->b, p->c, p->bias, p->scratch};
    for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++) {
        dnnl_memory_destroy(memories[i]);
    }
    dnnl_stream_destroy(p->stream);
    dnnl_primitive_destroy(p->prim);
    free(p);
}

/* Memory of no data yet, in the layout that the primitive wants for one argument. */
static dnnl_status_t make_memory(dnnl_memory_t *memory, const_dnnl_primitive_desc_t pd, int argument)
{
    return dnnl_memory_create(memory, dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, argument),
                              ae_onednn_engine(), DNNL_MEMORY_NONE);
}

static dnnl_status_t matmul_fill(ae_matmul *p, const_dnnl_primitive_desc_t pd)
{
    const ae_desc_ref scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    p->scratch_bytes = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    dnnl_status_t status = dnnl_primitive_create(&p->prim, pd);
    if (status == dnnl_success) {
        status = dnnl_stream_create(&p->stream, ae_onednn_engine(), dnnl_stream_default_flags);
    }
    if (status == dnnl_success) {
        status = make_memory(&p->a, pd, DNNL_ARG_SRC);
    }
    if (status == dnnl_success) {
        status = make_memory(&p->b, pd, DNNL_ARG_WEIGHTS);
    }
    if (status == dnnl_success) {
        status = make_memory(&p->c, pd, DNNL_ARG_DST);
    }
    if (status == dnnl_success && p->key.bias >= 0) {
        const int after_scale = DNNL_ARG_ATTR_MULTIPLE_POST_OP(BIAS_POST_OP) | DNNL_ARG_SRC_1;
        status = make_memory(&p->bias, pd, p->key.alpha == 1.0F ? DNNL_ARG_BIAS : after_scale);
    }
    if (status == dnnl_success && p->scratch_bytes > 0) {
        status = dnnl_memory_create(&p->scratch, scratch, ae_onednn_engine(), DNNL_MEMORY_NONE);
    }
    return status;
}

/* A new entry for key. What oneDNN refuses or only has as a reference loop becomes an entry without a primitive, so
 * that the next product of this kind need not ask again. NULL on failure, with e filled. */
static ae_matmul *matmul_new(const ae_matmul_key *key, uint64_t hash, const ae_onednn_pack *pack, ae_err *e)
{
    if (!ae_onednn_engine()) {
        ae_err_set(e, AE_E_UNSUPPORTED, "gemm: oneDNN cannot make its engine for this processor");
        return NULL;
    }
    ae_matmul *p = calloc(1, sizeof *p);
    if (!p) {
        ae_err_set(e, AE_E_MEMORY, "gemm: no memory for a primitive");
        return NULL;
    }
    p->key = *key;
    p->hash = hash;
    dnnl_primitive_desc_t pd;
    dnnl_status_t status = ae_matmul_describe_key(key, pack ? ae_onednn_pack_desc(pack) : NULL, &pd);
    if (status == dnnl_success && ae_onednn_is_fast(pd, p->name)) {
        status = matmul_fill(p, pd);
        if (status != dnnl_success) {
            ae_onednn_failed(e, "making a matmul", status);
            ae_matmul_free(p);
            p = NULL;
        }
    } else if (status == dnnl_out_of_memory) {
        ae_onednn_failed(e, "describing a matmul", status);
        ae_matmul_free(p);
        p = NULL;
    } else {
        p->name[0] = '\0';
    }
    dnnl_primitive_desc_destroy(pd);
    return p;
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

uint64_t ae_matmul_hash(const ae_matmul_key *key)
{
    uint64_t words[sizeof *key / sizeof(uint64_t)];
    memcpy(words, key, sizeof words);
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        h = (h ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    return h;
}

/* Takes waiting entry i out. The lock is held. */
static ae_matmul *cache_remove(int i)
{
    ae_matmul *p = door.waiting[i];
    door.count--;
    door.waiting[i] = door.waiting[door.count];
    door.hashes[i] = door.hashes[door.count];
    return p;
}

ae_matmul *ae_matmul_take(const ae_matmul_key *key, uint64_t hash, const ae_onednn_pack *pack, ae_err *e)
{
    pthread_mutex_lock(&door.lock);
    for (int i = 0; i < door.count; i++) {
        if (door.hashes[i] == hash && !memcmp(&door.waiting[i]->key, key, sizeof *key)) {
            ae_matmul *p = cache_remove(i);
            pthread_mutex_unlock(&door.lock);
            return p;
        }
    }
    pthread_mutex_unlock(&door.lock);
    return matmul_new(key, hash, pack, e);
}

void ae_matmul_put(ae_matmul *p)
{
    ae_matmul *oldest = NULL;
    pthread_mutex_lock(&door.lock);
    if (door.count == AE_ONEDNN_CACHE_MAX) {
        int least = 0;
        for (int i = 1; i < door.count; i++) {
            least = door.waiting[i]->used < door.waiting[least]->used ? i : least;
        }
        oldest = cache_remove(least);
    }
    p->used = ++door.clock;
    door.hashes[door.count] = p->hash;
    door.waiting[door.count++] = p;
    pthread_mutex_unlock(&door.lock);
    ae_matmul_free(oldest);
}

int ae_onednn_cached(void)
{
    pthread_mutex_lock(&door.lock);
    const int count = door.count;
    pthread_mutex_unlock(&door.lock);
    return count;
}

/* A scratchpad of at least `bytes`, the largest that waits; data is NULL when there is no memory. */
static scratchpad scratch_take(size_t bytes)
{
    scratchpad s = {0};
    pthread_mutex_lock(&door.lock);
    for (int i = 0; i < SCRATCH_KEPT; i++) {
        if (door.scratch[i].bytes > s.bytes) {
            const scratchpad other = s;
            s = door.scratch[i];
            door.scratch[i] = other;
        }
    }
    pthread_mutex_unlock(&door.lock);
    if (s.bytes < bytes) {
        free(s.data);
        s.bytes = (bytes + 4095) / 4096 * 4096;
        s.data = aligned_alloc(4096, s.bytes);
        s.bytes = s.data ? s.bytes : 0;
    }
    return s;
}

static void scratch_put(scratchpad s)
{
    pthread_mutex_lock(&door.lock);
    for (int i = 0; i < SCRATCH_KEPT && s.data; i++) {
        if (!door.scratch[i].data) {
            door.scratch[i] = s;
            s = (scratchpad){0};
        }
    }
    pthread_mutex_unlock(&door.lock);
    free(s.data);
}

void ae_onednn_release(void)
{
    ae_onednn_release_sets();
    ae_onednn_release_repacks();
    pthread_mutex_lock(&door.lock);
    while (door.count > 0) {
        ae_matmul_free(cache_remove(door.count - 1));
    }
    for (int i = 0; i < SCRATCH_KEPT; i++) {
        free(door.scratch[i].data);
        door.scratch[i] = (scratchpad){0};
    }
    pthread_mutex_unlock(&door.lock);
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static dnnl_status_t point(dnnl_memory_t memory, const void *data)
{
    return dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data); /* oneDNN's handles know no const */
}

int ae_matmul_execute(ae_matmul *p, const ae_gemm *q, const ae_onednn_pack *pack, void *scratch, ae_err *e)
{
    dnnl_status_t status = point(p->a, q->a);
    status = status == dnnl_success && !pack ? point(p->b, q->b) : status;
    status = status == dnnl_success ? point(p->c, q->c) : status;
    dnnl_exec_arg_t arguments[5] = {
        {DNNL_ARG_SRC, p->a}, {DNNL_ARG_WEIGHTS, pack ? pack->memory : p->b}, {DNNL_ARG_DST, p->c}};
    int count = 3; /* a pack brings its own memory: pointing at a blocked layout writes zeros into its padding */
    if (p->bias) {
        status = status == dnnl_success ? point(p->bias, q->bias) : status;
        const int after_scale = DNNL_ARG_ATTR_MULTIPLE_POST_OP(BIAS_POST_OP) | DNNL_ARG_SRC_1;
        arguments[count++] = (dnnl_exec_arg_t){q->alpha == 1.0F ? DNNL_ARG_BIAS : after_scale, p->bias};
    }
    if (p->scratch) {
        status = status == dnnl_success ? point(p->scratch, scratch) : status;
        arguments[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, p->scratch};
    }
    if (status == dnnl_success) {
        status = dnnl_primitive_execute(p->prim, p->stream, count, arguments);
    }
    if (status == dnnl_success) {
        status = dnnl_stream_wait(p->stream);
    }
    return status == dnnl_success ? 0 : ae_onednn_failed(e, "running a matmul", status);
}

/* With a scratchpad out of those that wait. */
static int execute(ae_matmul *p, const ae_gemm *q, const ae_onednn_pack *pack, ae_err *e)
{
    scratchpad s = {0};
    if (p->scratch_bytes > 0) {
        s = scratch_take(p->scratch_bytes);
        if (!s.data) {
            return ae_onednn_no_scratch(e, p->scratch_bytes);
        }
    }
    const int result = ae_matmul_execute(p, q, pack, s.data, e);
    scratch_put(s);
    return result;
}

static void count_call(const ae_gemm *q, bool packed)
{
    if (q->a_dtype == AE_I8) {
        ae_kernel_called(AE_K_GEMM_ONEDNN_I8);
    } else if (q->a_dtype == AE_BF16) {
        ae_kernel_called(packed ? AE_K_GEMM_PACKED_BF16 : AE_K_GEMM_ONEDNN_BF16);
    } else {
        ae_kernel_called(packed ? AE_K_GEMM_PACKED_F32 : AE_K_GEMM_ONEDNN_F32);
    }
}

static void key_with_pack(const ae_gemm *q, const ae_onednn_pack *pack, ae_matmul_key *key)
{
    ae_matmul_key_of(q, key);
    if (pack) {
        memset(key->b_stride, 0, sizeof key->b_stride);
        key->pack_m = pack->m;
        key->pack_threads = pack->threads;
    }
}

/* 3.7.2 computes nonsense, without an error, for a single row of A with gaps between its elements, and writes a single
 * column of C as if it had none. Other paths take these. */
static bool is_misread(const ae_gemm *q)
{
    return (q->m == 1 && q->a_col != 1) || (q->n == 1 && q->m > 1 && q->c_row != 1);
}

static int run_matmul(const ae_gemm *q, const ae_onednn_pack *pack, ae_err *e)
{
    int threads;
    const int old = set_threads(&threads);
    ae_matmul_key key;
    key_with_pack(q, pack, &key);
    int result = -1;
    ae_matmul *p = ae_matmul_take(&key, ae_matmul_hash(&key), pack, e);
    if (p && !p->prim) {
        result = 1;
    } else if (p) {
        result = execute(p, q, pack, e);
    }
    if (p) {
        ae_matmul_put(p);
    }
    restore_threads(old, threads);
    return result;
}

/* Processors without VNNI add two products of i8 in 16 bits, which are cut off at 32767; then oneDNN's sums are wrong
 * by any amount, without an error. The largest numbers show which kind of processor this is. */
static bool find_exact_i8(void)
{
    enum { N = 64 };
    int8_t *a = malloc((size_t)N * N);
    int32_t *c = calloc((size_t)N * N, sizeof *c);
    bool exact = a && c;
    if (exact) {
        memset(a, 127, (size_t)N * N);
        ae_gemm q = ae_gemm_dense(AE_I8, N, N, N, a, a, c);
        q.c_dtype = AE_I32;
        exact = run_matmul(&q, NULL, NULL) == 0;
    }
    for (int i = 0; exact && i < N * N; i++) {
        exact = c[i] == N * 127 * 127;
    }
    free(a);
    free(c);
    return exact;
}

bool ae_onednn_sums_i8(void)
{
    static atomic_int known; /* 0 not asked yet, 1 no, 2 yes; every thread would find the same */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        answer = find_exact_i8() ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

bool ae_onednn_is_wrong(const ae_gemm *q)
{
    return is_misread(q) || (q->a_dtype == AE_I8 && !ae_onednn_sums_i8());
}

int ae_onednn_matmul(const ae_gemm *q, const ae_onednn_pack *pack, ae_err *e)
{
    const int result = ae_onednn_is_wrong(q) ? 1 : run_matmul(q, pack, e);
    if (result == 0) {
        count_call(q, pack != NULL);
    }
    return result;
}

const char *ae_onednn_matmul_name(const ae_gemm *q, const ae_onednn_pack *pack, char text[AE_ONEDNN_NAME_MAX])
{
    int threads;
    const int old = set_threads(&threads);
    ae_matmul_key key;
    key_with_pack(q, pack, &key);
    ae_matmul *p = ae_matmul_take(&key, ae_matmul_hash(&key), pack, NULL);
    snprintf(text, AE_ONEDNN_NAME_MAX, "%s", p && !ae_onednn_is_wrong(q) ? p->name : "");
    if (p) {
        ae_matmul_put(p);
    }
    restore_threads(old, threads);
    return text;
}

int ae_onednn_sgemm(const ae_gemm *q, const float *a, const float *b, float beta, float *c)
{
    int threads;
    const int old = set_threads(&threads);
    const bool a_plain = q->a_col == 1;
    const bool b_plain = q->b_col == 1;
    const dnnl_status_t status =
        dnnl_sgemm(a_plain ? 'N' : 'T', b_plain ? 'N' : 'T', q->m, q->n, q->k, q->alpha, a,
                   a_plain ? q->a_row : q->a_col, b, b_plain ? q->b_row : q->b_col, beta, c, q->c_row);
    restore_threads(old, threads);
    return status != dnnl_success;
}

/* ---- bf16 -------------------------------------------------------------------------------------------------------- */

bool ae_onednn_has_bf16(void)
{
    static atomic_int known; /* 0 not asked yet, 1 no, 2 yes; every thread would find the same */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        ae_gemm q = ae_gemm_dense(AE_BF16, 64, 64, 64, NULL, NULL, NULL);
        ae_matmul_key key;
        ae_matmul_key_of(&q, &key);
        dnnl_primitive_desc_t pd = NULL;
        char name[AE_ONEDNN_NAME_MAX] = "";
        const bool fast = ae_onednn_engine() && ae_matmul_describe_key(&key, NULL, &pd) == dnnl_success &&
                          ae_onednn_is_fast(pd, name);
        dnnl_primitive_desc_destroy(pd);
        answer = fast && strncmp(name, "gemm", 4) ? 2 : 1; /* "gemm:jit" converts in software */
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}
