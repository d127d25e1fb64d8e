const HUSH_MS = 1_000

/**
 * How long a service may take to stop, in ms after SIGTERM. Who waits for another waits longer, so that nobody is killed who still
 * finishes what it does (design rule 13).
 * @param graceMs the setting SHUTDOWN_GRACE_MS: what running jobs and requests get
 */
export const stopTimes = (graceMs: number) => ({
  /** Of several processes none ends before all take no new connection; who does not say so by then is not waited for. */
  hush: HUSH_MS,
  /** By then a process ends by itself: a little for what follows its jobs and requests. */
  process: graceMs + 5_000,
  /** By then one of several has ended, or is killed by the one above. */
  worker: graceMs + HUSH_MS + 6_000,
  /** By then the whole service has ended, however many processes it has. */
  service: graceMs + HUSH_MS + 7_000
})
