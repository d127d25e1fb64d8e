/** What the supervisor in the background tells the `make up` that started it. */
export type Report = { say: string } | { ready: { gateway?: string; consumer?: string } } | { failed: string }
