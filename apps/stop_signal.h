/* Signals that ask a run to end well: SIGINT, SIGTERM and SIGUSR1 set a flag that the run looks at between steps; a
 * second SIGINT stops the process at once. */
#ifndef AE_APPS_STOP_SIGNAL_H
#define AE_APPS_STOP_SIGNAL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Begins to listen; ae_stop_signal_end puts the former handlers back. One run of a process at a time listens. */
void ae_stop_signal_begin(void);
void ae_stop_signal_end(void);

/* The signal that came, or 0. */
int ae_stop_signal(void);

#ifdef __cplusplus
}
#endif
#endif
