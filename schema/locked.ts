/** Whether Postgres says that a lock was not to be had in time (SQLSTATE 55P03): somebody else is changing the same. */
export const isLocked = (error: unknown) => error instanceof Error && 'code' in error && error.code === '55P03'
