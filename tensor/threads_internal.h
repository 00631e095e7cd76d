/* The parts of threads.c that a test gives made-up files and texts. */
#ifndef AE_TENSOR_THREADS_INTERNAL_H
#define AE_TENSOR_THREADS_INTERNAL_H

/* A thread count as environment variables give it ("4", "4,2"); 0 when it is not a number from 1 to 4096. */
int ae_threads_parse(const char *text);

/* The CPU quota of one control-group folder (cpu.max, or cpu.cfs_quota_us and cpu.cfs_period_us), rounded up; 0 for
 * no limit. */
int ae_threads_cgroup_folder(const char *folder);

/* The smallest quota of the groups that list_path (/proc/self/cgroup) names and of the groups above them, in the tree
 * mounted at `tree`; 0 for no limit. */
int ae_threads_cgroup(const char *list_path, const char *tree);

#endif
