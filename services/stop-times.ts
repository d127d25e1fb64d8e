/**
 * How long a service may take to stop, in ms after SIGTERM. Who waits for another waits longer, so that nobody is killed who still
 * finishes what it does (design rule 13).
 * @param graceMs the setting SHUTDOWN_GRACE_MS: what running jobs and requests get
 */
export const stopTimes = (graceMs: number) => ({
  /** By then a process ends by itself: a little for what follows its jobs and requests. */
  process: graceMs + 5_000,
  /** By then one of several has ended, or is killed by the one above. */
  worker: graceMs + 7_000,
  /** By then the whole service has ended, however many processes it has. */
  service: graceMs + 8_000
})
