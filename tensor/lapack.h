/* The door to LAPACK: decompositions of host tensors, f32 or f64, one matrix (m,n) with any strides.
 *
 * Inputs are read only. Results are new contiguous tensors of the input's dtype; the caller frees them with
 * ae_tensor_free. A result that is not wanted may be passed as NULL; on failure every result is NULL. An empty matrix
 * has empty results.
 *
 * Functions return 0, or -1: AE_E_DTYPE (neither f32 nor f64), AE_E_SHAPE (not a matrix, or extents that do not fit),
 * AE_E_NONFINITE (NaN or infinity in the input, or an iteration that does not converge), AE_E_VALUE (singular, not
 * positive definite), AE_E_MEMORY, and AE_E_UNSUPPORTED when LAPACKE is not installed: the library is loaded at the
 * first call, because loading it at every start would take longer than all else at the start. */
#ifndef AE_TENSOR_LAPACK_H
#define AE_TENSOR_LAPACK_H

#include "tensor/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* a (m,n) = u diag(s) vt with r = min(m,n): u (m,r) and vt (r,n) orthonormal, s (r) descending, never negative. As
 * torch.linalg.svd(a, full_matrices=False). */
AE_API int ae_lapack_svd(const ae_tensor *a, ae_tensor **u, ae_tensor **s, ae_tensor **vt, ae_err *e);

/* a (m,n) = q r with k = min(m,n): q (m,k) orthonormal, r (k,n) upper triangular; signs as LAPACK leaves them. As
 * torch.linalg.qr(a). */
AE_API int ae_lapack_qr(const ae_tensor *a, ae_tensor **q, ae_tensor **r, ae_err *e);

/* a (n,n) = l l^T with l lower triangular. Only the lower triangle of a is read. AE_E_VALUE when a is not positive
 * definite. As torch.linalg.cholesky(a). */
AE_API int ae_lapack_cholesky(const ae_tensor *a, ae_tensor **l, ae_err *e);

/* The x (n,k) of least |x| among those that minimise |a x - b|, for a (m,n) and b (m,k); b (m) gives x (n). Singular
 * values under max(m,n) * epsilon of the largest count as zero; *rank is the number of the others (rank may be NULL).
 * As torch.linalg.lstsq(a, b, driver="gelsd"). */
AE_API int ae_lapack_lstsq(const ae_tensor *a, const ae_tensor *b, ae_tensor **x, int64_t *rank, ae_err *e);

/* The eigenvalues w (n), ascending, and orthonormal eigenvectors v (n,n), one a column, of a symmetric a (n,n). Only
 * the lower triangle of a is read. As torch.linalg.eigh(a). */
AE_API int ae_lapack_eigh(const ae_tensor *a, ae_tensor **w, ae_tensor **v, ae_err *e);

/* The x (n,k) with a x = b, for a (n,n) and b (n,k); b (n) gives x (n). AE_E_VALUE when a pivot is exactly 0. As
 * torch.linalg.solve(a, b). */
AE_API int ae_lapack_solve(const ae_tensor *a, const ae_tensor *b, ae_tensor **x, ae_err *e);

#ifdef __cplusplus
}
#endif
#endif
