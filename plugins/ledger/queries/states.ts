/**
 * States in statements that look rows up by id. The other collation keeps the planner from the partial indexes on state, which it
 * may find small once and go through whole, for each id, ever after. One of them, jobs_expiring, is written with it.
 */
export const IS_QUEUED = `jobs.state collate "C" = 'queued'`
export const IS_ACTIVE = `jobs.state collate "C" = 'active'`
