/**
 * Arguments of `env` that keep tap out of a command: it gives every child process of a test its own loaders, with which
 * the compiler does not run and the rest runs more slowly.
 */
export const UNWRAP = ['-u', 'NODE_OPTIONS', '-u', 'NODE_V8_COVERAGE']
