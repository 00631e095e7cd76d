/* Signals that ask a run to end well: SIGINT, SIGTERM and SIGUSR1 set a flag that the run looks at between steps; a
 * second SIGINT stops the process at once. */
#ifndef AE_APPS_STOP_SIGNAL_H
#define AE_APPS_STOP_SIGNAL_H

#ifdef __cplusplus
extern "C" {
#endif

/* Begins to listen; ae_stop_signal_end puts the former handlers back. One run of a process at a time listens. Until the
 * end the three signals are blocked on the calling thread and on all that compute for it, because a signal handled in
 * the midst of a product of oneDNN destroys memory (stop_signal.c); a thread of its own takes them. */
void ae_stop_signal_begin(void);
void ae_stop_signal_end(void);

/* The signal that came, the last one of several, or 0. On the thread that began alone. */
int ae_stop_signal(void);

#ifdef __cplusplus
}
#endif
#endif
